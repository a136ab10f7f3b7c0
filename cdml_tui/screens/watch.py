"""The base screen. Everything an operator must do at night can be done without leaving it."""

from cdml_tui.screens.page import Page


class WatchPage(Page):
    """Versions, signals, jobs, events and the action bar."""
