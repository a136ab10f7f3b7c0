"""Pages on a desk: opened with an answer there, read as text, compared with their golden text."""

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
    name: str,
    value: Any = None,
    width: int = 80,
    height: int = 24,
    state: wire.State | None = None,
) -> Desk:
    """A desk with a page open, and its answer there."""
    desk = Desk(state)
    desk.screen = replace(desk.screen, width=width, height=height)
    desk.press(actions.named(name).keys[0])
    return answered(desk, value) if value is not None else desk


def entered(desk: Desk, value: Any = None) -> Desk:
    """The same desk with what it stands on opened, and the answer there."""
    desk.press("enter")
    return answered(desk, value) if value is not None else desk


def answered(desk: Desk, value: Any) -> Desk:
    """The same desk once the engine has answered for the open page."""
    desk.screen = turning.came(desk.screen, desk.screen.sheets[-1].subject, value, desk.at)
    return desk


def texts(desk: Desk) -> list[str]:
    """All that the terminal shows, as bare text."""
    screen = desk.screen
    return [text_of(one) for one in shown(screen, screen.width, screen.height)]


def golden(desk: Desk, name: str) -> None:
    """Compare a page in Unicode; in ASCII it must fill the same cells."""
    screen = desk.screen
    width, height = screen.width, screen.height
    lines = shown(screen, width, height)
    compare(f"page-{name}-{width}x{height}", lines)
    for drawn in (lines, shown(replace(screen, glyphs="ascii"), width, height)):
        assert {_width(one) for one in drawn} == {width}
        assert len(drawn) == height
    assert all(text_of(one).isascii() for one in drawn)


def _width(a_line: Line) -> int:
    return sum(width_of(span.text) for span in a_line)
