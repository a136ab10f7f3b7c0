"""One run: what is known of it, and the end of its log, followed while it runs."""

from dataclasses import dataclass

from cdml_tui.client import Client
from cdml_tui.panes.facts import facts, folded
from cdml_tui.panes.figures import clock
from cdml_tui.panes.line import Line, inert, line, title
from cdml_tui.panes.runs import cpu, memory, progress_line
from cdml_tui.screens.cancelling import cancels
from cdml_tui.screens.page import Body, Page
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Intent, Screen, decision_now
from engine import wire

_FOLLOWED_S = 1.0


@dataclass(frozen=True, slots=True)
class RunSeen:
    """A run and the end of what it wrote."""

    run: wire.JobRow
    log: wire.RunLog


def _ask(client: Client, subject: Subject) -> RunSeen:
    # The log first: what a run wrote before it ended is in it by then, or is asked for again.
    log = client.run_log(subject.id)
    return RunSeen(client.job(subject.id), log)


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    seen: RunSeen = sheet.value
    head = (progress_line(seen.run, decision_now(screen), width),)
    rows = [*_facts(screen, seen.run, width), *_log(seen.log, width)]
    return Body(rows, head=head, follows=seen.run.ended_at is None)


def _facts(screen: Screen, run: wire.JobRow, width: int) -> list[Line]:
    now = decision_now(screen)
    times = [("queued", run.queued_at), ("started", run.started_at), ("ended", run.ended_at)]
    used = f"CPU {cpu(run)}, memory at most {memory(run)}"
    return facts(
        (
            ("is", f"{run.job} of {run.model}{f' {run.version}' if run.version else ''}"),
            ("because", run.cause),
            ("times", ", ".join(f"{name} {clock(t, now)}" for name, t in times if t)),
            ("used", used),
            ("verdict", run.verdict),
            ("note", run.note),
            ("error", run.error),
            ("same as", f"cdml job {run.id} --log"),
        ),
        width,
    )


def _log(log: wire.RunLog, width: int) -> list[Line]:
    cut = f"the first {log.cut:,} bytes are left out" if log.cut else ""
    head = title("Log", width, line((f"{cut} ", "dim")) if cut else ())
    if log.missing:
        return [head, line((f" {inert(log.missing)}", "dim"))]
    return [head, *(part for one in log.lines for part in folded(one, width))]


def _cancel(_: Screen, sheet: Sheet) -> Intent | str:
    return cancels(sheet.value.run)


PAGE = Page(
    "run",
    title=lambda subject: f"Run {subject.id}",
    draw=_draw,
    ask=_ask,
    keys=("cancel",),
    every=lambda sheet: _FOLLOWED_S if sheet.value.run.ended_at is None else None,
    changes={"cancel": _cancel},
)
