"""Filtering the rows of the open page, or of a pane of the base screen. Pure."""

import re
from dataclasses import replace

from cdml_tui import turning
from cdml_tui.selecting import moved
from cdml_tui.sheet import Filter
from cdml_tui.state import Screen, listed, looked_at, model_of

# Elsewhere than in the list of versions the words of a row are only in the events.
_PANES = ("versions", "events")


def place(screen: Screen) -> str:
    """Name what a filter would be of: the open page, or the pane with the focus."""
    if screen.sheets:
        return screen.sheets[-1].subject.page
    return screen.focus if screen.focus in _PANES else "versions"


def of(screen: Screen) -> Filter | None:
    """Return the filter that Esc would end, if there is one."""
    if screen.sheets:
        return screen.sheets[-1].filter
    here = [f for f in screen.filters if f.place == place(screen)]
    return next(iter(here or screen.filters), None)


def text_of(screen: Screen) -> str:
    """Write the filter that holds here as it was typed."""
    found = of(screen)
    return "" if found is None else f"{'!' if found.inverse else ''}{found.pattern}"


def made(screen: Screen, text: str) -> Filter | str | None:
    """Read a filter as it is typed: a Filter, None for an empty one, or what is wrong with it."""
    inverse = text.startswith("!")
    pattern = text[1:] if inverse else text
    if not pattern:
        return None
    try:
        re.compile(pattern)
    except re.error as e:
        return f"no such pattern: {e}"
    return Filter(place(screen), pattern, inverse)


def applied(screen: Screen, a_filter: Filter | None) -> Screen:
    """Show only what the filter lets through."""
    if screen.sheets:
        return turning.filtered(screen, a_filter)
    here = place(screen)
    others = tuple(f for f in screen.filters if f.place != here)
    return looked_at(replace(screen, filters=others if a_filter is None else (*others, a_filter)))


def ended(screen: Screen) -> Screen:
    """Show every row again."""
    if screen.sheets:
        return turning.filtered(screen, None)
    found = of(screen)
    return looked_at(replace(screen, filters=tuple(f for f in screen.filters if f != found)))


def gone_to(screen: Screen, step: int) -> Screen:
    """Go to the next row that the filter lets through, or the one before; the ends meet."""
    if screen.sheets:
        return turning.next_hit(screen, step)
    model = model_of(screen)
    names = [row.version for row in listed(screen, model)] if model else []
    if names and screen.selected == names[-1 if step > 0 else 0]:
        return moved(screen, "first" if step > 0 else "last")
    return moved(screen, "down" if step > 0 else "up")
