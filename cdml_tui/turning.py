"""Opening, closing and moving about in pages, and taking in what the engine says of them. Pure."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from cdml_tui import selecting, state
from cdml_tui.effects import Ask, Effect, Step
from cdml_tui.panes.line import text_of
from cdml_tui.screens.frame import body_of, room_of, rows_of
from cdml_tui.screens.page import Body
from cdml_tui.screens.table import PAGES
from cdml_tui.sheet import BASE, Filter, Sheet, Subject, lets
from cdml_tui.state import Intent, Screen, looked_at, seen_anew

# A page is asked for anew at most this often, however fast the engine tells of changes.
ASK_AGAIN_S = 2.0

_FAR = 1_000_000


def opened(screen: Screen, name: str) -> Step:
    """Open a page from the base or in the place of another; its own key closes it again."""
    if screen.sheets and screen.sheets[-1].subject.page == name:
        return closed(screen)
    if screen.past is not None and PAGES[name].ask is not None:
        return replace(screen, message="pages are of the present; Esc returns to it first"), ()
    subject = PAGES[name].about(screen, name)
    if isinstance(subject, str):
        return replace(screen, message=subject), ()
    return put(screen if PAGES[name].over else replace(screen, sheets=()), subject)


def entered(screen: Screen) -> Step:
    """Open what the operator stands on."""
    if not screen.sheets:
        return opened(screen, "version") if "version" in PAGES else (screen, ())
    sheet = screen.sheets[-1]
    subject = PAGES[sheet.subject.page].entered(screen, sheet)
    if subject is None:
        return replace(screen, message="there is nothing more to open here"), ()
    if subject.page == BASE:
        return _shown(screen, subject.model), ()
    return put(screen, subject)


def offered(screen: Screen, verb: str) -> Intent | str:
    """Return what a change key would do on the open page, or why it does nothing there."""
    sheet = screen.sheets[-1]
    page = PAGES[sheet.subject.page]
    if verb not in page.changes:
        return "close this page first, to see what it would do"
    return page.offered(verb, screen, sheet)


def closed(screen: Screen) -> Step:
    """Close the page; the one below is asked for anew."""
    screen = replace(screen, sheets=screen.sheets[:-1])
    if not screen.sheets:
        return seen_anew(screen), ()
    return asked_again(screen, soon=PAGES[screen.sheets[-1].subject.page].live)


def _shown(screen: Screen, model: str | None) -> Screen:
    """Go back to the base screen, on a model."""
    selected = screen.selected if model == screen.model else None
    base = replace(screen, sheets=(), model=model, selected=selected, outcome=None)
    return seen_anew(looked_at(base))


def model_changed(screen: Screen) -> Step:
    """Show the next model, and of it the page that is open."""
    changed = selecting.model_changed(screen)
    if not screen.sheets or changed.model == screen.model:
        return changed, ()
    base, name = replace(changed, sheets=()), screen.sheets[0].subject.page
    subject = PAGES[name].about(base, name)
    if isinstance(subject, str):
        return replace(base, message=subject), ()
    return put(base, subject)


def moved(screen: Screen, way: str) -> Screen:
    """Move the cursor among the rows shown, or scroll where nothing can be selected."""
    sheet = screen.sheets[-1]
    body = body_of(screen, sheet, screen.width)
    rows, room = rows_of(sheet, body), room_of(screen, body)
    step = {
        "up": -1,
        "down": 1,
        "page_up": -room,
        "page_down": room,
        "first": -_FAR,
        "last": _FAR,
    }[way]
    last_top = max(0, len(rows) - room)
    if not body.selects:
        top = max(0, min(min(sheet.top, last_top) + step, last_top))
        return _topped(screen, replace(sheet, top=top))
    if not rows:
        return screen
    return _topped(screen, _stood(sheet, rows, bisect_left(rows, sheet.cursor) + step, room))


def filtered(screen: Screen, a_filter: Filter | None) -> Screen:
    """Show only the rows of the open page that a filter lets through."""
    sheet = replace(screen.sheets[-1], filter=a_filter, top=0)
    return _topped(screen, _sifted(screen, sheet))


def next_hit(screen: Screen, step: int) -> Screen:
    """Go to the next row that the filter lets through; behind the last one comes the first."""
    sheet = screen.sheets[-1]
    body = body_of(screen, sheet, screen.width)
    rows, room = rows_of(sheet, body), room_of(screen, body)
    if not rows:
        return replace(screen, message="the filter lets no row through")
    if not body.selects:
        last_top = max(0, len(rows) - room)
        return _topped(screen, replace(sheet, top=(sheet.top + step) % (last_top + 1)))
    at = (bisect_left(rows, sheet.cursor) + step) % len(rows)
    return _topped(screen, _stood(sheet, rows, at, room))


def _stood(sheet: Sheet, rows: Sequence[int], at: int, room: int) -> Sheet:
    """Stand on one of the rows shown, which stays in view."""
    at = max(0, min(at, len(rows) - 1))
    top = max(min(sheet.top, at), at - room + 1)
    return replace(sheet, cursor=rows[at], top=top)


def _sifted(screen: Screen, sheet: Sheet) -> Sheet:
    """Find the rows that the filter lets through, and stand on one of them."""
    wanted = sheet.filter
    if wanted is None:
        return replace(sheet, hits=None)
    body = body_of(screen, sheet, screen.width)
    hits = tuple(at for at, row in enumerate(body.rows) if lets(wanted, text_of(row).strip()))
    nearest = bisect_left(hits, sheet.cursor)
    cursor = hits[min(nearest, len(hits) - 1)] if hits else sheet.cursor
    return replace(sheet, hits=hits, cursor=cursor)


def asked_again(screen: Screen, *, soon: bool = True) -> Step:
    """Ask for the open page anew; without `soon` only when the last answer has aged a little."""
    if not screen.sheets:
        return screen, ()
    sheet = screen.sheets[-1]
    page = PAGES[sheet.subject.page]
    if page.ask is None or sheet.asked is not None:
        return screen, ()
    if not soon and not (page.live and _aged(screen, sheet) and screen.paused is None):
        return screen, ()
    return _topped(screen, replace(sheet, asked=screen.at)), (Ask(sheet.subject, sheet.value),)


def due(screen: Screen) -> Step:
    """Ask for the open page anew where it wants that by time alone."""
    if not screen.sheets or (sheet := screen.sheets[-1]).value is None or sheet.came is None:
        return screen, ()
    every = PAGES[sheet.subject.page].renewed_after(sheet)
    return (screen, ()) if every is None or screen.at - sheet.came < every else asked_again(screen)


def came(screen: Screen, subject: Subject, value: Any, at: float) -> Screen:
    """Take in what the engine says; the operator keeps the place."""

    def taken(sheet: Sheet) -> Sheet:
        before = body_of(screen, sheet, screen.width)
        at_end = sheet.value is None or sheet.top + _room(screen, sheet, before) >= len(before.rows)
        sheet = replace(sheet, value=value, came=at, asked=None, why="")
        # What is beneath the cursor may be gone: the first row is there if any is.
        after = body_of(screen, replace(sheet, cursor=0), screen.width)
        sheet = _on_its_row(sheet, before, after)
        sheet = replace(sheet, cursor=max(0, min(sheet.cursor, len(after.rows) - 1)))
        if after.follows and at_end:
            sheet = replace(sheet, top=max(0, len(after.rows) - _room(screen, sheet, after)))
        return _sifted(screen, sheet)

    return _of_subject(screen, subject, taken)


def resized(screen: Screen, width: int, height: int) -> Screen:
    """Take in the size of the terminal; rows fold otherwise, so filters are looked at again."""
    screen = state.resized(screen, width, height)
    sheets = tuple(_sifted(screen, sheet) for sheet in screen.sheets)
    return replace(screen, sheets=sheets)


def not_came(screen: Screen, subject: Subject, why: str) -> Screen:
    """Take in that the engine did not say; what was known stays, marked as old."""
    return _of_subject(screen, subject, lambda sheet: replace(sheet, asked=None, why=why))


def _room(screen: Screen, sheet: Sheet, body: Body) -> int:
    return room_of(replace(screen, sheets=(sheet,)), body)


def _on_its_row(sheet: Sheet, before: Body, after: Body) -> Sheet:
    """Keep the cursor on the row it was on, and that row where it was on the screen."""
    if sheet.cursor >= len(before.names):
        return sheet
    name = before.names[sheet.cursor]
    if name not in after.names:
        return sheet
    moved = after.names.index(name) - sheet.cursor
    top = max(0, sheet.top + moved) if sheet.top else 0
    return replace(sheet, cursor=sheet.cursor + moved, top=top)


def _aged(screen: Screen, sheet: Sheet) -> bool:
    rest = max(ASK_AGAIN_S, PAGES[sheet.subject.page].rest_s)
    return sheet.came is None or screen.at - sheet.came >= rest


def put(screen: Screen, subject: Subject) -> Step:
    """Put a page on top of what is open, and ask for what it shows."""
    effects: tuple[Effect, ...] = ()
    sheet = Sheet(subject, opened=screen.at)
    if PAGES[subject.page].ask is not None:
        sheet, effects = replace(sheet, asked=screen.at), (Ask(subject),)
    return replace(screen, sheets=(*screen.sheets, sheet)), effects


def _topped(screen: Screen, sheet: Sheet) -> Screen:
    return replace(screen, sheets=(*screen.sheets[:-1], sheet))


def _of_subject(screen: Screen, subject: Subject, take: Callable[[Sheet], Sheet]) -> Screen:
    sheets = tuple(take(s) if s.subject == subject else s for s in screen.sheets)
    return replace(screen, sheets=sheets)
