"""Every event the engine last told of, newest first; below, the whole of the one stood on."""

from cdml_tui.panes.events import event_line
from cdml_tui.panes.facts import facts
from cdml_tui.panes.line import Line
from cdml_tui.panes.numbers import told
from cdml_tui.screens.page import Body, Page, Rows, foot_of, of_nothing
from cdml_tui.sheet import Sheet
from cdml_tui.state import Screen
from engine import wire

_FOOT = 9


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    events: list[wire.EventRow] = sheet.value
    if not events:
        return Body(told("Nothing has happened yet.", width, style="dim"))
    return Body(
        Rows(len(events), lambda i: event_line(events[-1 - i], width)),
        selects=True,
        foot=_foot(screen, events[-1 - min(sheet.cursor, len(events) - 1)], width),
        names=[str(event.id) for event in reversed(events)],
    )


def _foot(screen: Screen, event: wire.EventRow, width: int) -> tuple[Line, ...]:
    """Draw the whole text: an error ends with what to do."""
    known = (("", event.text), ("model", event.model), ("at", event.time))
    return foot_of(screen, f"{event.level} {event.kind}", facts(known, width), _FOOT)


PAGE = Page(
    "events",
    title=lambda _: "Events",
    draw=_draw,
    ask=lambda client, _: client.recent_events(10_000),
    about=of_nothing,
)
