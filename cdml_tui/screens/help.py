"""The page of keys, and of the commands that do the same."""

from cdml_tui.panes.help import help_lines
from cdml_tui.screens.page import Body, Page, of_nothing

PAGE = Page(
    "help",
    title=lambda _: "Keys",
    draw=lambda screen, _sheet, width: Body(help_lines(screen, width)),
    about=of_nothing,
)
