"""Every alert, what stands first; beneath the list all that is known of the one stood on."""

from cdml_tui.client import Client
from cdml_tui.panes.alerts import columns, known
from cdml_tui.panes.columns import heading, row_line
from cdml_tui.panes.line import Line, inert
from cdml_tui.panes.numbers import told
from cdml_tui.screens.page import Body, Page, Rows, foot_of, of_nothing
from cdml_tui.screens.quieting import quiets
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Screen, decision_now
from engine import wire

_NONE = (
    "No alert so far. The champion is looked at by its schedule; cdml monitor looks now, and "
    "cdml alerts MODEL --replay says what today's rules would have raised."
)


def _ask(client: Client, _: Subject) -> wire.AlertList:
    return client.alerts(None, everything=True)


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    found: wire.AlertList = sheet.value
    alerts, now = found.alerts, decision_now(screen)
    promises = [f"{model}: {said}" for model, said in found.promise.items()]
    if not alerts:
        return Body([one for text in (_NONE, *promises) for one in told(text, width, style="dim")])
    shown = columns(now)
    return Body(
        Rows(len(alerts), lambda i: row_line(shown, alerts[i], width)),
        head=(heading(shown, width),),
        selects=True,
        foot=_foot(screen, sheet, promises, width),
        names=[str(a.number) for a in alerts],
    )


def _foot(screen: Screen, sheet: Sheet, promises: list[str], width: int) -> tuple[Line, ...]:
    """Draw all that is known of the alert stood on, in half of the room; Enter shows it whole."""
    on, rows = _on(sheet), (screen.height - 5) // 2
    if on is None:
        return ()
    lines = known(on, decision_now(screen), width)
    if len(lines) < rows - 1:
        lines += [one for text in promises for one in told(text, width, style="dim")]
    return foot_of(
        screen, f"Alert {on.number} of {inert(on.model)} {inert(on.version)}", lines, rows
    )


def _on(sheet: Sheet) -> wire.AlertRow | None:
    alerts = sheet.value.alerts if sheet.value else []
    return alerts[sheet.cursor] if sheet.cursor < len(alerts) else None


def _opens(_: Screen, sheet: Sheet) -> Subject | None:
    on = _on(sheet)
    return None if on is None else Subject("alert", on.model, id=str(on.number))


PAGE = Page(
    "alerts",
    title=lambda _: "Alerts",
    draw=_draw,
    ask=_ask,
    about=of_nothing,
    opens=_opens,
    keys=("ack", "mute"),
    changes=quiets(_on),
)
