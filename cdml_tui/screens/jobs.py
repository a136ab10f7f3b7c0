"""Every run kept, newest first."""

from cdml_tui.client import Client
from cdml_tui.panes.columns import heading, row_line
from cdml_tui.panes.facts import facts
from cdml_tui.panes.line import Line, inert
from cdml_tui.panes.numbers import told
from cdml_tui.panes.runs import columns
from cdml_tui.screens.cancelling import cancels
from cdml_tui.screens.page import Body, Page, Rows, foot_of, of_nothing
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Intent, Screen, decision_now
from engine import wire

_KEPT = 10_000
_NEWEST = 50
_FOOT = 5
_NONE = (
    "No run is kept yet. A run starts by its schedule, when a file arrives, or by hand: T on the "
    "base screen or cdml train."
)


def _ask(client: Client, _: Subject) -> list[wire.JobRow]:
    return client.jobs(_KEPT)


def _renew(client: Client, subject: Subject, before: list[wire.JobRow]) -> list[wire.JobRow]:
    """Ask for the newest runs only, unless that would leave one out that may have changed."""
    newest = client.jobs(_NEWEST)
    named = {run.id for run in newest}
    older = [run for run in before if run.id not in named]
    gap = not any(run.id in named for run in before[:_NEWEST])
    if gap or any(run.ended_at is None for run in older):
        return _ask(client, subject)
    return [*newest, *older][:_KEPT]


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    runs: list[wire.JobRow] = sheet.value
    if not runs:
        return Body(told(_NONE, width, style="dim"))
    shown = columns(decision_now(screen))
    return Body(
        Rows(len(runs), lambda i: row_line(shown, runs[i], width)),
        head=(heading(shown, width),),
        selects=True,
        foot=_foot(screen, sheet, width),
        names=[run.id for run in runs],
    )


def _foot(screen: Screen, sheet: Sheet, width: int) -> tuple[Line, ...]:
    """Draw why the run stood on was started and what came of it; Enter shows its log too."""
    run = _on(sheet)
    if run is None:
        return ()
    known = (("because", run.cause), ("note", run.note), ("error", run.error))
    return foot_of(screen, f"{inert(run.job)} {inert(run.id)}", facts(known, width), _FOOT)


def _on(sheet: Sheet) -> wire.JobRow | None:
    return sheet.value[sheet.cursor] if sheet.value else None


def _opens(_: Screen, sheet: Sheet) -> Subject | None:
    run = _on(sheet)
    return None if run is None else Subject("run", run.model, id=run.id)


def _cancel(_: Screen, sheet: Sheet) -> Intent | str:
    return cancels(_on(sheet))


PAGE = Page(
    "jobs",
    title=lambda _: "Runs",
    draw=_draw,
    ask=_ask,
    renew=_renew,
    about=of_nothing,
    opens=_opens,
    keys=("cancel",),
    every=lambda sheet: 2.0 if any(run.ended_at is None for run in sheet.value[:20]) else None,
    changes={"cancel": _cancel},
)
