"""Whether outcomes of one source lie elsewhere than those of the others, on similar rows."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.stats.profile import Floats
from engine.stats.sequential import normal_mixture_log, normal_mixture_r

Ints = NDArray[np.int64]

STRATA = 5
# A day with fewer rows of the others says nothing of what was usual then.
COMPARED = 10
_CLIP = 5.0
_TIGHT_AT = 100.0


@dataclass(frozen=True, slots=True)
class Skew:
    """How a source's residuals differ from those of the others, in their standard deviations.

    `log_e` is the log of the evidence that they differ, `own` and `others` are mean residuals.
    """

    n: int
    apart: float
    log_e: float
    own: float
    others: float


def residuals(task: str, labels: Floats, answers: Floats) -> Floats:
    """Return per row what the outcome has more than was answered; 0 on average if calibrated.

    Formula: label - score (binary), label - value (regression), log loss minus the entropy of the
    answer (multiclass: any real number, probabilities floored at 1e-6).
    """
    if task != "multiclass":
        found: Floats = labels - answers[:, 0]
        return found
    p = np.clip(answers, 1e-6, 1.0)
    loss: Floats = (p * np.log(p)).sum(axis=1)
    loss -= np.log(p[np.arange(len(labels)), labels.astype(np.int64)])
    return loss


def level(task: str, answers: Floats) -> Floats:
    """Return what rows are similar by: score, value, or the surest class's probability."""
    found: Floats = answers.max(axis=1) if task == "multiclass" else answers[:, 0]
    return found


def skew(residual: Floats, levels: Floats, days: Ints, sources: Ints, mine: int) -> Skew | None:
    """Return how one source's residuals differ from the others' of the same days and levels.

    Formula: mean over the source's rows of the residual, less the others' mean in the same fifth of
    levels and on the same day, over the others' standard deviation. Its variance under no
    difference is that of rows and, added, that of days within a source: of the other sources where
    there are at least two, else of its own. Evidence is the two-sided normal mixture of Howard et
    al. 2021 at that mean and variance. None without days that both sides share, or where the
    others' residuals are all equal; NaN and infinities are left out.
    """
    usable = np.isfinite(residual) & np.isfinite(levels)
    residual, levels = residual[usable], levels[usable]
    days, sources = days[usable], sources[usable]
    other = sources != mine
    if other.all() or other.sum() < COMPARED:
        return None
    centre, spread = float(residual[other].mean()), float(residual[other].std())
    if not 0.0 < spread < math.inf:
        return None
    scaled = np.clip((residual - centre) / spread, -_CLIP, _CLIP)
    scaled -= _means(scaled, _fifths(levels), other)[0]
    usual, around = _means(scaled, days, other)
    shared = ~other & (around >= COMPARED)
    n = int(shared.sum())
    if n < COMPARED:
        return None
    moved = scaled[shared] - usual[shared]
    apart, rows = float(moved.mean()), float(scaled[other].var())
    own = np.unique(days[shared], return_counts=True)[1].astype(np.float64)
    several = len(np.unique(sources[other])) > 1
    of, less = (other & (around >= COMPARED), 0.0) if several else (shared, apart)
    within = _within(scaled - usual - less, days, sources, of, rows)
    ours = rows / n + rows * float((1.0 / around[shared]).mean()) / len(own)
    variance = ours + within * float((own**2).sum()) / n**2
    # As many rows of variance 1 as say as much.
    said = 1.0 / max(variance, 1e-12)
    log_e = normal_mixture_log(apart * said, said, normal_mixture_r(0.01, _TIGHT_AT))
    return Skew(n, apart, log_e, float(residual[~other].mean()), centre)


def _fifths(levels: Floats) -> Ints:
    cuts = np.unique(np.quantile(levels, np.arange(1, STRATA) / STRATA))
    return np.searchsorted(cuts, levels, side="right").astype(np.int64)


def _means(values: Floats, groups: Ints, picked: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return per row the mean of its group's picked values, 0 without any, and how many."""
    _, places = np.unique(groups, return_inverse=True)
    counts = np.bincount(places, picked.astype(np.float64))
    sums: Floats = np.bincount(places, np.where(picked, values, 0.0)).astype(np.float64)
    means = sums / np.maximum(counts, 1.0)
    return means[places], counts[places].astype(np.float64)


def _within(
    values: Floats, days: Ints, sources: Ints, picked: NDArray[np.bool_], rows: float
) -> float:
    """Return the variance of sources' days beyond what their rows explain, at least 0."""
    cells = np.column_stack([sources[picked], days[picked]])
    _, places, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    means = np.bincount(places.ravel(), values[picked]) / counts
    enough = counts >= COMPARED
    if not enough.any():
        return 0.0
    return max(0.0, float((means[enough] ** 2 - rows / counts[enough]).mean()))
