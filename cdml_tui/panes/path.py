"""Evidence as a path over time against its boundary: a small chart with axes."""

import math
from collections.abc import Callable, Sequence

from cdml_tui.panes.figures import NONE, figure
from cdml_tui.panes.line import Line, Span, Style, cut, fit, inert, lead, line, width_of
from cdml_tui.state import moment
from engine import wire

_AXIS = 7
_STYLES: dict[str, Style] = {"pass": "good", "fail": "bad", "inconclusive": "warn"}
_WORDS = {"inconclusive": "open"}
# Ratios of likelihoods: what doubles them is a step of the same height everywhere.
_RATIOS = ("errors", "latency")
_LEAST = 1e-3


def path(guardrail: wire.Guardrail, width: int, height: int) -> list[Line]:
    """Draw one guardrail in `height` lines: what it says, its looks, the axis of rows and time."""
    head = _head(guardrail, width)
    looks = [look for look in guardrail.looks if look.value is not None]
    room = height - 2 - len(head)
    if not looks:
        return [*head, line(("        no look has found anything to measure yet", "dim"))]
    rows = _rows(guardrail, looks, width - _AXIS - 1, max(2, room))
    return [*head, *rows, _axis(looks, width)]


def _head(guardrail: wire.Guardrail, width: int) -> list[Line]:
    word = _WORDS.get(guardrail.verdict, guardrail.verdict)
    acts = "" if guardrail.acting else " (only observed)"
    first = line(
        (f" {guardrail.name}", "bold"),
        (f" {word}", _STYLES.get(guardrail.verdict, "")),
        (acts, "dim"),
        f"  n {guardrail.n}, {'alarm at' if _ratio(guardrail) else 'limit'} "
        f"{_figure(guardrail.boundary)}",
    )
    return [fit(first, width), fit(line((f"  {inert(guardrail.text)}", "dim")), width)]


def _ratio(guardrail: wire.Guardrail) -> bool:
    return guardrail.name in _RATIOS


def _rows(guardrail: wire.Guardrail, looks: list[wire.Look], width: int, height: int) -> list[Line]:
    """Draw the plane: `●` the value, `│` between its bounds, `┄` the boundary."""
    scaled: Callable[[float], float] = float
    if _ratio(guardrail):

        def scaled(value: float) -> float:
            return math.log10(max(value, _LEAST))

    boundary = guardrail.boundary
    known = [v for look in looks for v in (look.value, look.low, look.high) if v is not None]
    known = [v for v in [*known, *([boundary] if boundary is not None else [])] if _finite(v)]
    low, high = min(map(scaled, known)), max(map(scaled, known))
    span = max(high - low, 1e-12)

    def row_at(value: float) -> int:
        return round((high - scaled(value)) / span * (height - 1))

    grid = [[" "] * width for _ in range(height)]
    limit = None if boundary is None else row_at(boundary)
    if limit is not None:
        grid[limit] = ["┄"] * width
    for look, at in zip(looks, _places(looks, width), strict=True):
        if look.low is not None and look.high is not None:
            for row in range(row_at(look.high), row_at(look.low) + 1):
                grid[row][at] = "│"
        if look.value is not None:
            grid[row_at(look.value)][at] = "●"
    return [_row(row, at == limit, _label(at, height, known, boundary, limit))
            for at, row in enumerate(grid)]  # fmt: skip


def _row(cells: list[str], limit: bool, label: str) -> Line:  # noqa: FBT001
    """Draw one row in as few spans as it has styles."""
    spans = [Span(lead(label, _AXIS - 1), "alarm" if limit else "dim"), Span("┤", "dim")]
    for cell in cells:
        style: Style = "alarm" if cell == "┄" else "dim" if cell == "│" else ""
        if spans[-1].style == style and len(spans) > 2:
            spans[-1] = Span(spans[-1].text + cell, style)
        else:
            spans.append(Span(cell, style))
    return tuple(spans)


def _label(
    at: int, height: int, known: list[float], boundary: float | None, limit: int | None
) -> str:
    if at == limit:
        return _figure(boundary)
    if at == 0:
        return _figure(max(known))
    return _figure(min(known)) if at == height - 1 else ""


def _places(looks: Sequence[wire.Look], width: int) -> list[int]:
    """Return the column of each look, by time; looks of one moment stand side by side."""
    times = [moment(look.time) for look in looks]
    first, last = times[0], times[-1]
    if first is None or last is None or first == last or None in times:
        return [min(i, width - 1) for i in range(len(looks))]
    whole = (last - first).total_seconds()
    return [round((t - first).total_seconds() / whole * (width - 1)) if t else 0 for t in times]


def _axis(looks: list[wire.Look], width: int) -> Line:
    """Say from when to when, and after how many rows."""
    ends = [f"{(look.time)[5:16].replace('T', ' ')}, n {look.n}" for look in looks]
    first, last = inert(ends[0]), inert(ends[-1])
    room = width - _AXIS - width_of(last) - 1
    if len(looks) == 1 or room < width_of(first) + 2:
        return fit(line((" " * (_AXIS - 1) + "└ " + last, "dim")), width)
    rule = "─" * (room - width_of(first) - 2)
    return fit(line((f"{' ' * (_AXIS - 1)}└ {cut(first, room)} {rule} {last}", "dim")), width)


def _figure(value: float | None) -> str:
    if value is None or not _finite(value):
        return NONE
    if 0 < abs(value) < 0.0995:
        return f"{value:.3f}".replace("0.", ".", 1)
    return figure(value)


def _finite(value: float) -> bool:
    return math.isfinite(value)
