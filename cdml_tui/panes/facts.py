"""What is known of one thing: a name and what is known, wrapped beneath itself."""

from collections.abc import Iterable
from functools import lru_cache

from cdml_tui.panes.line import Line, Span, Style, cut, inert, line, width_of, wrapped

NARROW = 60
LABEL = 10

Label = tuple[str, Style]


def labelled(label: Label, text: str, width: int) -> list[Line]:
    """Draw one fact; in a narrow terminal the name goes in front of it."""
    name, style = label
    indent = LABEL if name and width >= NARROW else 1
    texts = wrapped(inert(text), width - indent - 1)
    lines: list[Line] = []
    for i, one in enumerate(texts):
        start = f" {name:<{indent - 1}}" if i == 0 and indent > 1 else " " * indent
        lines.append((Span(start, style or "dim"), Span(one)))
    return lines


def facts(known: Iterable[tuple[str, str | None]], width: int) -> list[Line]:
    """Draw what is known, a fact after the other; what is not known is left out."""
    lines: list[Line] = []
    for name, text in known:
        if not text:
            continue
        narrow = width < NARROW and bool(name)
        lines += labelled((name, ""), f"{name}: {text}" if narrow else text, width)
    return lines


@lru_cache(maxsize=4096)
def folded(text: str, width: int) -> tuple[Line, ...]:
    """Draw a line as it was written, spaces and all, over as many lines as it takes."""
    rest, lines = inert(text.expandtabs(4)), []
    room = max(1, width - 2)
    while width_of(rest) > room:
        # One more than fits, of which the mark of the cut is taken off again.
        head = cut(rest, room + 1)[:-1] or rest[:1]
        lines.append(line(f" {head}"))
        rest = rest[len(head) :]
    return (*lines, line(f" {rest}"))
