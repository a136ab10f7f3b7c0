"""A change in a stream of numbers, seen as it happens: an e-process over ranks, value by value.

What a value is called, and what an alarm leads to, is decided elsewhere.
"""

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.stats.performance import Floats

# Cells are bounded by order statistics of the calibration sample: this many of equal size, and
# towards both ends ever smaller ones, for what is far out says most.
EVEN = 24
MARGIN, HALVINGS = 1.5, 16
BLOCK = 4_096
# Starts of a change up to about this row are weighed nearly alike.
LEVEL_ROWS = 300.0
_NEVER = 1e300
_LARGEST = float(np.finfo(np.float64).max)

Cdf = Callable[[Floats], Floats]


def _upper(power: float, share: float = 1.0) -> Cdf:
    """Ranks near the top, for a share of the rows."""
    return lambda u: u - share * (u - 1.0 + np.power(1.0 - u, power))


def _lower(power: float) -> Cdf:
    return lambda u: np.power(u, power)


def _wave(halves: int, depth: float) -> Cdf:
    """Half waves across the ranks: one is a shift, two are a spread, more are finer shapes."""
    turn = math.pi * halves
    return lambda u: u + depth * np.sin(turn * u) / turn


WORSE: tuple[Cdf, ...] = (
    _upper(0.25), _upper(0.5), _upper(0.75), _upper(0.2, 0.3), _upper(0.1, 0.1), _upper(0.05, 0.03),
    _wave(1, -0.3), _wave(1, -0.9),
)  # fmt: skip
ANY: tuple[Cdf, ...] = (
    _upper(0.25), _upper(0.6), _lower(0.25), _lower(0.6),
    *(_wave(halves, depth) for halves in (1, 2, 3, 4) for depth in (-0.8, -0.3, 0.3, 0.8)),
)  # fmt: skip


