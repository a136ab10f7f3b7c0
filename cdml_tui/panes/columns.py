"""A table by its columns: each says its head, its width and its cell; one takes what is left.

Cells are made inert here, so that whatever is in them moves no column.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cdml_tui.panes.line import Line, Span, Style, fit, inert, lead, line, pad

Row = TypeVar("Row")
Cell = str | tuple[str, Style]


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column. Width 0 takes what is left; terminals narrower than `least` leave it out."""

    head: str
    width: int
    cell: Callable[[Row], Cell]
    least: int = 0
    right: bool = False


def heading(columns: Sequence[Column[Row]], width: int) -> Line:
    """Draw the heads over the rows."""
    cells = (_placed(c, c.head, room) for c, room in _shown(columns, width))
    return fit(line(("  " + " ".join(cells), "dim")), width)


def row_line(columns: Sequence[Column[Row]], row: Row, width: int) -> Line:
    """Draw one row; its first column stays empty for the cursor."""
    spans = [Span("  ")]
    for column, room in _shown(columns, width):
        cell = column.cell(row)
        text, style = (cell, "") if isinstance(cell, str) else cell
        spans += [Span(_placed(column, inert(text), room), style), Span(" ")]  # type: ignore[arg-type]
    return fit(tuple(spans), width)


def _shown(columns: Sequence[Column[Row]], width: int) -> list[tuple[Column[Row], int]]:
    shown = [c for c in columns if width >= c.least]
    left = width - 2 - sum(c.width for c in shown) - (len(shown) - 1)
    return [(c, c.width or max(0, left)) for c in shown]


def _placed(column: Column[Row], text: str, room: int) -> str:
    return lead(text, room) if column.right else pad(text, room)
