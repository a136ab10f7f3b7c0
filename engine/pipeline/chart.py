"""Line charts over time as SVG text: axes, limit, intervals, marks. Pure; all text is inert."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import groupby

WIDTH, HEIGHT = 880, 230
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 26
TICKS = 5
_STEPS = tuple(timedelta(days=d) for d in (1, 2, 7, 14, 30, 61, 91, 182, 365))


@dataclass(frozen=True, slots=True)
class Point:
    """One value at a moment, with its interval where there is one; None is a gap."""

    at: datetime
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """A named line; `look` is one of the page's classes: main, second, third, ahead."""

    name: str
    look: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, as an upright line with a word."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a moment and a value lie on the paper."""

    since: datetime
    until: datetime
    low: float
    high: float

    def x(self, at: datetime) -> float:
        whole = max((self.until - self.since).total_seconds(), 1.0)
        share = (at - self.since).total_seconds() / whole
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def line_chart(
    title: str,
    series: Sequence[Series],
    since: datetime,
    until: datetime,
    limit: float | None = None,
    marks: Sequence[Mark] = (),
) -> str:
    """Draw lines with their intervals between two moments; without a value, why it is empty."""
    values = [v for s in series for p in s.points for v in (p.value, p.low, p.high)]
    shown = [v for v in values if v is not None and math.isfinite(v)]
    if not shown:
        return f'<p class="none">{escape(title)}: nothing was measured in this time.</p>'
    ticks = nice_ticks(min(shown), max(shown), limit)
    frame = _Frame(since, until, ticks[0], ticks[-1])
    parts = [*_axes(frame, ticks), *_marks(frame, marks)]
    parts += [_limit(frame, limit)] if limit is not None else []
    for one in series:
        parts += [*_bands(frame, one), *_lines(frame, one)]
    name = escape(title)
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">'
        f"<title>{name}</title>{''.join(parts)}</svg>{_legend(series, limit)}</figure>"
    )


def nice_ticks(low: float, high: float, limit: float | None = None) -> list[float]:
    """Return round values that enclose a range, and a limit that is near enough to be shown."""
    if limit is not None and low - 2 * (high - low or 1) <= limit <= high + 2 * (high - low or 1):
        low, high = min(low, limit), max(high, limit)
    if high - low < 1e-12 * max(abs(high), 1.0):
        low, high = low - (abs(low) * 0.1 or 1.0), high + (abs(high) * 0.1 or 1.0)
    raw = (high - low) / (TICKS - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [n * step for n in range(first, max(last, first + 1) + 1)]


def _axes(frame: _Frame, ticks: Sequence[float]) -> list[str]:
    parts = []
    for tick in ticks:
        y = frame.y(tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:.6g}</text>'
        )
    return parts + [
        f'<text class="tick" x="{frame.x(at):.1f}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{at:%Y-%m-%d}</text>"
        for at in _days(frame.since, frame.until)
    ]


def _days(since: datetime, until: datetime) -> list[datetime]:
    """Return midnights that divide the time into at most eight parts."""
    step = next((s for s in _STEPS if (until - since) / s <= 8), (until - since) / 8)
    at = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    while at <= until:
        found += [at] if at >= since else []
        at += step
    return found or [since]


def _marks(frame: _Frame, marks: Sequence[Mark]) -> list[str]:
    parts = []
    for mark in marks:
        if frame.since <= mark.at <= frame.until:
            x = frame.x(mark.at)
            parts.append(
                f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
                f'<text class="mark" x="{x + 3:.1f}" y="{TOP + 10}">{escape(mark.text)}</text>'
            )
    return parts


def _limit(frame: _Frame, limit: float) -> str:
    if not frame.low <= limit <= frame.high:
        return ""
    y = frame.y(limit)
    return f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _runs(series: Series) -> list[list[Point]]:
    """Return the stretches without a gap."""
    kept = groupby(series.points, key=lambda p: p.value is not None)
    return [list(points) for there, points in kept if there]


def _lines(frame: _Frame, series: Series) -> list[str]:
    parts = []
    for run in _runs(series):
        places = [(frame.x(p.at), frame.y(p.value or 0.0)) for p in run]
        if len(places) == 1:
            x, y = places[0]
            parts.append(f'<circle class="{series.look}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
        else:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline class="{series.look}" points="{path}"/>')
    return parts


def _bands(frame: _Frame, series: Series) -> list[str]:
    parts = []
    for run in _runs(series):
        sure = [(p.at, p.low, p.high) for p in run if p.low is not None and p.high is not None]
        if len(sure) < 2:
            continue
        upper = [f"{frame.x(at):.1f},{frame.y(high or 0.0):.1f}" for at, _, high in sure]
        lower = [f"{frame.x(at):.1f},{frame.y(low or 0.0):.1f}" for at, low, _ in reversed(sure)]
        parts.append(f'<polygon class="{series.look}" points="{" ".join(upper + lower)}"/>')
    return parts


def _legend(series: Sequence[Series], limit: float | None) -> str:
    shown = [s for s in series if any(p.value is not None for p in s.points)]
    items = [f'<span class="{s.look}">{escape(s.name)}</span>' for s in shown]
    items += [f'<span class="limit">limit {limit:g}</span>'] if limit is not None else []
    return f"<figcaption>{' '.join(items)}</figcaption>"
