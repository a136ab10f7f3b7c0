"""One alert: all that is known of it, and what to do next."""

from cdml_tui.panes.alerts import known, level, word
from cdml_tui.panes.figures import age
from cdml_tui.panes.line import line
from cdml_tui.screens.page import Body, Page
from cdml_tui.screens.quieting import quiets
from cdml_tui.sheet import Sheet
from cdml_tui.state import Screen, decision_now
from engine import wire


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    alert: wire.AlertRow = sheet.value
    now = decision_now(screen)
    said = f" {word(alert)} for {age(alert.since, now)}, of {alert.version}"
    head = line(" ", level(alert), said)
    return Body(known(alert, now, width), head=(head,))


PAGE = Page(
    "alert",
    title=lambda subject: f"Alert {subject.id} of {subject.model}",
    draw=_draw,
    ask=lambda client, subject: client.alert(int(subject.id)),
    keys=("ack", "mute"),
    changes=quiets(lambda sheet: sheet.value),
)
