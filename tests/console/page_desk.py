"""A desk with a page open, and how a page is compared with its golden text."""

from dataclasses import replace
from typing import Any

from desk import Desk
from golden_text import compare

from cdml_tui import actions, turning
from cdml_tui.panes.line import Line, text_of, width_of
from cdml_tui.screens.frame import shown
from engine import wire

SIZES = ((40, 10), (80, 24), (160, 48))


def opened(
    name: str, value: Any = None, width: int = 80, height: int = 24, state: wire.State | None = None
) -> Desk:
    """A desk with a page open, and its answer there."""
    desk = Desk(state)
    desk.screen = replace(desk.screen, width=width, height=height)
    desk.press(actions.named(name).keys[0])
    return answered(desk, value)


def answered(desk: Desk, value: Any) -> Desk:
    """The same desk, with what the engine says of the page that is open."""
    if value is not None:
        desk.screen = turning.came(desk.screen, desk.screen.sheets[-1].subject, value, desk.at)
    return desk


def entered(desk: Desk, value: Any = None) -> Desk:
    """The same desk with what it stands on opened, and the answer there."""
    return answered(desk.press("enter"), value)


def texts(desk: Desk) -> list[str]:
    screen = desk.screen
    return [text_of(one) for one in shown(screen, screen.width, screen.height)]


def whole(desk: Desk) -> str:
    """All that a page says, however high a terminal would have to be."""
    desk.screen = replace(desk.screen, height=300)
    return "\n".join(texts(desk))


def said(desk: Desk) -> str:
    """The same as one line, however it was wrapped."""
    return " ".join(whole(desk).split())


def golden(desk: Desk, name: str, *, own_ascii: bool = False) -> None:
    """Compare a page in Unicode; in ASCII it must fill the same cells, or has a text of its own."""
    screen = desk.screen
    width, height = screen.width, screen.height
    lines = shown(screen, width, height)
    plain = shown(replace(screen, glyphs="ascii"), width, height)
    compare(f"page-{name}-{width}x{height}", lines)
    if own_ascii:
        compare(f"page-{name}-{width}x{height}-ascii", plain)
    for drawn in (lines, plain):
        assert {_width(one) for one in drawn} == {width}
        assert len(drawn) == height
    assert all(text_of(one).isascii() for one in plain)


def _width(a_line: Line) -> int:
    return sum(width_of(span.text) for span in a_line)
