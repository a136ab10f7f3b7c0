"""Which of two models is better on the same rows, and how sure that is: the paired bootstrap.

Whole blocks (a day, a client) are drawn with replacement, because rows within one are alike. The
generator is passed in; nothing here knows a margin.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.stats import performance
from engine.stats.performance import Floats, Labels

DRAWS = 2000
_CELLS = 1_000_000  # numbers held at once while drawing, 8 MB
_KERNEL_BLOCKS = 1000

# Draws of block counts (draws x blocks) to one statistic each; NaN where a draw has none.
Statistic = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its bootstrap interval: `n` rows in `blocks` blocks, `draws` that counted.

    `value` is None without usable rows; the interval and `se` are None with fewer than two blocks.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    blocks: int
    se: float | None
    level: float
    draws: int


class Measured(Protocol):
    """Something measured over rows, which can be measured again over drawn blocks of them."""

    n: int
    value: float | None

    def statistic(self, codes: NDArray[np.intp], count: int) -> Statistic:
        """Return the function from block counts to the same number over the drawn rows."""


Difference = Estimate  # of `paired`: how much better b is, in the metric's own unit


@dataclass(frozen=True, slots=True)
class _Drawing:
    """How to draw: the generator, how often, and the level of the interval."""

    rng: np.random.Generator
    draws: int
    level: float


def paired(
    metric: str,
    task: str,
    labels: Labels,
    a: Floats,
    b: Floats,
    blocks: NDArray[Any],
    rng: np.random.Generator,
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    threshold_a: float = 0.5,
    threshold_b: float = 0.5,
) -> Difference:
    """Compare two models on the same rows by a paired bootstrap over blocks.

    Source: Efron & Tibshirani 1993, chapters 13 and 16; cluster resampling after Davison & Hinkley
    1997, 3.8. The interval is the expanded percentile interval (Hesterberg 2015):
    percentiles at Phi(-sqrt(B/(B-1)) t) for B blocks, which repairs the plain percentile interval's
    narrowness at few blocks; `se` has the same factor. Range: any real number. Identical answers
    give exactly [0, 0]; no rows or a NaN: value None; one block: value without interval. With fewer
    than about eight blocks no bootstrap can be trusted: look at `blocks`.
    """
    left = _Model(metric, task, labels, a, threshold_a)
    right = _Model(metric, task, labels, b, threshold_b)
    codes, count = _coded(blocks)
    if left.value is None or right.value is None:
        return Estimate(None, None, None, len(labels), count, None, level, 0)
    sign = 1.0 if performance.metric_named(metric).higher_is_better else -1.0
    statistic = _difference(left, right, sign, codes, count)
    value = sign * (right.value - left.value) + 0.0  # + 0.0 turns -0.0 into 0.0
    return _interval(value, len(labels), count, _Drawing(rng, draws, level), statistic)


def interval(
    metric: str,
    task: str,
    labels: Labels,
    answers: Floats,
    blocks: NDArray[Any],
    rng: np.random.Generator,
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    threshold: float = 0.5,
) -> Estimate:
    """Return one model's metric in its natural sign with the same interval as `paired`.

    Range: the metric's. No rows or a NaN: value None; one block: value without interval; all equal
    rows: an interval of no width.
    """
    model = _Model(metric, task, labels, answers, threshold)
    codes, count = _coded(blocks)
    if model.value is None:
        return Estimate(None, None, None, len(labels), count, None, level, 0)
    drawing = _Drawing(rng, draws, level)
    return _interval(model.value, len(labels), count, drawing, model.statistic(codes, count))


def estimate(
    measured: Measured,
    blocks: NDArray[Any],
    rng: np.random.Generator,
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    basic: bool = False,
) -> Estimate:
    """Return any measured number with the same interval as `paired`.

    `basic` mirrors it about the value (Davison & Hinkley 1997, 5.2): for numbers that drawing moves
    to one side. No value: None; one block: value without interval.
    """
    codes, count = _coded(blocks)
    if measured.value is None:
        return Estimate(None, None, None, measured.n, count, None, level, 0)
    value, drawing = measured.value + 0.0, _Drawing(rng, draws, level)
    found = _interval(value, measured.n, count, drawing, measured.statistic(codes, count))
    if not basic or found.low is None or found.high is None:
        return found
    return replace(found, low=2.0 * value - found.high, high=2.0 * value - found.low)


def needed(found: Estimate, effect: float) -> int | None:
    """Return how many rows in all would make the interval's half width at most `effect`.

    Formula: n (half width / effect)^2, since an interval narrows with the root of n while blocks
    stay as large as they are. At least 1; n itself where the interval has no width. None without an
    interval and for an effect that is not positive.
    """
    if found.low is None or found.high is None or not effect > 0.0:
        return None
    half = (found.high - found.low) / 2.0
    if half == 0.0:
        return found.n
    rows = found.n * (half / effect) ** 2
    return max(1, math.ceil(rows - 1e-9)) if math.isfinite(rows) else None


class _Model:
    """One model's answers as the bootstrap needs them: row terms, or labels and scores for AUC."""

    def __init__(
        self, metric: str, task: str, labels: Labels, answers: Floats, threshold: float
    ) -> None:
        self.metric = metric
        self.linear = performance.metric_named(metric, task).form == "mean"
        self.labels, self.answers = labels, answers
        self.rows = performance.row_terms(metric, task, labels, answers, threshold)
        self.value = performance.value(metric, task, labels, answers, threshold)

    def statistic(self, codes: NDArray[np.intp], count: int) -> Statistic:
        """Return the function from block counts to this model's metric."""
        if self.rows is None:
            return _auc_of(self.labels.astype(bool), self.answers[:, 0], codes, count)
        mean = _mean_of(self.rows, codes, count)
        return lambda counts: performance.from_mean(self.metric, mean(counts))


