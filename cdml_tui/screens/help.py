"""The page of keys, pushed over the base screen."""

from cdml_tui.screens.page import Page


class HelpPage(Page):
    """Every key and the command that does the same."""
