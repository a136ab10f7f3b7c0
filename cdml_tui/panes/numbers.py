"""How numbers, their intervals and their spans are written on the pages, and tables of them."""

from collections.abc import Sequence

from cdml_tui.panes.figures import NONE, figure
from cdml_tui.panes.line import (
    Line,
    Span,
    Style,
    beside,
    inert,
    lead,
    line,
    pad,
    width_of,
    wrapped,
)
from cdml_tui.state import moment


def interval(low: float | None, high: float | None) -> str:
    """Write an interval; nothing where there is none."""
    return f"[{figure(low)}, {figure(high)}]" if low is not None and high is not None else ""


def day(text: str | None) -> str:
    """Write the day of a time, without its year."""
    then = moment(text)
    return f"{then:%m-%d}" if then else NONE


def days(since: str | None, until: str | None) -> str:
    """Write a span by its days."""
    return f"{day(since)}..{day(until)}"


def signed(value: float | None) -> str:
    """Write a difference, always with its sign."""
    if value is None:
        return NONE
    return ("+" if value > 0 else "") + figure(value)


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str | Span]],
    width: int,
    left: int = 1,
    gap: int = 2,
) -> list[Line]:
    """Draw a table, its columns as wide as they must be; those at the right may have no room.

    The first `left` columns are flush left.
    """
    texts = [[c.text if isinstance(c, Span) else c for c in row] for row in rows]
    wide = [max([width_of(h), *(width_of(t[i]) for t in texts)]) for i, h in enumerate(heads)]
    shown = 0
    while shown < len(wide) and 1 + sum(wide[: shown + 1]) + gap * shown <= width:
        shown += 1
    drawn = [_row([Span(h, "dim") for h in heads[:shown]], wide, left, gap)]
    for row in rows:
        cells = [c if isinstance(c, Span) else Span(c) for c in row[:shown]]
        drawn.append(_row(cells, wide, left, gap))
    return drawn


def _row(cells: Sequence[Span], wide: Sequence[int], left: int, gap: int) -> Line:
    spans = [Span(" ")]
    for i, cell in enumerate(cells):
        between = " " * gap if i else ""
        text = (pad if i < left else lead)(cell.text, wide[i])
        spans.append(Span(between + text, cell.style))
    return tuple(spans)


def told(text: str, width: int, indent: int = 1, style: Style = "") -> list[Line]:
    """Write a text from data over as many lines as it takes."""
    parts = wrapped(inert(text), max(1, width - indent - 1))
    return [line((" " * indent + part, style)) for part in parts]


def aligned(pairs: Sequence[tuple[str, str]], width: int) -> list[Line]:
    """Write named aligned, each over as many lines as it takes; what is empty is left out."""
    kept = [(name, text) for name, text in pairs if text]
    room = max((width_of(name) for name, _ in kept), default=0) + 2
    lines: list[Line] = []
    for name, text in kept:
        parts = wrapped(inert(text), max(1, width - room - 2)) or [""]
        for i, part in enumerate(parts):
            start = pad(name if i == 0 else "", room)
            lines.append(line((f" {start}", "dim"), part))
    return lines


def placed(blocks: Sequence[list[Line]], columns: int, each: int, width: int) -> list[Line]:
    """Put blocks below each other, or two and two beside each other."""
    lines: list[Line] = []
    for i in range(0, len(blocks), columns):
        pair = blocks[i : i + columns]
        lines += beside(pair[0], pair[1], each, "   ", width) if len(pair) == 2 else pair[0]
    return lines