def _difference(
    left: _Model, right: _Model, sign: float, codes: NDArray[np.intp], count: int
) -> Statistic:
    """Return the function from block counts to the improvement of right over left."""
    if left.linear and left.rows is not None and right.rows is not None:
        return _mean_of(sign * (right.rows - left.rows), codes, count)  # one pass, no cancellation
    first, second = left.statistic(codes, count), right.statistic(codes, count)
    return lambda counts: sign * (second(counts) - first(counts))


def _coded(blocks: NDArray[Any]) -> tuple[NDArray[np.intp], int]:
    names, codes = np.unique(blocks, return_inverse=True)
    return codes.reshape(-1), len(names)


def _mean_of(rows: Floats, codes: NDArray[np.intp], count: int) -> Statistic:
    """Return the mean over drawn rows from the sums of each block."""
    sums = np.bincount(codes, weights=rows, minlength=count)
    sizes = np.bincount(codes, minlength=count).astype(np.float64)
    return lambda counts: (counts @ sums) / (counts @ sizes)


def _auc_of(
    true: NDArray[np.bool_], scores: Floats, codes: NDArray[np.intp], count: int
) -> Statistic:
    """Return the AUC over drawn rows; few blocks by a table of block pairs, many by row weights."""
    positives = np.bincount(codes[true], minlength=count).astype(np.float64)
    negatives = np.bincount(codes[~true], minlength=count).astype(np.float64)
    few = count <= _KERNEL_BLOCKS
    wins = _wins_by_pair(true, scores, codes, count) if few else _wins_by_row(true, scores, codes)

    def statistic(counts: Floats) -> Floats:
        pairs = (counts @ positives) * (counts @ negatives)
        out = np.full(len(counts), np.nan)
        np.divide(wins(counts), pairs, out=out, where=pairs > 0.0)
        return out

    return statistic


def _wins_by_pair(
    true: NDArray[np.bool_], scores: Floats, codes: NDArray[np.intp], count: int
) -> Statistic:
    """Count won pairs, ties one half, as the quadratic form of the counts in a table of blocks.

    A cell holds how often the true rows of its row's block beat the false rows of its column's.
    """
    order = np.argsort(scores, kind="stable")
    true, scores, codes = true[order], scores[order], codes[order]
    table = np.zeros((count, count))
    for block in range(count):
        against = scores[~true & (codes == block)]
        below, equal = performance.ranks(against, scores[true])
        table[:, block] = np.bincount(codes[true], weights=below + 0.5 * equal, minlength=count)
    return lambda counts: np.einsum("ij,ij->i", counts @ table, counts)


def _wins_by_row(true: NDArray[np.bool_], scores: Floats, codes: NDArray[np.intp]) -> Statistic:
    """Count won pairs from running sums of the false rows' weights in score order."""
    order = np.argsort(scores[~true], kind="stable")
    ordered, lost_by = scores[~true][order], codes[~true][order]
    below, equal = performance.ranks(ordered, scores[true])
    first, last = below.astype(np.intp), (below + equal).astype(np.intp)
    won_by = codes[true]

    def wins(counts: Floats) -> Floats:
        weights = np.ascontiguousarray(counts.T)  # a row a block: gathering copies whole rows
        lost = np.zeros((len(ordered) + 1, len(counts)))
        np.cumsum(weights[lost_by], axis=0, out=lost[1:])
        total = lost[first]
        total += lost[last]
        won: Floats = 0.5 * np.einsum("ij,ij->j", weights[won_by], total)
        return won

    return wins


def _drawn(count: int, n: int, how: _Drawing) -> Iterator[Floats]:
    """Yield how often each block was drawn, a row a draw, in pieces of bounded size."""
    piece = max(1, _CELLS // (count if count <= _KERNEL_BLOCKS else n))
    for start in range(0, how.draws, piece):
        size = min(piece, how.draws - start)
        picked = how.rng.integers(0, count, (size, count)) + np.arange(size)[:, None] * count
        flat = np.bincount(picked.ravel(), minlength=size * count)
        yield flat.reshape(size, count).astype(np.float64)


def _interval(value: float, n: int, count: int, how: _Drawing, statistic: Statistic) -> Estimate:
    """Draw, and return the value with its interval; draws without a statistic are left out."""
    bare = Estimate(value, None, None, n, count, None, how.level, 0)
    if count < 2:
        return bare
    found = np.concatenate([statistic(counts) for counts in _drawn(count, n, how)])
    found = found[np.isfinite(found)] + 0.0
    if len(found) < 2:
        return replace(bare, draws=len(found))
    tail = _tail(how.level, count)
    low, high = (float(q) for q in np.quantile(found, [tail, 1.0 - tail]))
    se = float(np.std(found, ddof=1)) * math.sqrt(count / (count - 1))
    return replace(bare, low=low, high=high, se=se, draws=len(found))


def _tail(level: float, blocks: int) -> float:
    """Return the share of draws to leave out on each side for an interval of this level."""
    from scipy.special import ndtr, stdtrit

    t = float(stdtrit(blocks - 1, 0.5 + level / 2.0))
    return float(ndtr(-math.sqrt(blocks / (blocks - 1)) * t))
