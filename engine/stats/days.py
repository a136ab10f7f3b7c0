"""Delivered columns summed up by day, so that batches of any size add up to one history.

A batch of any length is compared with single days, the newest before it first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.stats.profile import Floats

BACK = 14
HORIZON = 150
FEWEST = 3
GAP = 31
YEAR = 365.25
SEASON = 21
KEPT = 5_000
_CLIP = 1e150
_GLANCE = 2_000
Places = NDArray[np.intp]


class ColumnDays(msgspec.Struct, frozen=True):
    """One column, a number a day: its nulls, and of numbers the finite ones, sums and squares.

    `lows` and `highs` are the smallest and largest finite number, 0 for a day without; `values`
    counts categories, the 5,000 commonest, and of a number that has few values these. All lists but
    `nulls` are empty for a text.
    """

    nulls: list[int]
    counts: list[int] = []
    sums: list[float] = []
    squares: list[float] = []
    lows: list[float] = []
    highs: list[float] = []
    values: dict[str, int] = {}

    def bounds(self, where: Places | None = None) -> tuple[float, float] | None:
        """Return the smallest and the largest number of all days or some; None without numbers."""
        counts = np.asarray(self.counts, dtype=np.int64)
        picked = np.arange(len(counts)) if where is None else where
        there = picked[counts[picked] > 0]
        if not len(there):
            return None
        return float(np.asarray(self.lows)[there].min()), float(np.asarray(self.highs)[there].max())


class Delivered(msgspec.Struct, frozen=True):
    """A batch, or the sum of several: its days since the epoch, their rows, columns and labels.

    `left` is what each column alone leaves unexplained of the target, `repeated` and `unordered`
    shares of rows; of several batches the least, and the largest.
    """

    days: list[int]
    rows: list[int]
    columns: dict[str, ColumnDays]
    labels: dict[str, list[int]] = {}
    left: dict[str, float] = {}
    repeated: float = 0.0
    unordered: float = 0.0

    @property
    def n(self) -> int:
        """Return all rows."""
        return sum(self.rows)


def numbers(values: Floats, starts: NDArray[np.intp]) -> ColumnDays:
    """Sum up numbers in order of time, a day beginning at each of `starts`; NaN is a null.

    Infinities count as nulls. Values are clipped at 1e150, so that their squares are finite.
    """
    finite = np.isfinite(values)
    kept = np.clip(np.where(finite, values, 0.0), -_CLIP, _CLIP)
    there = values[finite]
    counts = np.add.reduceat(finite.astype(np.int64), starts)
    sizes = np.diff(np.append(starts, len(values)))
    return ColumnDays(
        (sizes - counts).tolist(),
        counts.tolist(),
        np.add.reduceat(kept, starts).tolist(),
        np.add.reduceat(kept * kept, starts).tolist(),
        _extremes(np.minimum, kept, finite, starts),
        _extremes(np.maximum, kept, finite, starts),
        discrete(there),
    )


def _extremes(of: np.ufunc, kept: Floats, finite: NDArray[np.bool_], starts: Places) -> list[float]:
    edge = np.inf if of is np.minimum else -np.inf
    found = of.reduceat(np.where(finite, kept, edge), starts)
    return np.where(np.isfinite(found), found, 0.0).tolist()  # type: ignore[no-any-return]


def discrete(values: Floats) -> dict[str, int]:
    """Count the values of numbers that repeat, two rows to a value at least; {} for others."""
    few = values[:: max(1, len(values) // _GLANCE)]
    if len(np.unique(few)) > len(few) / 2:
        return {}
    found, counts = np.unique(values, return_counts=True)
    if len(found) > KEPT:
        return {}
    return {f"{v:.9g}": int(n) for v, n in zip(found.tolist(), counts.tolist(), strict=True)}


def novelty(old: ColumnDays, new: ColumnDays) -> tuple[float, float] | None:
    """Return the share of rows with a number between others that never came, and the usual one.

    Numbers beyond the range of before are none: a season brings them. Usual is the share of numbers
    that came just once: Good 1953. None where either has too many different ones, or none.
    """
    total, bounds = sum(new.values.values()), old.bounds()
    if not old.values or not total or sum(old.values.values()) < int(np.sum(old.counts)):
        return None
    low, high = bounds or (0.0, 0.0)
    fresh = sum(
        n
        for value, n in new.values.items()
        if value not in old.values and low < float(value) < high
    )
    once = list(old.values.values()).count(1)
    return fresh / total, once / sum(old.values.values())


def gap(old: ColumnDays, near: Places, new: ColumnDays, first: Places) -> float:
    """Return how far all numbers of the first days lie beyond all of the days lately.

    In widths of these; 0 where they touch, or one has no numbers.
    """
    lately, now = old.bounds(near[-BACK:]), new.bounds(first)
    if lately is None or now is None:
        return 0.0
    apart = max(now[0] - lately[1], lately[0] - now[1], 0.0)
    return apart / max(lately[1] - lately[0], 1e-12)


def added(parts: Sequence[Delivered]) -> Delivered | None:
    """Return batches as one, by day; None for none. A column that one lacks is null there."""
    if not parts:
        return None
    every = np.concatenate([np.array(p.days, dtype=np.int64) for p in parts])
    days, places = np.unique(every, return_inverse=True)
    ends = np.cumsum([len(p.days) for p in parts])[:-1]

    def total(lists: Iterable[Sequence[float]]) -> NDArray[np.float64]:
        flat = np.concatenate([np.asarray(one, dtype=np.float64) for one in lists])
        return np.bincount(places, weights=flat, minlength=len(days)).astype(np.float64)

    def extreme(of: np.ufunc, key: str, found: list[ColumnDays | None]) -> list[float]:
        edge = np.inf if of is np.minimum else -np.inf
        best = np.full(len(days), edge)
        for c, where in zip(found, np.split(places, ends), strict=True):
            if c is not None and c.counts:
                of.at(best, where, np.where(np.asarray(c.counts) > 0, getattr(c, key), edge))
        return np.where(np.isfinite(best), best, 0.0).tolist()  # type: ignore[no-any-return]

    def whole(lists: Iterable[Sequence[float]]) -> list[int]:
        return [int(v) for v in total(lists)]

    names = dict.fromkeys(name for p in parts for name in p.columns)
    classes = sorted({c for p in parts for c in p.labels})
    columns = {}
    for name in names:
        found = [p.columns.get(name) for p in parts]
        nulls = [c.nulls if c else p.rows for c, p in zip(found, parts, strict=True)]
        blank = [[0] * len(p.days) for p in parts]
        numeric = any(c is not None and c.counts for c in found)

        def of(key: str, found: list[ColumnDays | None] = found, blank: list[list[int]] = blank):  # type: ignore[no-untyped-def]
            pairs = zip(found, blank, strict=True)
            return [(getattr(c, key) if c is not None else None) or b for c, b in pairs]

        values: dict[str, int] = {}
        # A number that had too many values in one batch counts none: see novelty.
        whole_counts = all(c.values for c in found if c is not None and any(c.counts))
        for c in found if whole_counts or not numeric else ():
            for value, count in c.values.items() if c is not None else ():
                values[value] = values.get(value, 0) + count
        columns[name] = ColumnDays(
            whole(nulls),
            whole(of("counts")) if numeric else [],
            total(of("sums")).tolist() if numeric else [],
            total(of("squares")).tolist() if numeric else [],
            extreme(np.minimum, "lows", found) if numeric else [],
            extreme(np.maximum, "highs", found) if numeric else [],
            values,
        )
    lefts = [(n, v) for p in parts for n, v in p.left.items()]
    return Delivered(
        days.tolist(),
        whole(p.rows for p in parts),
        columns,
        {c: whole(p.labels.get(c) or [0] * len(p.days) for p in parts) for c in classes},
        {n: min(v for name, v in lefts if name == n) for n in dict(lefts)},
        max(p.repeated for p in parts),
        max(p.unordered for p in parts),
    )


def near(days: Sequence[int], first: int) -> Places | None:
    """Return the days before `first`, else those after it; None for too few or too far away.

    The nearest is the last.
    """
    every = np.asarray(days, dtype=np.int64)
    before = np.flatnonzero((every <= first) & (every >= first - HORIZON))
    after = np.flatnonzero((every > first) & (every <= first + HORIZON))[::-1]
    places = before if len(before) >= len(after) or len(before) > 2 * BACK else after
    if len(places) < 2 * FEWEST + 1 or abs(int(every[places[-1]]) - first) > GAP:
        return None
    return places


def season(days: Sequence[int], first: int, span: int) -> Places | None:
    """Return the days of the same season in earlier years; None for too few of them."""
    apart = first - np.asarray(days, dtype=np.float64)
    off = np.abs(apart / YEAR - np.round(apart / YEAR)) * YEAR
    places = np.flatnonzero((apart > YEAR / 2) & (off <= SEASON + span / 2))
    return places if len(places) > 2 * FEWEST else None


@dataclass(frozen=True, slots=True)
class Usual:
    """Where days lay lately, and how far the next one lay outside of that at most."""

    low: float
    high: float
    step: float

    def outside(self, value: float) -> float:
        """Return how far a value lies outside of where days lay, 0 inside."""
        return max(0.0, self.low - value, value - self.high)


def usual(of: Floats) -> Usual | None:
    """Return what is usual of a series of days, the newest last; None for fewer than seven.

    The step is the largest by which a day left the range of up to 14 before it. NaN, a day without
    values, is left out.
    """
    values = of[~np.isnan(of)]
    back = min(BACK, (len(values) - 1) // 2)
    if back < FEWEST:
        return None
    rows = np.lib.stride_tricks.sliding_window_view(values, back)
    low, high, after = rows.min(axis=1)[:-1], rows.max(axis=1)[:-1], values[back:]
    steps = np.maximum(low - after, after - high)
    return Usual(float(rows[-1].min()), float(rows[-1].max()), float(max(steps.max(), 0.0)))


def ratio(above: Sequence[float], below: Sequence[float], where: Places) -> Floats:
    """Return sums over sums, a day each; NaN for a day in which the lower sum is 0."""
    upper = np.asarray(above, dtype=np.float64)[where]
    lower = np.asarray(below, dtype=np.float64)[where]
    out: Floats = np.full(len(where), np.nan)
    np.divide(upper, lower, out=out, where=lower > 0)
    return out


def spread(of: ColumnDays, where: Places) -> Floats:
    """Return the deviation within each day, NaN for a day without numbers."""
    mean = ratio(of.sums, of.counts, where)
    square = ratio(of.squares, of.counts, where)
    return np.sqrt(np.maximum(square - mean * mean, 0.0))