class Detector(msgspec.Struct, frozen=True):
    """What is known of one stream; `after` gives the next state, in whatever blocks rows come.

    Formula: a calibration sample of m values cuts the line into m + 1 gaps. As long as nothing has
    changed, the next value falls into a cell of g gaps into which c values fell before with chance
    (g + c) / (m + 1 + rows) exactly, whatever the distribution (ranks are exchangeable; Vovk,
    Gammerman & Shafer 2005). Each bet is a density over ranks; it pays its mean over the cell, so
    on average 1. Evidence is the mixture over bets and over the row at which a change began, whose
    weights ln(a)/ln(a+t-1) - ln(a)/ln(a+t) sum to 1: at least 0, 1 at the start, and by Ville's
    inequality above 1/alpha with chance at most alpha, ever. A toll a bet and row, which can only
    lower it, is learned from how the calibration rows hang together. `worse` bets on
    greater values only: the promise then holds for a stream that gets smaller as well. Nothing to
    calibrate with, and values that are all equal: no evidence. Equal values are ordered by a number
    drawn from the seed and the row. NaN is skipped and counted; infinities are the largest numbers.
    After an alarm nothing changes any more.
    """

    alpha: float
    worse: bool
    seed: int
    edges: tuple[float, ...]
    ties: tuple[float, ...]
    counts: tuple[int, ...]
    sums: tuple[float, ...]
    starts: tuple[float, ...]
    least: tuple[float, ...]
    first: tuple[int, ...]
    tolls: tuple[float, ...]
    rows: int = 0
    skipped: int = 0
    alarmed: bool = False

    def __post_init__(self) -> None:
        bets = len(WORSE if self.worse else ANY)
        if {len(self.sums), len(self.starts), len(self.least), len(self.tolls)} != {bets}:
            # What another version of the program kept is not read as if it were ours.
            raise ValueError(f"{len(self.sums)} bets were kept, this program makes {bets}")

    @property
    def log_e(self) -> float:
        """Return the natural log of the evidence that the stream has changed."""
        found = _total(np.array(self.sums) + np.array(self.starts), self.rows)
        return float(found)

    @property
    def began(self) -> int | None:
        """Return the row, from 1, at which a change probably began; None where none shows.

        The start with the greatest evidence, under the bet that has most.
        """
        best = np.array(self.sums) - np.array(self.least)
        return self.first[int(np.argmax(best))] if self.rows else None

    def after(self, values: Floats | Sequence[float]) -> "Detector":
        """Return the state after more values, in their order."""
        state, taken = self, np.asarray(values, dtype=np.float64)
        for at in range(0, len(taken), BLOCK):
            state = state._after_block(taken[at : at + BLOCK])
        return state

    def _after_block(self, values: Floats) -> "Detector":
        missing = np.isnan(values)
        known = _finite(values[~missing])
        if self.alarmed or not len(known):
            skipped = 0 if self.alarmed else int(missing.sum())
            return msgspec.structs.replace(self, skipped=self.skipped + skipped)
        cells = self._cells(known)
        paid = self._paid(cells) - np.array(self.tolls)
        turns = np.arange(self.rows + 1, self.rows + len(known) + 1, dtype=np.float64)
        sums = np.add.accumulate(np.vstack([self.sums, paid]), axis=0)
        staked = np.log(_weight(turns))[:, None] - sums[:-1]
        starts = np.logaddexp.accumulate(np.vstack([self.starts, staked]), axis=0)
        over = _total(sums + starts, np.arange(self.rows, turns[-1] + 1)) >= -math.log(self.alpha)
        hits = np.flatnonzero(over[1:])
        n = int(hits[0]) + 1 if len(hits) else len(known)
        lowest = np.argmin(-staked[:n], axis=0)
        value = -staked[lowest, np.arange(len(lowest))]
        better = value < np.array(self.least)
        upto = np.flatnonzero(~missing)[n - 1] + 1 if len(hits) else len(values)
        return msgspec.structs.replace(
            self,
            counts=tuple(
                (np.bincount(cells[:n], minlength=len(self.counts)) + self.counts).tolist()
            ),
            sums=tuple(sums[n].tolist()),
            starts=tuple(starts[n].tolist()),
            least=tuple(np.where(better, value, self.least).tolist()),
            first=tuple(np.where(better, self.rows + 1 + lowest, self.first).tolist()),
            rows=self.rows + n,
            skipped=self.skipped + int(missing[:upto].sum()),
            alarmed=bool(len(hits)),
        )

    def _cells(self, values: Floats) -> NDArray[np.int64]:
        """Return the cell of each value; one that equals an edge is placed by its own number."""
        edges, ties = np.array(self.edges), np.array(self.ties)
        cells = np.searchsorted(edges, values, side="left")
        last = np.searchsorted(edges, values, side="right")
        own = drawn(self.seed, np.arange(self.rows, self.rows + len(values)))
        for at in np.flatnonzero(last > cells):
            low, high = cells[at], last[at]
            cells[at] = low + np.searchsorted(ties[low:high], own[at], side="left")
        return cells

    def _paid(self, cells: NDArray[np.int64]) -> Floats:
        """Return the log of what each bet pays on each value: rows by bets."""
        n, width = len(cells), len(self.counts)
        fell = np.zeros((n, width), dtype=np.int64)
        fell[np.arange(n), cells] = 1
        counts = np.cumsum(fell, axis=0) - fell + np.array(self.counts)
        upto = np.cumsum(counts, axis=1)[np.arange(n), cells]
        total = sum(self.counts) + np.arange(n)
        high, low = upto / total, (upto - counts[np.arange(n), cells]) / total
        return _paid(low, high, worse=self.worse)


