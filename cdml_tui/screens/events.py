"""Every event the engine last told of, newest first."""

from cdml_tui.panes.events import event_line
from cdml_tui.screens.page import Body, Page, Rows, of_nothing
from cdml_tui.sheet import Sheet
from cdml_tui.state import Screen


def _draw(_: Screen, sheet: Sheet, width: int) -> Body:
    events = sheet.value
    return Body(Rows(len(events), lambda i: event_line(events[-1 - i], width)))


PAGE = Page(
    "events",
    title=lambda _: "Events",
    draw=_draw,
    ask=lambda client, _: client.recent_events(10_000),
    about=of_nothing,
)
