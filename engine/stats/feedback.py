"""Whether outcomes of one source lie elsewhere than those of the others, on similar rows."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.stats.profile import Floats
from engine.stats.sequential import normal_mixture_log, normal_mixture_r

STRATA = 5
# A stratum with fewer rows of the others says nothing of what is usual there.
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


def skew(
    residual: Floats, levels: Floats, blocks: NDArray[np.int64], mine: NDArray[np.bool_]
) -> Skew | None:
    """Return how one source's residuals differ from the others' on rows of similar level.

    Formula: mean over the source's rows of the residual, less the others' mean in the same fifth of
    levels, over the others' standard deviation; its variance is the larger of rows and of blocks
    (days) drawn as one; evidence is the two-sided normal mixture of Howard et al. 2021 at that z.
    None without comparable rows on both sides, or where the others' residuals are all equal.
    """
    usable = np.isfinite(residual) & np.isfinite(levels)
    residual, levels = residual[usable], levels[usable]
    blocks, mine = blocks[usable], mine[usable]
    if not mine.any() or (~mine).sum() < COMPARED:
        return None
    centre, spread = float(residual[~mine].mean()), float(residual[~mine].std())
    if not 0.0 < spread < math.inf:
        return None
    scaled = np.clip((residual - centre) / spread, -_CLIP, _CLIP)
    cuts = np.unique(np.quantile(levels, np.arange(1, STRATA) / STRATA))
    stratum = np.searchsorted(cuts, levels, side="right")
    own, days, noise, compared = [], [], 0.0, 0
    for at in range(len(cuts) + 1):
        theirs, ours = scaled[~mine & (stratum == at)], scaled[mine & (stratum == at)]
        if len(theirs) < COMPARED or not len(ours):
            continue
        own.append(ours - theirs.mean())
        days.append(blocks[mine & (stratum == at)])
        noise += len(ours) ** 2 * float(theirs.var()) / len(theirs)
        compared += len(ours)
    if compared < COMPARED:
        return None
    moved, day = np.concatenate(own), np.concatenate(days)
    apart = float(moved.mean())
    _, places = np.unique(day, return_inverse=True)
    by_row = float(moved.var()) * compared
    by_block = float((np.bincount(places, moved - apart) ** 2).sum())
    variance = (max(by_row, by_block) + noise) / compared**2
    # As many rows of variance 1 as say as much.
    n = 1.0 / max(variance, 1e-12)
    log_e = normal_mixture_log(apart * n, n, normal_mixture_r(0.01, _TIGHT_AT))
    return Skew(compared, apart, log_e, float(residual[mine].mean()), centre)
