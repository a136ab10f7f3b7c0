"""Lines over time as text: axes, a limit, an interval, and where now is. Pure; pages draw with it.

Unicode has lines of box signs, ASCII has lines of its own; neither needs colour. Nothing between
two measured points is known: each stands as a sign, and the line only leads the eye.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Literal

from cdml_tui.panes import scale
from cdml_tui.panes.figures import figure
from cdml_tui.panes.line import Line, Span, Style, fit, lead, width_of
from cdml_tui.state import Glyphs

FEWEST_ROWS = 5
# Beyond this many times the range of the values, an interval or a limit is not worth its room.
_AROUND = 0.4
_FAR = 2.0
_MARGIN = 0.04
# Signs that stand closer than this many columns are no more than a thick line.
_SPACED = 3


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a moment, with its interval where there is one; None is a gap."""

    at: datetime
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one kind: their sign in Unicode and in ASCII, and whether a line joins them."""

    name: str
    sign: str
    ascii: str
    points: Sequence[Point]
    joined: bool = False
    style: Style = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn. `bad` is the side of the limit on which a value is marked with "!".

    `breach` is when the limit is expected to be crossed.
    """

    series: Sequence[Series]
    limit: float | None = None
    bad: Literal["above", "below", ""] = ""
    now: datetime | None = None
    breach: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Signs:
    flat: str
    upright: str
    falls: tuple[str, str]
    rises: tuple[str, str]
    limit: str
    band: str
    now: str
    side: str
    tick: str
    corner: str
    axis: str
    notch: str


_UNICODE = _Signs("─", "│", ("╮", "╰"), ("╯", "╭"), "╌", "░", "┊", "│", "┤", "└", "─", "┬")
_ASCII = _Signs("-", "|", (".", "'"), ("'", "."), "=", "%", ":", "|", "+", "+", "-", "+")


class _Canvas:
    """Cells of a chart, and where a moment and a value lie on them."""

    def __init__(self, width: int, height: int, times: tuple[datetime, datetime]) -> None:
        self.width, self.height = width, height
        self.since, self.until = times
        self.low, self.high = 0.0, 1.0
        self.cells: list[list[tuple[str, Style]]] = [
            [(" ", "") for _ in range(width)] for _ in range(height)
        ]

    def column(self, at: datetime) -> int:
        whole = max((self.until - self.since).total_seconds(), 1.0)
        return round((at - self.since).total_seconds() / whole * (self.width - 1))

    def row(self, value: float) -> int:
        share = (self.high - value) / (self.high - self.low)
        return round(min(1.0, max(0.0, share)) * (self.height - 1))

    def put(self, column: int, row: int, sign: str, style: Style = "") -> None:
        if 0 <= column < self.width and 0 <= row < self.height:
            self.cells[row][column] = (sign, style)


