"""What queries of one client look like: rows crowded around others, columns that hang together.

Read against a frozen reference: how far apart its rows lie, which values go together. No limits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.stats.profile import Floats, quantile_edges

Ints = NDArray[np.int64]

CATEGORIES = 200
PAIRS = 1_000
# Rows around one that make it crowded: more than a person asks of one case in an hour.
CROWD = 10
RADII = (0.25, 0.1, 0.05, 0.02, 0.01, 0.003, 0.001)
NATURAL, NARROW = 0.02, 0.05
ORDERS = 60
# Less is expected of columns that hardly depend on each other, and tells nothing.
TELLING = 0.005
TELLING_ALL = 0.2
_APART = 1e3
_FAR = 1e6


@dataclass(frozen=True, slots=True)
class Column:
    """How one column is read: numbers by spread and edges, or categories by place."""

    name: str
    spread: float
    edges: tuple[float, ...]
    places: Mapping[Any, int] | None

    @property
    def size(self) -> int:
        """Return how many bins there are, those of null and of anything new among them."""
        return (len(self.edges) + 1 if self.places is None else len(self.places)) + 2


@dataclass(frozen=True, slots=True)
class Reference:
    """How alike rows of the reference are, and which values of two columns go together.

    `radius` is how near two rows may be before they count as near-duplicates, None where rows of
    the reference are too alike for any. `expected` is how often each pair of columns would show
    values that never go together if the columns did not depend on each other.
    """

    columns: tuple[Column, ...]
    radius: float | None
    pairs: NDArray[np.int64]
    seen: NDArray[np.bool_]
    expected: Floats


@dataclass(frozen=True, slots=True)
class Crowding:
    """How rows of one client crowd: `near` have a near-duplicate, `crowded` have CROWD of them.

    `flips` is the share of near pairs whose decisions differ, None without a pair or a decision.
    """

    n: int
    near: int
    crowded: int
    flips: float | None


def column(name: str, values: Sequence[Any], *, numeric: bool) -> Column:
    """Return how a column is read; the spread is the standard deviation of what is finite.

    Nothing, one value, all equal or an overflow: a spread of 1. Only the most frequent categories
    have places of their own.
    """
    if numeric:
        numbers = _numbers(values)
        finite = numbers[np.isfinite(numbers)]
        with np.errstate(over="ignore", invalid="ignore"):
            spread = float(np.std(finite)) if len(finite) else 0.0
        return Column(
            name, spread if 0.0 < spread < np.inf else 1.0, tuple(quantile_edges(numbers)), None
        )
    counts: dict[Any, int] = {}
    for value in values:
        if value is not None:
            counts[value] = counts.get(value, 0) + 1
    often = sorted(counts, key=lambda c: (-counts[c], str(c)))[:CATEGORIES]
    return Column(name, 1.0, (), {value: at for at, value in enumerate(often)})


def reference(
    columns: Sequence[Column],
    drawn: Sequence[Sequence[Any]],
    newest: Sequence[Sequence[Any]],
    window: int,
) -> Reference:
    """Freeze a reference from rows drawn in random order, and its newest ones in order of time.

    Both have a list a column. What is expected of independent columns is counted on the drawn rows
    after moving each column against the others; the radius is the largest at which at most 2 % of
    the newest rows crowd in windows of them, and 5 % in any slice of rows alike in a column or two.
    """
    bins = _bins(columns, drawn)
    pairs, size = _paired(columns)
    seen = np.zeros(size, dtype=bool)
    expected = np.zeros(len(pairs))
    if len(bins) and len(pairs):
        seen[_cells(pairs, bins).ravel()] = True
        moved = [np.roll(bins[:, at], 7919 * at + at) for at in range(len(columns))]
        expected = (~seen[_cells(pairs, np.column_stack(moved))]).mean(axis=0)
        # What is new in one column goes together with anything: that is drift, and seen elsewhere.
        for at, (a, b, offset, wide) in enumerate(pairs):
            if columns[a].places is not None or columns[b].places is not None:
                cells = seen[offset : offset + columns[a].size * wide].reshape(-1, wide)
                cells[-1, :] |= columns[a].places is not None
                cells[:, -1] |= columns[b].places is not None
            if expected[at] < TELLING:
                expected[at] = 0.0
    kept = expected > 0.0
    points = _points(columns, newest)
    return Reference(
        tuple(columns), _radius(columns, points, window), pairs[kept], seen, expected[kept]
    )


def encoded(known: Reference, values: Sequence[Sequence[Any]]) -> tuple[Floats, Ints]:
    """Return rows, given a list a column, as points for distances and as bins for pairs."""
    return _points(known.columns, values), _bins(known.columns, values)


def independence(known: Reference, bins: Ints) -> float | None:
    """Return how far a client's columns go together as little as independent ones would, 0 to 1.

    Formula: sum of min(u, e) over the sum of e, where u is how often a pair of columns shows values
    that never go together in the reference and e how often independent columns would. A few columns
    that drift move it by their own share only. None without rows, or where the columns of the
    reference hardly depend on each other. One row and all equal: as any rows.
    """
    if not len(bins) or known.expected.sum() < TELLING_ALL:
        return None
    unseen = (~known.seen[_cells(known.pairs, bins)]).mean(axis=0)
    return float(np.minimum(unseen, known.expected).sum() / known.expected.sum())


def crowding(points: Floats, decisions: Sequence[str | None], radius: float | None) -> Crowding:
    """Return how rows crowd: near means apart by more than 0 and by at most the radius.

    Formula: the city block distance in spreads of each column; a category, a null or an infinity
    that differs is far. Equal rows are no near-duplicates of each other. No rows, one, all equal,
    or no radius: nothing is near.
    """
    n = len(points)
    if n < 2 or radius is None:
        return Crowding(n, 0, 0, None)
    from scipy.spatial.distance import pdist, squareform  # 0.15 s of every start of an engine

    apart = pdist(points, "cityblock")
    near = squareform((apart > 0.0) & (apart <= radius))
    around = near.sum(axis=1)
    found = int((around > 0).sum()), int((around >= CROWD).sum())
    return Crowding(n, *found, _flips(near, decisions))


def _flips(near: NDArray[np.bool_], decisions: Sequence[str | None]) -> float | None:
    pairs = int(near.sum())
    if not pairs or any(d is None for d in decisions):
        return None
    _, codes = np.unique(np.asarray(decisions, dtype=str), return_inverse=True)
    return float((near & (codes[:, None] != codes[None, :])).sum() / pairs)


def _radius(columns: Sequence[Column], points: Floats, window: int) -> float | None:
    """Return the largest radius that leaves the reference's windows, and slices, uncrowded."""
    parts = [points[at : at + window] for at in range(0, len(points) - window + 1, window)]
    parts = [np.unique(part, axis=0) for part in parts]
    total = sum(len(part) for part in parts)
    slices = [np.unique(part, axis=0) for part in _slices(columns, points, window)]
    for radius in RADII:
        crowded = sum(crowding(part, [None], radius).crowded for part in parts)
        if (
            total
            and crowded <= NATURAL * total
            and all(crowding(part, [None], radius).crowded <= NARROW * len(part) for part in slices)
        ):
            return radius
    return None


