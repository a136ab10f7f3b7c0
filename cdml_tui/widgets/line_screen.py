"""The one screen: a line pane that hands every key on. What it shows is drawn from the state."""

from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.screen import Screen as TextualScreen

from cdml_tui.panes.line import Line
from cdml_tui.widgets.line_pane import LinePane

Draw = Callable[[int, int], list[Line]]


class KeyCame(Message):
    """A key was pressed; `at` is when the terminal delivered it."""

    def __init__(self, key: str, character: str, at: float) -> None:
        super().__init__()
        self.key = key
        self.character = character
        self.at = at


class PasteCame(Message):
    """Text was pasted; it never acts, but a line that is being typed takes it in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class SizeCame(Message):
    """The terminal has this size now."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__()
        self.width = width
        self.height = height


class LineScreen(TextualScreen[None], inherit_bindings=False):
    """One screenful of lines."""

    DEFAULT_CSS = "LineScreen { overflow: hidden; }"

    def __init__(self, draw: Draw) -> None:
        super().__init__()
        self._draw = draw
        self._pane = LinePane()

    def compose(self) -> ComposeResult:
        """Put the one pane on the screen."""
        yield self._pane

    def redraw(self) -> None:
        """Draw what the state says now."""
        width, height = self.size
        if width and height:
            self._pane.show(self._draw(width, height))

    def on_resize(self, event: events.Resize) -> None:
        """Pass the size on and draw for it."""
        self.post_message(SizeCame(event.size.width, event.size.height))
        self.redraw()

    def on_key(self, event: events.Key) -> None:
        """Pass every key on."""
        event.stop()
        event.prevent_default()
        self.post_message(KeyCame(_name(event), event.character or "", event.time))

    def on_paste(self, event: events.Paste) -> None:
        """Pass on that there was a paste."""
        event.stop()
        self.post_message(PasteCame(event.text))


def _name(event: events.Key) -> str:
    """Name a printable key by its own sign ("?"), any other by Textual's name ("escape")."""
    sign = event.character
    return sign if sign is not None and sign.isprintable() and sign != " " else event.key
