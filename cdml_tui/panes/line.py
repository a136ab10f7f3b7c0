"""Styled lines of text as plain values, and fitting them to a width. No Textual, no rich.

Text from data is inert here: control characters, escape sequences and anything that would move
the columns is replaced before it reaches a terminal.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from cdml_tui.state import Glyphs

Style = Literal["", "dim", "bold", "good", "warn", "bad", "title", "key", "alarm"]


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text in one style."""

    text: str
    style: Style = ""


Line = tuple[Span, ...]
Part = str | Span | tuple[str, Style]

EMPTY: Line = ()

_ASCII = str.maketrans(
    {
        "─": "-",
        "│": "|",
        "├": "|",
        "·": ".",
        "…": ".",
        "→": ">",
        "▸": ">",
        "●": "o",
        "┤": "|",
        "└": "+",
        "┄": "-",
        **dict(zip("▁▂▃▄▅▆▇█", "_.,-=+*#", strict=True)),
    }
)


def line(*parts: Part) -> Line:
    """Put a line together from text and (text, style) pairs."""
    return tuple(
        Span(p) if isinstance(p, str) else p if isinstance(p, Span) else Span(*p) for p in parts
    )


def text_of(a_line: Line) -> str:
    """Return the bare text of a line."""
    return "".join(span.text for span in a_line)


def inert(text: object) -> str:
    """Return text from data with everything replaced that a terminal would obey or not show."""
    return "".join(c if _plain(c) else "·" for c in str(text))


def width_of(text: str) -> int:
    """Return the columns a text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, width: int) -> str:
    """Return text in at most `width` columns, with a mark where it was cut."""
    if width_of(text) <= width:
        return text
    kept, used = "", 0
    for c in text:
        used += _columns(c)
        if used > width - 1:
            break
        kept += c
    return kept + "…" if width > 0 else ""


def tail(text: str, width: int) -> str:
    """Return the end of a text in at most `width` columns, with a mark where it was cut."""
    if width_of(text) <= width:
        return text
    kept = text
    while kept and width_of(kept) > width - 1:
        kept = kept[1:]
    return "…" + kept if width > 0 else ""


def pad(text: str, width: int) -> str:
    """Return text cut or filled on the right to exactly `width` columns."""
    text = cut(text, width)
    return text + " " * (width - width_of(text))


def lead(text: str, width: int) -> str:
    """Return text cut or filled on the left to exactly `width` columns."""
    text = cut(text, width)
    return " " * (width - width_of(text)) + text


def fit(a_line: Line, width: int) -> Line:
    """Return a line of exactly `width` columns."""
    fitted: list[Span] = []
    left = width
    for span in a_line:
        if left <= 0:
            break
        text = cut(span.text, left)
        left -= width_of(text)
        fitted.append(Span(text, span.style))
    if left > 0:
        fitted.append(Span(" " * left))
    return tuple(fitted)


def ends(left: Line, right: Line, width: int) -> Line:
    """Return a line with one text at each end; the right one is kept whole, the left one cut."""
    room = width - sum(width_of(s.text) for s in right)
    if room < 0:
        return fit(right, width)
    return (*fit(left, room), *right)


def beside(
    left: list[Line], right: list[Line], left_width: int, rule: str, width: int
) -> list[Line]:
    """Return two blocks side by side, as many lines as the longer one has."""
    right_width = width - left_width - len(rule)
    joined = []
    for i in range(max(len(left), len(right))):
        a = left[i] if i < len(left) else EMPTY
        b = right[i] if i < len(right) else EMPTY
        joined.append((*fit(a, left_width), Span(rule, "dim"), *fit(b, right_width)))
    return joined


def block(lines: Iterable[Line], height: int, width: int) -> list[Line]:
    """Return exactly `height` lines of exactly `width` columns."""
    kept = list(lines)[: max(0, height)]
    kept += [EMPTY] * (height - len(kept))
    return [fit(one, width) for one in kept]


def title(name: str, width: int, note: Line = EMPTY, number: str = "") -> Line:
    """Return the rule that heads a pane."""
    start = (Span("─" + number, "dim"), Span(f" {name} ", "title"))
    used = sum(width_of(s.text) for s in (*start, *note))
    return fit((*start, *note, Span("─" * max(0, width - used), "dim")), width)


def wrapped(text: str, width: int) -> list[str]:
    """Break text at spaces into lines of at most `width` columns."""
    lines, current = [], ""
    for word in text.split():
        while width_of(word) > width > 0:
            room = width - (width_of(current) + 1 if current else 0)
            if room < 8 and current:
                lines.append(current)
                current, room = "", width
            head = cut(word, room + 1)[:-1] if width_of(word) > room else word
            lines.append(f"{current} {head}".strip())
            current, word = "", word[len(head) :]
        if current and width_of(current) + 1 + width_of(word) > width:
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}".strip()
    return [*lines, current] if current else lines


def drawn(lines: list[Line], glyphs: Glyphs) -> list[Line]:
    """Return lines as the terminal can show them: in ASCII every other sign is replaced."""
    if glyphs == "unicode":
        return lines
    return [tuple(Span(_to_ascii(s.text), s.style) for s in one) for one in lines]


def _to_ascii(text: str) -> str:
    if text.isascii():
        return text
    signs = text.translate(_ASCII)
    return "".join(c if c.isascii() else "?" * _columns(c) for c in signs)


def _plain(c: str) -> bool:
    return c.isprintable() and _columns(c) > 0


# Every cell of every line is measured at every key; a terminal shows few different signs.
@lru_cache(maxsize=4096)
def _columns(c: str) -> int:
    if c.isascii():
        return 1
    if unicodedata.category(c) in ("Mn", "Me", "Cf", "Cc", "Zl", "Zp"):
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1
