"""The page of keys, and of the commands that do the same."""

from cdml_tui.panes.help import help_lines
from cdml_tui.reach import place_of
from cdml_tui.screens.page import Body, Page
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Screen


def _about(screen: Screen, page: str) -> Subject | str:
    """Remember on which page it was opened: its keys come first."""
    return Subject(page, id=place_of(screen))


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    return Body(help_lines(screen, width, sheet.subject.id))


PAGE = Page(
    "help",
    title=lambda s: "Keys" if s.id == "base" else f"Keys of {s.id}, and of everywhere",
    draw=_draw,
    about=_about,
    over=True,
)