def _slices(columns: Sequence[Column], points: Floats, window: int) -> Iterator[Floats]:
    """Yield windows as honest clients of one kind would send: near in one column, or in two."""
    if len(points) < window:
        return
    orders: list[tuple[int, ...]] = [(at,) for at in range(len(columns))]
    orders += [
        (a, b)
        for a, column in enumerate(columns)
        if column.places is not None
        for b in range(len(columns))
        if a != b
    ]
    for order in orders[:: max(1, -(-len(orders) // ORDERS))]:
        ranked = points[np.lexsort([points[:, at] for at in reversed(order)])]
        for at in (0.1, 0.5, 0.9):
            begin = int(at * (len(points) - window))
            yield ranked[begin : begin + window]


def _paired(columns: Sequence[Column]) -> tuple[NDArray[np.int64], int]:
    """Return pairs of columns, evenly thinned where there are many, as (a, b, offset, width)."""
    wanted = [(a, b) for a in range(len(columns)) for b in range(a)]
    picked, size = [], 0
    for a, b in wanted[:: max(1, -(-len(wanted) // PAIRS))]:
        picked.append((a, b, size, columns[b].size))
        size += columns[a].size * columns[b].size
    return np.array(picked, dtype=np.int64).reshape(-1, 4), size


def _cells(pairs: NDArray[np.int64], bins: Ints) -> NDArray[np.int64]:
    """Return rows x pairs: where in the table of what was seen each pair of bins stands."""
    a, b, offset, wide = pairs.T
    found: NDArray[np.int64] = offset + bins[:, a] * wide + bins[:, b]
    return found


def _points(columns: Sequence[Column], values: Sequence[Sequence[Any]]) -> Floats:
    made = [_place(c, v) for c, v in zip(columns, values, strict=True)]
    return np.column_stack(made) if made else np.empty((0, 0))


def _place(column: Column, values: Sequence[Any]) -> Floats:
    if column.places is not None:
        return _codes(column, values).astype(np.float64) * _APART
    numbers = _numbers(values)
    with np.errstate(over="ignore"):
        scaled: Floats = np.divide(numbers, column.spread)
    scaled[np.isnan(scaled)] = 2.0 * _FAR
    return np.minimum(np.maximum(scaled, -_FAR), 2.0 * _FAR)


def _bins(columns: Sequence[Column], values: Sequence[Sequence[Any]]) -> Ints:
    made = [_bin(c, v) for c, v in zip(columns, values, strict=True)]
    return np.column_stack(made) if made else np.empty((0, 0), dtype=np.int64)


def _bin(column: Column, values: Sequence[Any]) -> Ints:
    if column.places is not None:
        return _codes(column, values)
    numbers = _numbers(values)
    bins = np.searchsorted(np.asarray(column.edges), numbers, side="right")
    return np.where(np.isnan(numbers), column.size - 2, bins)


def _codes(column: Column, values: Sequence[Any]) -> Ints:
    """Return the places of categories; null and anything new have one of their own each."""
    places = column.places or {}
    null, new = column.size - 2, column.size - 1
    return np.array([null if v is None else places.get(v, new) for v in values], dtype=np.int64)


def _numbers(values: Sequence[Any]) -> Floats:
    """Return numbers, NaN for what is none: one odd value must not hide the rows beside it."""
    try:
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        return np.array([_number(v) for v in values], dtype=np.float64)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (ValueError, TypeError, OverflowError):
        return float("nan")
