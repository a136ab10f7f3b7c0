"""Runs as rows and as facts: what runs and how far it is, what became of the others, and why."""

from datetime import datetime

from cdml_tui.panes.columns import Cell, Column
from cdml_tui.panes.figures import NONE, age, bar_of, clock, span_of
from cdml_tui.panes.line import Line, Span, Style, line
from cdml_tui.state import moment
from engine import wire

VERDICTS = {"inconclusive": "unclear", "fail": "rejected"}
_STATES: dict[str, Style] = {
    "running": "bold", "done": "good", "failed": "bad", "killed": "bad", "timed_out": "bad",
    "refused": "warn", "interrupted": "warn", "cancelled": "dim", "queued": "dim",
}  # fmt: skip


def columns(now: datetime | None) -> tuple[Column[wire.JobRow], ...]:
    """Return what a row shows of a run, what matters most first."""
    return (
        Column("RUN", 6, lambda r: (r.id, "bold")),
        Column("MODEL", 8, lambda r: r.model, least=120),
        Column("JOB", 8, lambda r: r.job),
        Column("STATE", 9, state),
        Column("AGO", 5, lambda r: age(r.started_at or r.queued_at, now), least=60, right=True),
        Column("TOOK", 5, lambda r: took(r, now), least=100, right=True),
        Column("CPU", 5, cpu, least=60, right=True),
        Column("MEM", 7, memory, least=60, right=True),
        Column("VERSION", 8, lambda r: r.version or NONE, least=120),
        Column("CAUSE", 32, lambda r: r.cause, least=130),
        Column("WHAT CAME OF IT", 0, _came),
    )


def state(run: wire.JobRow) -> tuple[str, Style]:
    """Return the state of a run, or the verdict it came to."""
    if run.state == "done" and run.verdict:
        word = VERDICTS.get(run.verdict, run.verdict)
        return word, "good" if run.verdict == "pass" else "warn"
    return run.state, _STATES.get(run.state, "")


def took(run: wire.JobRow, now: datetime | None) -> str:
    """Return how long a run took, or takes so far."""
    begun, ended = moment(run.started_at), moment(run.ended_at) or now
    if begun is None or ended is None:
        return NONE
    return span_of((ended - begun).total_seconds())


def cpu(run: wire.JobRow) -> str:
    """Return the CPU time that a run used."""
    return NONE if run.cpu_s is None else span_of(run.cpu_s)


def memory(run: wire.JobRow) -> str:
    """Return the most memory that a run held."""
    return NONE if run.memory_mib is None else f"{run.memory_mib} MiB"


def progress_line(run: wire.JobRow, now: datetime | None, width: int) -> Line:
    """Draw how far a run is: a bar, the share, the time left; or how it ended."""
    word, style = state(run)
    if run.ended_at is not None:
        when = clock(run.ended_at, now)
        return line((f" {word}", style), f"  ended {when}, took {took(run, now)}")
    if run.state == "queued":
        return line((" queued", "dim"), "  waits for its turn")
    if run.progress is None:
        return line((" running", "bold"), f"  since {took(run, now)}; no progress is told yet")
    room = max(8, min(50, width - 34))
    filled = bar_of(run.progress, 1.0, room)
    left = "time left not known yet" if run.left_s is None else f"about {span_of(run.left_s)} left"
    return (
        Span(" "),
        Span(filled, "good"),
        Span("·" * (room - len(filled)), "dim"),
        Span(f" {run.progress * 100:3.0f}%  {left}"),
    )


def _came(run: wire.JobRow) -> Cell:
    """Return how far a run is, else what came of it."""
    if run.error:
        return run.error, "bad" if run.state != "refused" else "warn"
    if run.ended_at is not None or run.progress is None:
        return run.note or run.cause
    filled = bar_of(run.progress, 1.0, 10)
    left = f", {span_of(run.left_s)} left" if run.left_s else ""
    bar = f"{filled}{'·' * (10 - len(filled))}"
    return f"{run.progress * 100:.0f}% {bar}{left}  {run.note}", "good"
