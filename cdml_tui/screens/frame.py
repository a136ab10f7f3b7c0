"""What the terminal shows: the base screen, or a page between its first and last lines."""

from bisect import bisect_left
from collections.abc import Sequence

from cdml_tui.panes.bar import bottom, rows_needed
from cdml_tui.panes.facts import NARROW
from cdml_tui.panes.figures import span_of
from cdml_tui.panes.header import fitted
from cdml_tui.panes.layout import SHORT, watch
from cdml_tui.panes.line import EMPTY, Line, Span, block, drawn, inert, line, title, wrapped
from cdml_tui.screens.fault import undrawn
from cdml_tui.screens.page import Body
from cdml_tui.screens.table import PAGES
from cdml_tui.sheet import Sheet
from cdml_tui.state import Screen, then_of

# A page older than this says so: the engine was asked and has not answered, or nothing changed.
_OLD_S = 5.0


def shown(screen: Screen, width: int, height: int) -> list[Line]:
    """Return all that the terminal shows: exactly `height` lines of exactly `width` columns."""
    if not screen.sheets:
        return watch(then_of(screen), width, height)
    sheet = screen.sheets[-1]
    head = _head(screen, width, height)
    foot = _foot(screen, sheet, width, height)
    room = max(0, height - len(head) - 1 - len(foot))
    body = body_of(screen, sheet, width)
    lines = [*head, _title(screen, sheet, width), *block(_window(sheet, body, room), room, width)]
    return drawn(block([*lines, *foot], height, width), screen.glyphs)


def body_of(screen: Screen, sheet: Sheet, width: int) -> Body:
    """Return what the page has to show, or why it has nothing."""
    page = PAGES[sheet.subject.page]
    if sheet.value is None and page.ask is not None:
        why = sheet.why or page.waiting
        return Body([line((f" {t}", "dim")) for t in wrapped(inert(why), max(1, width - 2))])
    try:
        body = page.draw(screen, sheet, width)
    except Exception as fault:  # noqa: BLE001 - a page that breaks must not end the console
        return Body([undrawn(f"this page ({page.name})", fault)])
    return body if body.rows else Body([line((" nothing yet", "dim"))], body.head)


def room_of(screen: Screen, body: Body) -> int:
    """Return how many rows of the open page, which has this body, the terminal has room for."""
    sheet = screen.sheets[-1]
    width, height = screen.width, screen.height
    around = len(_head(screen, width, height)) + 1 + len(_foot(screen, sheet, width, height))
    return max(1, height - around - len(body.head) - len(body.foot))


def _window(sheet: Sheet, body: Body, room: int) -> list[Line]:
    rows, shown_rows = max(0, room - len(body.head) - len(body.foot)), rows_of(sheet, body)
    top = max(0, min(sheet.top, len(shown_rows) - rows))
    if body.selects:
        cursor = bisect_left(shown_rows, sheet.cursor)
        top = max(min(top, cursor), cursor - rows + 1)
    seen = shown_rows[top : top + rows]
    if not seen and sheet.filter is not None:
        return [*body.head, line((" no row here has that; Esc ends the filter", "dim"))]
    lines = [(at, body.rows[at]) for at in seen]
    if body.selects:
        lines = [(at, _marked(one) if at == sheet.cursor else one) for at, one in lines]
    drawn_rows = [one for _, one in lines]
    return [*body.head, *drawn_rows, *[EMPTY] * (rows - len(drawn_rows)), *body.foot]


def rows_of(sheet: Sheet, body: Body) -> Sequence[int]:
    """Return which of the page's rows are shown, in order: all, or those that its filter lets."""
    if sheet.hits is None:
        return range(len(body.rows))
    return sheet.hits[: bisect_left(sheet.hits, len(body.rows))]


def _marked(row: Line) -> Line:
    """Put the cursor into the first column, which rows leave empty."""
    first, *rest = row
    return (Span("▸", "key"), Span(first.text[1:], first.style), *rest)


def _head(screen: Screen, width: int, height: int) -> list[Line]:
    """A page too keeps saying where this is and what is wrong, where there is room."""
    return list(fitted(screen, width)) if height >= SHORT else []


def _foot(screen: Screen, sheet: Sheet, width: int, height: int) -> list[Line]:
    page = PAGES[sheet.subject.page]
    opens = ("open",) if page.entered(screen, sheet) else ()
    names = (*page.keys, "down", *opens, "back", "help")
    if width < NARROW:
        # The way out is never what has no room.
        names = ("back", *page.keys, *opens, "down", "help")
    rows = min(rows_needed(screen, width), max(1, height - 1))
    return block(bottom(screen, width, rows, names, _dim(screen, sheet)), rows, width)


def _dim(screen: Screen, sheet: Sheet) -> frozenset[str]:
    """Return the change keys of the page that cannot do anything now."""
    page = PAGES[sheet.subject.page]
    if screen.snapshot is None or screen.snapshot.role == "viewer":
        return frozenset(page.changes)
    return frozenset(n for n in page.changes if isinstance(page.offered(n, screen, sheet), str))


def _title(screen: Screen, sheet: Sheet, width: int) -> Line:
    page = PAGES[sheet.subject.page]
    note: Line = EMPTY
    name = inert(page.title(sheet.subject))
    if sheet.filter is not None:
        sign = "!" if sheet.filter.inverse else ""
        name += f"  /{sign}{inert(sheet.filter.pattern)}  {len(sheet.hits or ())} rows"
    if sheet.came is not None and page.ask is not None:
        old = screen.at - sheet.came
        if sheet.why:
            note = line((f"{span_of(old)} old, could not be asked again ", "alarm"))
        elif old >= max(_OLD_S, 2 * page.rest_s):
            note = line((f"asked {span_of(old)} ago ", "dim"))
    return title(name, width, note)
