"""How an answer is written: JSON, plain aligned text, or a table by rich on a terminal."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from io import StringIO
from typing import TextIO

import msgspec

# The part of a second in a time: for a program, and JSON has it.
_FRACTION = re.compile(r"(?<=T\d\d:\d\d:\d\d)\.\d+Z")

_DAY = re.compile(r"(?<=\b\d{4}-\d\d-\d\d)T(?=\d\d:\d\d)")

_INSTEAD: ContextVar[StringIO | None] = ContextVar("instead_of_stdout", default=None)


@contextmanager
def captured() -> Iterator[StringIO]:
    """Have what this thread writes gathered instead: all of it, what is said beside it too."""
    gathered = StringIO()
    token = _INSTEAD.set(gathered)
    try:
        yield gathered
    finally:
        _INSTEAD.reset(token)


def out() -> TextIO:
    """Return where answers are written to."""
    return _INSTEAD.get() or sys.stdout


def json_line(value: object) -> None:
    """Write one value as one line of JSON; what a terminal might obey is escaped in it."""
    text = msgspec.json.encode(value).decode()
    if not text.isprintable():
        text = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
    out().write(text + "\n")
    out().flush()


def line(text: str) -> None:
    """Write one line of text, whatever is in it shown and not obeyed."""
    out().write(clean(text) + "\n")
    out().flush()


def talk(text: str) -> None:
    """Say something beside the answer."""
    beside = _INSTEAD.get() or sys.stderr
    beside.write(clean(text) + "\n")
    beside.flush()


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table; numbers to the right, nothing as "-"."""
    cells = [[cell(value) for value in row] for row in rows]
    right = [bool(rows) and all(_is_number(row[at]) for row in rows) for at in range(len(heads))]
    if out().isatty():
        _rich(heads, cells, right)
        return
    widths = [max(len(head), *(len(row[at]) for row in cells), 0) for at, head in enumerate(heads)]
    for row in ([*heads], *cells):
        sides = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ]
        out().write("  ".join(sides).rstrip() + "\n")


def cell(value: object) -> str:
    """Return a value as a cell: nothing as "-", fractions with four digits."""
    if value is None or value == "" or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(cell(v) for v in value)
    return clean(_FRACTION.sub("Z", str(value)))


def clean(text: str) -> str:
    """Return text in which control characters are shown instead of obeyed."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _rich(heads: Sequence[str], cells: list[list[str]], right: list[bool]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for head, to_right in zip(heads, right, strict=True):
        drawn.add_column(head, justify="right" if to_right else "left", overflow="fold")
    for row in cells:
        # Text, so that brackets are no markup; a time may be folded behind its day only.
        drawn.add_row(*(Text(_DAY.sub(" ", text)) for text in row))
    Console().print(drawn)