def chart(picture: Picture, width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """Draw a picture in exactly so many lines and columns; without a value, no line at all."""
    known = _known(picture)
    if not known or width < 16 or height < FEWEST_ROWS:
        return []
    signs = _UNICODE if glyphs == "unicode" else _ASCII
    low, high = _range(picture, [v for p in known if (v := p.value) is not None])
    marks = [m for m in scale.ticks(low, high, max(2, height // 2)) if low <= m <= high]
    step = marks[1] - marks[0] if len(marks) > 1 else high - low
    limit = picture.limit if _in(picture.limit, low, high) else None
    names = [(m, scale.label(m, step)) for m in marks]
    names += [(limit, f"lim {figure(limit)}")] if limit is not None else []
    gutter = max((width_of(t) for _, t in names), default=0) + 1
    if width - gutter - 1 < scale.LONGEST:
        return []
    canvas = _Canvas(width - gutter - 1, height - 2, _times(picture, known))
    canvas.low, canvas.high = low, high
    thinned = replace(picture, series=[_thinned(canvas, s, picture.bad) for s in picture.series])
    _paint(canvas, thinned, signs, limit, glyphs)
    named = {canvas.row(m): t for m, t in names}
    lines = [_row(canvas, y, named.get(y, ""), gutter, signs) for y in range(canvas.height)]
    return [fit(one, width) for one in (*lines, *_foot(canvas, picture, gutter, signs))]


def _thinned(canvas: _Canvas, one: Series, bad: str) -> Series:
    """Keep one point a column: the worst, so that no peak is lost; else the last."""
    if not one.joined:
        return one
    kept: list[Point] = []
    for _, group in groupby(one.points, key=lambda p: (canvas.column(p.at), p.value is None)):
        points = list(group)
        if points[0].value is None or not bad:
            kept.append(points[-1])
        else:
            worst = max if bad == "above" else min
            kept.append(worst(points, key=lambda p: p.value or 0.0))
    return replace(one, points=kept)


def legend(picture: Picture, width: int, glyphs: Glyphs) -> list[Line]:
    """Say what each sign of a picture means, of those that are in it."""
    signs = _UNICODE if glyphs == "unicode" else _ASCII
    items = [
        (one.sign if glyphs == "unicode" else one.ascii, one.name)
        for one in picture.series
        if any(p.value is not None for p in one.points)
    ]
    if any(p.low is not None for one in picture.series for p in one.points):
        items.append((signs.band, "90 % interval"))
    if picture.limit is not None:
        items.append((signs.limit, f"limit {figure(picture.limit)}{_where(picture)}"))
    if picture.breach is not None and not _where(picture):
        items.append(("X", "breach expected"))
    if any(_over(picture, p.value) for one in picture.series for p in one.points if one.joined):
        items.append(("!", "beyond the limit"))
    lines: list[list[Span]] = [[]]
    for sign, name in items:
        more = [Span(f" {sign}", "bold"), Span(f" {name} ", "dim")]
        used = sum(width_of(s.text) for s in (*lines[-1], *more))
        if lines[-1] and used > width:
            lines.append([])
        lines[-1] += more
    return [tuple(one) for one in lines if one]


def _known(picture: Picture) -> list[Point]:
    return [p for one in picture.series for p in one.points if p.value is not None]


def _where(picture: Picture) -> str:
    """Say where a limit lies that is too far away to be in the picture."""
    known = _known(picture)
    if not known or picture.limit is None:
        return ""
    low, high = _range(picture, [v for p in known if (v := p.value) is not None])
    if _in(picture.limit, low, high):
        return ""
    return ", far above" if picture.limit > high else ", far below"


def _in(value: float | None, low: float, high: float) -> bool:
    room = (high - low) * 1e-9
    return value is not None and low - room <= value <= high + room


def _range(picture: Picture, values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    span = max(high - low, abs(high) * 0.05, abs(low) * 0.05) or 1.0
    points = [p for one in picture.series for p in one.points]
    lows = [p.low for p in points if p.low is not None]
    highs = [p.high for p in points if p.high is not None]
    floor, ceiling = low - _AROUND * span, high + _AROUND * span
    around = max(min([low, *lows]), floor), min(max([high, *highs]), ceiling)
    limit = picture.limit
    if limit is not None and low - _FAR * span <= limit <= high + _FAR * span:
        around = min(around[0], limit), max(around[1], limit)
    room = max(around[1] - around[0], span) * _MARGIN
    return around[0] - room, around[1] + room


def _times(picture: Picture, known: list[Point]) -> tuple[datetime, datetime]:
    moments = [p.at for p in known]
    moments += [t for t in (picture.now, picture.breach) if t is not None]
    since, until = min(moments), max(moments)
    if since == until:
        return since - timedelta(days=1), until + timedelta(days=1)
    return since, until


# ---------------------------------------------------------------- painting, from back to front


def _paint(
    canvas: _Canvas, picture: Picture, signs: _Signs, limit: float | None, glyphs: Glyphs
) -> None:
    if picture.now is not None:
        for row in range(canvas.height):
            canvas.put(canvas.column(picture.now), row, signs.now, "dim")
    for one in picture.series:
        _paint_band(canvas, one, signs)
    if limit is not None:
        for column in range(canvas.width):
            canvas.put(column, canvas.row(limit), signs.limit, "warn")
    for one in picture.series:
        if one.joined:
            _paint_line(canvas, one, signs)
    for one in reversed(picture.series):
        own = one.sign if glyphs == "unicode" else one.ascii
        shown = _marked(one, canvas.width)
        for p in one.points:
            over = one.joined and _over(picture, p.value)
            if p.value is not None and (over or p in shown):
                look: Style = "bad" if over else one.style or "bold"
                sign = "!" if over else own
                canvas.put(canvas.column(p.at), canvas.row(p.value), sign, look)
    if limit is not None and picture.breach is not None:
        canvas.put(canvas.column(picture.breach), canvas.row(limit), "X", "bad")


def _marked(one: Series, width: int) -> Sequence[Point]:
    """Return the points that stand as signs: where there are many, the last, and those alone."""
    if not one.joined or len(one.points) <= width // _SPACED:
        return one.points
    runs = _runs(one.points)
    return [run[-1] for run in runs if len(run) == 1 or run is runs[-1]]


def _over(picture: Picture, value: float | None) -> bool:
    if value is None or picture.limit is None or not picture.bad:
        return False
    return value > picture.limit if picture.bad == "above" else value < picture.limit


def _paint_band(canvas: _Canvas, one: Series, signs: _Signs) -> None:
    """Shade between low and high; from point to point, and for one point alone a column."""
    for run in _runs(one.points, needs_interval=True):
        ends = [(canvas.column(p.at), p.low or 0.0, p.high or 0.0) for p in run]
        for (a, low, high), (b, low_b, high_b) in pairwise(ends) if len(ends) > 1 else []:
            for column in range(a, b + 1):
                share = (column - a) / max(1, b - a)
                top, bottom = high + share * (high_b - high), low + share * (low_b - low)
                _upright(canvas, column, top, bottom, signs.band)
        if len(ends) == 1:
            _upright(canvas, ends[0][0], ends[0][2], ends[0][1], signs.band)


def _upright(canvas: _Canvas, column: int, top: float, bottom: float, sign: str) -> None:
    for row in range(canvas.row(top), canvas.row(bottom) + 1):
        canvas.put(column, row, sign, "dim")


def _paint_line(canvas: _Canvas, one: Series, signs: _Signs) -> None:
    for run in _runs(one.points):
        ends = [(canvas.column(p.at), p.value or 0.0) for p in run]
        canvas.put(ends[0][0], canvas.row(ends[0][1]), signs.flat, one.style)
        for (a, value), (b, value_b) in pairwise(ends):
            if a == b:
                continue
            rows = [
                canvas.row(value + (column - a) / (b - a) * (value_b - value))
                for column in range(a, b + 1)
            ]
            for column, (before, after) in enumerate(pairwise(rows), a + 1):
                _step(canvas, column, before, after, signs, one.style)


def _step(
    canvas: _Canvas, column: int, before: int, after: int, signs: _Signs, style: Style
) -> None:
    """Lead a line into a column: level, or up or down to another row."""
    if before == after:
        canvas.put(column, after, signs.flat, style)
        return
    leaves, arrives = signs.falls if after > before else signs.rises
    for row in range(min(before, after) + 1, max(before, after)):
        canvas.put(column, row, signs.upright, style)
    canvas.put(column, before, leaves, style)
    canvas.put(column, after, arrives, style)


def _runs(points: Sequence[Point], *, needs_interval: bool = False) -> list[list[Point]]:
    """Return the stretches without a gap."""

    def there(p: Point) -> bool:
        return (p.low is not None and p.high is not None) if needs_interval else p.value is not None

    return [list(run) for known, run in groupby(points, key=there) if known]


# ---------------------------------------------------------------- the axes


def _row(canvas: _Canvas, y: int, name: str, gutter: int, signs: _Signs) -> Line:
    side = signs.tick if name else signs.side
    found = [Span(lead(name, gutter - 1) + " ", "dim"), Span(side, "dim")]
    for style, run in groupby(canvas.cells[y], key=lambda cell: cell[1]):
        found.append(Span("".join(sign for sign, _ in run), style))
    return tuple(found)


def _foot(canvas: _Canvas, picture: Picture, gutter: int, signs: _Signs) -> list[Line]:
    """Draw the time: an axis with its notches, and below it the moments that have room."""
    axis, names = [signs.axis] * canvas.width, [" "] * (canvas.width + gutter + 1)
    wanted = [(picture.now, "now")] if picture.now is not None else []
    wanted += scale.moments(canvas.since, canvas.until, canvas.width // 8)
    for at, text in wanted:
        column = canvas.column(at)
        start = max(0, min(gutter + 1 + column - len(text) // 2, len(names) - len(text)))
        around = names[max(0, start - 1) : start + len(text) + 1]
        if set(around) == {" "}:
            axis[column] = signs.notch
            names[start : start + len(text)] = text
    first = (Span(" " * gutter), Span(signs.corner + "".join(axis), "dim"))
    return [first, (Span("".join(names), "dim"),)]
