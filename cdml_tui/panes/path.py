"""Evidence as a path over time against its boundary: a small chart with axes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
_BOUNDS = {"errors": "alarm at", "latency": "alarm at", "quality": "limit", "routing": "share"}


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
    bound = ""
    if guardrail.boundary is not None:
        bound = f", {_BOUNDS[guardrail.name]} {_figure(guardrail.boundary)}"
    first = line(
        (f" {guardrail.name}", "bold"),
        (f" {word}", _STYLES.get(guardrail.verdict, "")),
        (acts, "dim"),
        f"  n {guardrail.n}{bound}",
    )
    return [fit(first, width), fit(line((f"  {inert(guardrail.text)}", "dim")), width)]


def _ratio(guardrail: wire.Guardrail) -> bool:
    return guardrail.name in _RATIOS


@dataclass(frozen=True, slots=True)
class _Scale:
    """Values to rows, the highest on top; of ratios by their logarithm."""

    top: float
    bottom: float
    rows: int
    ratios: bool

    def row(self, value: float) -> int:
        """Return the row of a value; what is beyond the scale is at its end."""
        high, low, at = (self._scaled(v) for v in (self.top, self.bottom, value))
        share = (high - min(max(at, low), high)) / max(high - low, 1e-12)
        return round(share * (self.rows - 1))

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, _LEAST)) if self.ratios else value


def _rows(guardrail: wire.Guardrail, looks: list[wire.Look], width: int, height: int) -> list[Line]:
    """Draw the plane: `●` the value, `│` between its bounds, `┄` the boundary."""
    boundary = guardrail.boundary
    told = [v for look in looks for v in (look.value, look.low, look.high)]
    known = [v for v in (*told, boundary) if v is not None and math.isfinite(v)]
    scale = _Scale(max(known, default=1.0), min(known, default=0.0), height, _ratio(guardrail))
    limit = None if boundary is None else scale.row(boundary)
    grid = [["┄" if at == limit else " "] * width for at in range(height)]
    for look, at in zip(looks, _places(looks, width), strict=True):
        if look.low is not None and look.high is not None:
            for row in range(scale.row(look.high), scale.row(look.low) + 1):
                grid[row][at] = "│"
        if look.value is not None:
            grid[scale.row(look.value)][at] = "●"
    labels = {0: scale.top, height - 1: scale.bottom} | ({} if limit is None else {limit: boundary})
    return [
        _row(cells, at == limit, _figure(labels[at]) if at in labels else "")
        for at, cells in enumerate(grid)
    ]


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
    if value is None or not math.isfinite(value):
        return NONE
    if 0 < abs(value) < 0.0995:
        return f"{value:.3f}".replace("0.", ".", 1)
    return figure(value)
