"""A widget that shows styled lines and repaints only the cells that changed."""

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from cdml_tui.panes.line import Line, width_of
from cdml_tui.widgets.palettes import Palette, palette


class LinePane(Widget):
    """Lines of text that fill the widget. Markup is never read."""

    DEFAULT_CSS = "LinePane { width: 100%; height: 100%; }"

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Line] = []
        self._strips: list[Strip] = []
        self._palette: Palette | None = None

    def show(self, lines: list[Line]) -> None:
        """Take over new lines and have the changed cells painted."""
        colours = palette(self.app.theme, no_colour=self.app.no_color)
        if len(lines) != len(self._lines) or colours is not self._palette:
            self._lines, self._palette = lines, colours
            self._strips = [strip_of(one, colours) for one in lines]
            self.refresh()
            return
        changed = [
            (y, *_changed(a, b))
            for y, (a, b) in enumerate(zip(self._lines, lines, strict=True))
            if a != b
        ]
        for y, _, __ in changed:
            self._strips[y] = strip_of(lines[y], colours)
        self._lines = lines
        if changed:
            self.refresh(*(Region(x, y, width, 1) for y, x, width in changed))

    def render_line(self, y: int) -> Strip:
        """Return one line as the compositor wants it."""
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.size.width, RichStyle())


def strip_of(a_line: Line, colours: Palette) -> Strip:
    """Turn a line into Textual's own value."""
    strip = Strip([Segment(span.text, colours[span.style]) for span in a_line if span.text])
    return strip.simplify()


def _changed(before: Line, after: Line) -> tuple[int, int]:
    """Return where the change of a line begins, and how wide it is."""
    old, new = _cells(before), _cells(after)
    if len(old) != len(new):
        return 0, max(len(old), len(new))
    differs = [i for i, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]]
    return (differs[0], differs[-1] - differs[0] + 1) if differs else (0, len(new))


def _cells(a_line: Line) -> list[tuple[str, str]]:
    cells: list[tuple[str, str]] = []
    for span in a_line:
        for c in span.text:
            # A wide sign takes two cells; both change with it.
            cells += [(c, span.style)] * width_of(c)
    return cells