def begun(
    calibration: Floats | Sequence[float], *, alpha: float, worse: bool, seed: int
) -> Detector:
    """Return a detector that knows a calibration sample and has seen no row."""
    known = np.asarray(calibration, dtype=np.float64)
    known = _finite(known[~np.isnan(known)])
    own = drawn(seed, -1 - np.arange(len(known)))
    order = np.lexsort((own, known))
    cuts = _cuts(len(known))
    picked = order[cuts - 1]
    bets = len(WORSE if worse else ANY)
    counts = np.diff([0, *cuts, len(known) + 1])
    ends = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    placed = np.empty(len(known), dtype=np.int64)
    placed[order] = np.searchsorted(cuts, np.arange(1, len(known) + 1), side="left")
    return Detector(
        alpha=alpha,
        worse=worse,
        seed=seed,
        edges=tuple(known[picked].tolist()),
        ties=tuple(own[picked].tolist()),
        counts=tuple(counts.tolist()),
        sums=(0.0,) * bets,
        starts=(-_NEVER,) * bets,
        least=(_NEVER,) * bets,
        first=(0,) * bets,
        tolls=_tolls(_paid(ends[:-1], ends[1:], worse=worse)[placed]),
    )


def _paid(low: Floats, high: Floats, *, worse: bool) -> Floats:
    """Return the log of what each bet pays on ranks between low and high: a column a bet."""
    bets = WORSE if worse else ANY
    paid: Floats = np.stack([(b(high) - b(low)) / (high - low) for b in bets], axis=1)
    return np.log(paid)


def _tolls(paid: Floats) -> tuple[float, ...]:
    """Return what each bet pays a row, so that the calibration rows in their order show nothing.

    The least toll at which no stretch of n rows wins more than about what luck lets one win, ln(n),
    and a margin: what comes in spells (nights, storms) has to be clearly worse than any spell
    known. Rows that do not hang together cost little.
    """
    if not len(paid):
        return (0.0,) * int(paid.shape[1])
    allowed = math.log(len(paid))
    low, high = np.zeros(paid.shape[1]), np.maximum(paid.max(axis=0), 0.0)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        won = np.vstack([np.zeros_like(low), np.cumsum(paid - middle, axis=0)])
        still = (won - np.minimum.accumulate(won, axis=0)).max(axis=0) <= allowed
        low, high = np.where(still, low, middle), np.where(still, middle, high)
    return tuple(float(MARGIN * toll) for toll in high)


def _cuts(n: int) -> NDArray[np.int64]:
    """Return which of n order statistics, from 1, bound the cells."""
    even = np.round(np.arange(1, EVEN) * (n + 1) / EVEN)
    tail = 2.0 ** np.arange(0, max(0.0, math.log2((n + 1) / EVEN)))
    cuts = np.unique(np.concatenate([even, tail, n + 1 - tail])).astype(np.int64)
    return cuts[(cuts >= 1) & (cuts <= n)]


def _weight(turn: Floats) -> Floats:
    """Return the weight of a change that begins at a row; over all rows they sum to 1."""
    return _left(turn - 1.0) - _left(turn)


def _left(rows: Floats) -> Floats:
    """Return the weight of all changes that begin after so many rows."""
    left: Floats = math.log(LEVEL_ROWS) / np.log(LEVEL_ROWS + rows)
    return left


def _total(won: Floats, rows: Floats | int) -> Floats:
    """Return the log of the mean of the bets' evidence and of what is not staked yet."""
    mean = np.logaddexp.reduce(won, axis=-1) - math.log(won.shape[-1])
    total: Floats = np.logaddexp(mean, np.log(_left(np.asarray(rows, dtype=np.float64))))
    return total


def _finite(values: Floats) -> Floats:
    return np.clip(values, -_LARGEST, _LARGEST)


def drawn(seed: int, numbers: NDArray[np.int64]) -> Floats:
    """Return a number in [0, 1) for each of many, the same ever after (SplitMix64, Steele 2014)."""
    with np.errstate(over="ignore"):
        z = numbers.astype(np.int64).astype(np.uint64) + np.uint64(seed % 2**32) * np.uint64(2**31)
        z = (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    unit: Floats = (z >> np.uint64(11)).astype(np.float64) / 2.0**53
    return unit
