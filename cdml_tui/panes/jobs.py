"""Runs and schedules of a model: what runs, what became of it, what is due."""

from cdml_tui.panes.figures import age, clock, span_of
from cdml_tui.panes.line import Line, Span, Style, fit, inert, lead, line, pad, title
from cdml_tui.panes.runs import VERDICTS
from cdml_tui.reach import key_of
from cdml_tui.state import Screen, decision_now
from engine import wire

_ALIVE = ("running", "queued")


def jobs(screen: Screen, width: int, height: int) -> list[Line]:
    """Draw running jobs, the latest runs, and what is due next."""
    head = title("Jobs", width, number="3")
    state = screen.snapshot
    if state is None:
        return [head, line((" waiting for the engine", "dim"))][:height]
    runs = [j for j in state.jobs if j.model == screen.model]
    due = [s for s in state.schedules if s.model == screen.model]
    if not runs and not due:
        why = f" no runs, no schedule; {key_of(screen, 'train')} trains now"
        return [head, line((why, "dim"))][:height]
    runs = _most_telling_first(runs)
    room = max(1, height - 1 - min(len(due), max(1, (height - 1) // 2)))
    shown = [_run(screen, j, width) for j in runs[:room]]
    shown += [_due(screen, s, width) for s in due]
    return [head, *shown][:height]


def _most_telling_first(runs: list[wire.JobRow]) -> list[wire.JobRow]:
    """Order runs: alive, then the latest of every job, then the rest, each newest first."""
    newest = sorted(runs, key=lambda j: j.ended_at or j.started_at or j.queued_at, reverse=True)
    latest: dict[str, str] = {}
    for run in newest:
        latest.setdefault(run.job, run.id)

    def rank(run: wire.JobRow) -> int:
        if run.state in _ALIVE:
            return _ALIVE.index(run.state)
        return 2 if latest[run.job] == run.id else 3

    return sorted(newest, key=rank)


def _run(screen: Screen, job: wire.JobRow, width: int) -> Line:
    now = decision_now(screen)
    when = age(job.ended_at or job.started_at or job.queued_at, now)
    state, style = _state(job)
    note = job.error or job.note or job.cause
    if job.left_s:
        note = f"{span_of(job.left_s)} left, {note}"
    version = f"{job.version} " if job.version else ""
    mark = ">" if job.state == "running" else "!" if job.error else " "
    return fit(
        (
            Span(f" {mark} ", "key" if mark == ">" else style),
            Span(pad(inert(job.job), 8) + " "),
            Span(pad(inert(state), 8), style),
            Span(lead(when, 4) + " ", "dim"),
            Span(inert(f"{version}{note}")),
        ),
        width,
    )


def _state(job: wire.JobRow) -> tuple[str, Style]:
    if job.state == "running" and job.progress is not None:
        return f"{job.progress * 100:.0f}%", "bold"
    if job.error is not None:
        return job.state, "bad"
    if job.verdict:
        return VERDICTS.get(job.verdict, job.verdict), "good" if job.verdict == "pass" else "warn"
    return job.state, ""


def _due(screen: Screen, schedule: wire.ScheduleRow, width: int) -> Line:
    when = clock(schedule.next_due, decision_now(screen))
    note = f"  {schedule.note}" if schedule.note else ""
    text = f"   {pad(inert(schedule.job), 8)} next {when}  {schedule.every}{note}"
    return fit(line((inert(text), "dim")), width)
