"""One column's values as bars, the reference's and today's side by side; shares, not counts."""

from collections.abc import Callable

from cdml_tui.panes.figures import count, figure
from cdml_tui.panes.line import Line, Span, inert, lead, line, pad, width_of
from cdml_tui.panes.numbers import told
from cdml_tui.state import Glyphs
from engine import wire

FEWEST_ROWS = 4
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_NAMED = 16
# A side's highest bar is at most so many times the other's; what is higher is said in words.
_STEEP = 2.5


def histogram(shape: wire.ColumnShape, width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """Draw a column: numbers as upright bars of so many rows, categories as a row each."""
    if shape.missing or not (sum(shape.reference) or sum(shape.current)):
        return told(shape.missing or "no value on either side", width, style="dim")
    before, after = _shares(shape.reference), _shares(shape.current)
    said = _legend(shape, width, glyphs)
    if shape.names:
        return [*said, *_categories(shape, before, after, width, glyphs)]
    return [*said, *_upright(shape.edges, before, after, width, max(FEWEST_ROWS, height), glyphs)]


def _shares(counts: list[int]) -> list[float]:
    n = sum(counts)
    return [c / n if n else 0.0 for c in counts]


def _legend(shape: wire.ColumnShape, width: int, glyphs: Glyphs) -> list[Line]:
    old, new = ("▒", "█") if glyphs == "unicode" else (":", "#")
    lines = []
    for sign, of, counts in (
        (old, shape.reference_of, shape.reference),
        (new, f"now, {shape.current_of}", shape.current),
    ):
        lines.append(line((f" {sign} ", "bold"), (f"{inert(of)}, n {count(sum(counts))}", "dim")))
    if width >= sum(width_of(s.text) for one in lines for s in one) + 2:
        return [(*lines[0], Span("  "), *lines[1])]
    return lines


# ---------------------------------------------------------------- numbers


def _upright(
    edges: list[float],
    before: list[float],
    after: list[float],
    width: int,
    height: int,
    glyphs: Glyphs,
) -> list[Line]:
    gutter = 6
    room = max(3, width - gutter - 1)
    edges, before, after = _merged(edges, before, after, max(1, room // 3))
    top = _top(before, after)
    slot = min(8, room // len(before))
    thick = max(1, (slot - 1) // 2)
    rows = height - 2
    side, corner, flat = ("│", "└", "─") if glyphs == "unicode" else ("|", "+", "-")
    lines: list[Line] = []
    for row in range(rows - 1, -1, -1):
        label = _percent(top * (row + 1) / rows) if row in (rows - 1, rows // 2 - 1) else ""
        spans = [Span(lead(label, gutter - 1) + " " + side, "dim")]
        for a, b in zip(before, after, strict=True):
            spans += [
                Span(_sign(_old, a, top, rows, row, glyphs) * thick, "dim"),
                Span(_sign(_new, b, top, rows, row, glyphs) * thick),
                Span(" " * (slot - 2 * thick)),
            ]
        lines.append(tuple(spans))
    lines.append((Span(" " * gutter + corner + flat * (slot * len(before)), "dim"),))
    lines.append(_named(edges, gutter + 1, slot, slot * len(before)))
    for side, shares in (("then", before), ("now", after)):
        for at, share in enumerate(shares):
            if share > top:
                sign = "▲" if glyphs == "unicode" else "^"
                lines.append(line(f" {sign} {_percent(share)} {side} {_where(edges, at)}"))
    return lines


def _top(before: list[float], after: list[float]) -> float:
    """Return what a whole bar stands for: one side's peak must not flatten the other."""
    return min(max(*before, *after), _STEEP * min(s for s in (max(before), max(after)) if s))


def _where(edges: list[float], at: int) -> str:
    if at == 0:
        return f"below {figure(edges[0])}" if edges else ""
    if at == len(edges):
        return f"from {figure(edges[-1])} on"
    return f"from {figure(edges[at - 1])} to {figure(edges[at])}"


def _merged(
    edges: list[float], before: list[float], after: list[float], most: int
) -> tuple[list[float], list[float], list[float]]:
    """Add up neighbours until the bars have room."""
    step = -(-len(before) // most)
    if step <= 1:
        return edges, before, after
    starts = range(0, len(before), step)

    def summed(side: list[float]) -> list[float]:
        return [sum(side[at : at + step], 0.0) for at in starts]

    return [edges[at - 1] for at in starts if at], summed(before), summed(after)


def _eighths(share: float, top: float, rows: int, row: int) -> int:
    """Return how many eighths of a cell a bar fills in a row counted from below."""
    filled = round(share / top * rows * 8) if top else 0
    if share > 0:
        filled = max(1, filled)
    return min(8, max(0, filled - row * 8))


def _sign(
    fill: Callable[[int, int, Glyphs], str],
    share: float,
    top: float,
    rows: int,
    row: int,
    glyphs: Glyphs,
) -> str:
    """Return what a bar shows in a row; an arrow at the top where it goes on."""
    if share > top and row == rows - 1:
        return "▲" if glyphs == "unicode" else "^"
    return fill(_eighths(share, top, rows, row), row, glyphs)


def _new(eighths: int, row: int, glyphs: Glyphs) -> str:
    if glyphs == "unicode":
        return _EIGHTHS[eighths]
    if eighths >= 4:
        return "#"
    return "_" if eighths and row == 0 else " "


def _old(eighths: int, row: int, glyphs: Glyphs) -> str:
    if glyphs == "unicode":
        return "▒" if eighths >= 6 else _EIGHTHS[eighths]
    if eighths >= 4:
        return ":"
    return "." if eighths and row == 0 else " "


def _named(edges: list[float], start: int, slot: int, width: int) -> Line:
    """Write under the bars where they begin, as often as there is room."""
    cells = [" "] * (start + width)
    for i, edge in enumerate(edges, 1):
        text, at = figure(edge), start + i * slot
        free = cells[at - 1 : at + len(text) + 1]
        if set(free) == {" "} and at + len(text) <= len(cells):
            cells[at : at + len(text)] = text
    return (Span("".join(cells), "dim"),)


# ---------------------------------------------------------------- categories


def _categories(
    shape: wire.ColumnShape, before: list[float], after: list[float], width: int, glyphs: Glyphs
) -> list[Line]:
    named = min(_NAMED, max(width_of(inert(name)) for name in shape.names), max(4, width // 4))
    bars = max(1, (width - named - 19) // 2)
    top = max(*before, *after)
    old, new = ("▒", "█") if glyphs == "unicode" else (":", "#")
    lines = []
    known = sum(shape.reference) > 0
    for i, name in enumerate(shape.names):
        fresh = "new" if known and not shape.reference[i] else ""
        lines.append(
            line(
                f" {pad(inert(name), named)} ",
                (pad(old * _long(before[i], top, bars), bars), "dim"),
                (f" {lead(_percent(before[i]), 5)}  ", "dim"),
                pad(new * _long(after[i], top, bars), bars),
                f" {lead(_percent(after[i]), 5)} ",
                (fresh, "warn"),
            )
        )
    return lines


def _long(share: float, top: float, room: int) -> int:
    return max(1, round(share / top * room)) if share > 0 else 0


def _percent(share: float) -> str:
    return f"{share * 100:.1f}%" if 0 < share < 0.0995 else f"{share * 100:.0f}%"
