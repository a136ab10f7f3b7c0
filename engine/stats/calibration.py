"""How far answered probabilities lie from what then happened, and how sure that is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.stats import comparison
from engine.stats.comparison import Estimate
from engine.stats.performance import Floats, Labels

BINS = 10


def error(
    task: str, labels: Labels, answers: Floats, blocks: NDArray[Any], rng: np.random.Generator
) -> Estimate:
    """Return the expected calibration error with its interval over blocks.

    Source: Naeini, Cooper & Hauskrecht 2015, AAAI, with bins of equal counts: the mean over rows of
    |mean answer - share that came true| within the row's bin. Of several classes it is that of the
    likeliest one (Guo et al. 2017). In [0, 1]. Chance alone moves it up, so the interval is the
    basic one (2 value - percentile), which takes the same off again. No rows, a NaN, a regression:
    value None; one block: value without interval; all answers equal: one bin.
    """
    return comparison.estimate(_Binned(task, labels, answers), blocks, rng, basic=True)


def gap(
    task: str, labels: Labels, answers: Floats, blocks: NDArray[Any], rng: np.random.Generator
) -> Estimate:
    """Return the mean answer minus the mean outcome, with its interval over blocks.

    Calibration in the large (Cox 1958): of a binary task mean probability minus base rate, of
    values the mean error. No rows, a NaN, several classes: value None; one block: no interval.
    """
    return comparison.estimate(_Mean(task, labels, answers), blocks, rng)


def paired(
    task: str,
    labels: Labels,
    a: Floats,
    b: Floats,
    blocks: NDArray[Any],
    rng: np.random.Generator,
) -> Estimate:
    """Return how much better calibrated b is than a on the same rows; positive is better.

    The difference of two `error`s in the same draws, percentile interval: what chance adds to both
    cancels. Range [-1, 1]. Identical answers give exactly [0, 0]; otherwise as `error`.
    """
    pair = _Less(_Binned(task, labels, a), _Binned(task, labels, b))
    return comparison.estimate(pair, blocks, rng)


class _Binned:
    """One model's answers in bins of equal counts: what each row adds to its bin's surplus."""

    def __init__(self, task: str, labels: Labels, answers: Floats) -> None:
        self.n = len(labels)
        self.value: float | None = None
        known = np.asarray(labels, dtype=np.float64)
        if task == "regression" or self.n == 0 or np.isnan(answers).any() or np.isnan(known).any():
            return
        if task == "binary":
            said, came = answers[:, 0], known
        else:
            said, came = answers.max(axis=1), (answers.argmax(axis=1) == known).astype(np.float64)
        cuts = np.unique(np.quantile(said, np.arange(1, BINS) / BINS))
        self.bins = np.searchsorted(cuts, said, side="left")
        self.surplus = said - came
        sums = np.bincount(self.bins, self.surplus, minlength=BINS)
        self.value = float(np.abs(sums).sum()) / self.n

    def statistic(self, codes: NDArray[np.intp], count: int) -> comparison.Statistic:
        """Return the function from block counts to the error over the drawn rows."""
        cells = np.bincount(codes * BINS + self.bins, self.surplus, minlength=count * BINS)
        table = cells.reshape(count, BINS)
        sizes = np.bincount(codes, minlength=count).astype(np.float64)
        return lambda counts: np.abs(counts @ table).sum(axis=1) / (counts @ sizes)


class _Mean:
    """The mean of what answers say too much."""

    def __init__(self, task: str, labels: Labels, answers: Floats) -> None:
        self.n = len(labels)
        self.value: float | None = None
        self._surplus = answers[:, 0] - np.asarray(labels, dtype=np.float64)
        if task != "multiclass" and self.n and np.isfinite(self._surplus).all():
            self.value = float(np.mean(self._surplus))

    def statistic(self, codes: NDArray[np.intp], count: int) -> comparison.Statistic:
        """Return the function from block counts to the mean over the drawn rows."""
        sums = np.bincount(codes, self._surplus, minlength=count)
        sizes = np.bincount(codes, minlength=count).astype(np.float64)
        return lambda counts: (counts @ sums) / (counts @ sizes)


class _Less:
    """By how much the second's error is smaller than the first's."""

    def __init__(self, first: _Binned, second: _Binned) -> None:
        self.n = first.n
        self._both = first, second
        missing = first.value is None or second.value is None
        self.value = None if missing else (first.value or 0.0) - (second.value or 0.0)

    def statistic(self, codes: NDArray[np.intp], count: int) -> comparison.Statistic:
        """Return the function from block counts to the difference over the drawn rows."""
        one, two = (m.statistic(codes, count) for m in self._both)
        return lambda counts: one(counts) - two(counts)
