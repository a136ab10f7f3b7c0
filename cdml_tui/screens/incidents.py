"""Every incident kept, newest first; Enter opens one."""

from datetime import datetime

from cdml_tui.panes.columns import Cell, Column, heading, row_line
from cdml_tui.panes.facts import facts
from cdml_tui.panes.figures import NONE, age, clock, span_of
from cdml_tui.panes.line import Line
from cdml_tui.panes.numbers import told
from cdml_tui.screens.page import Body, Page, Rows, foot_of, of_nothing
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Screen, decision_now, moment
from engine import wire

_FOOT = 6
_NONE = (
    "No incident so far. A breach of a limit opens one by itself; what is done and noted then "
    "gathers on it. cdml alerts --all shows what was told without a breach."
)


def _columns(now: datetime | None) -> tuple[Column[wire.IncidentRow], ...]:
    return (
        Column("N", 4, lambda r: (str(r.number), "bold"), right=True),
        Column("MODEL", 10, lambda r: r.model, least=60),
        Column("CHAMPION", 8, lambda r: r.version or NONE, least=100),
        Column("OPENED", 11, lambda r: clock(r.opened, now)),
        Column("STATE", 6, lambda r: ("closed", "dim") if r.closed else ("OPEN", "alarm")),
        Column("FOR", 5, lambda r: _stood(r, now), least=60, right=True),
        Column("WHAT", 0, _what),
    )


def _what(row: wire.IncidentRow) -> Cell:
    return row.title, "dim" if row.closed else ""


def _stood(row: wire.IncidentRow, now: datetime | None) -> str:
    opened, closed = moment(row.opened), moment(row.closed)
    if opened is None or closed is None:
        return age(row.opened, now)
    return span_of((closed - opened).total_seconds())


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    rows: list[wire.IncidentRow] = sheet.value
    if not rows:
        return Body(told(_NONE, width, style="dim"))
    shown = _columns(decision_now(screen))
    return Body(
        Rows(len(rows), lambda i: row_line(shown, rows[i], width)),
        head=(heading(shown, width),),
        selects=True,
        foot=_foot(screen, rows[min(sheet.cursor, len(rows) - 1)], width),
        names=[str(row.number) for row in rows],
    )


def _foot(screen: Screen, row: wire.IncidentRow, width: int) -> tuple[Line, ...]:
    """Draw the whole title of the incident stood on; Enter shows its timeline."""
    known = (("what", row.title), ("champion", f"{row.version or 'none'} when it began"))
    return foot_of(screen, f"Incident {row.number}", facts(known, width), _FOOT)


def _opens(_: Screen, sheet: Sheet) -> Subject | None:
    if not sheet.value:
        return None
    row = sheet.value[sheet.cursor]
    return Subject("incident", row.model, id=str(row.number))


PAGE = Page(
    "incidents",
    title=lambda _: "Incidents",
    draw=_draw,
    ask=lambda client, _: client.incidents(),
    about=of_nothing,
    opens=_opens,
)
