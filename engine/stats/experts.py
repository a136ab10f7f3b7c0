"""Several answers to one question, blended by how wrong each was; an interval from what is left.

Serves estimates of a window without labels and forecasts of windows to come alike. Rows are steps
in order of time, columns are experts; what an expert does not say is NaN.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.stats.performance import Floats

LEVEL = 0.9
GAMMA = 0.05
MIN_ERRORS = 2  # disjoint windows: from one error alone no spread is known
_WIDEST, _NARROWEST = 0.005, 0.5


@dataclass(frozen=True, slots=True)
class Walk:
    """What the blend said at each step, by which weights, within which interval.

    `covered` is the share of steps whose truth lay inside the interval stated for it, None where
    none was; `scored` how many disjoint windows of past errors stand behind the last interval.
    """

    value: Floats
    low: Floats
    high: Floats
    weights: Floats
    covered: float | None
    scored: int


@np.errstate(over="ignore", invalid="ignore")
def walk(
    values: Floats,
    truth: Floats,
    lag: int,
    *,
    overlap: int = 1,
    shared: int | None = None,
    prior: Floats | None = None,
) -> Walk:
    """Blend steps x experts one step after the other, each by what was known then.

    At step t the truth of steps up to t - lag is known. `overlap` neighbouring steps share rows and
    count as one; where they share only what came in between, `shared` says how many count as one
    when experts are weighed. Weights are `weights_of` what was known, intervals those of
    `halfwidth` with the level adapted as `adapted` says. No known error: prior weights and no
    interval. No expert awake: NaN.
    """
    steps, count = values.shape
    prior = np.full(count, 1.0 / count) if prior is None else prior
    errors = np.abs(values - truth[:, None])
    blend, half = np.full(steps, np.nan), np.full(steps, np.nan)
    weights = np.zeros((steps, count))
    alpha, told = 1.0 - LEVEL, 0
    for t in range(steps):
        known = max(t - lag + 1, 0)
        weights[t] = weights_of(errors[:known], values[t], prior, shared or overlap)
        blend[t] = _mixed(values[t], weights[t])
        for past in range(told, known):
            alpha = adapted(alpha, abs(blend[past] - truth[past]), half[past], overlap)
        told = known
        residuals = np.abs(blend[:known] - truth[:known])
        half[t] = halfwidth(residuals[np.isfinite(residuals)], alpha, overlap)
    judged = np.isfinite(half) & np.isfinite(blend) & np.isfinite(truth)
    inside = np.abs(blend[judged] - truth[judged]) <= half[judged]
    behind = np.isfinite(blend[:told]) & np.isfinite(truth[:told])
    return Walk(
        blend,
        blend - half,
        blend + half,
        weights,
        float(inside.mean()) if judged.any() else None,
        int(behind.sum()) // overlap,
    )


def weights_of(errors: Floats, now: Floats, prior: Floats, overlap: int = 1) -> Floats:
    """Return one weight per expert, summing to 1: exponentially weighted average forecaster.

    Source: Cesa-Bianchi & Lugosi 2006, section 2: w = prior exp(-eta loss), loss the sum of
    absolute errors, eta = sqrt(8 ln K / sum of squared ranges of a step), so that no unit has to be
    known. An expert that was silent at a step is charged the mean of the others; one silent now
    gets 0. No errors, or all the same: the prior.
    """
    awake = np.isfinite(now)
    if not awake.any():
        return np.zeros(len(now))
    seen = np.isfinite(errors).any(axis=1)
    past = errors[seen]
    losses = np.zeros(len(now))
    if len(past):
        filled = np.where(np.isfinite(past), past, np.nanmean(past, axis=1)[:, None])
        losses = filled.sum(axis=0) / overlap
        spread = float(np.square(np.ptp(filled, axis=1)).sum()) / overlap
        rate = math.sqrt(8.0 * math.log(len(now)) / spread) if spread > 0 else 0.0
        losses = rate * (losses - losses[awake].min())
    raw: Floats = np.where(awake, prior * np.exp(-np.maximum(losses, 0.0)), 0.0)
    shares: Floats = raw / raw.sum() if raw.sum() > 0 else awake / awake.sum()
    return shares


def adapted(alpha: float, error: float, half: float, overlap: int = 1) -> float:
    """Return the miss rate to aim at next: adaptive conformal inference.

    Source: Gibbs & Candes 2021, alpha + gamma (target - missed). The average miss rate of T steps
    is within (max(alpha, 1 - alpha) + gamma) / (T gamma) of the target. Without an interval or a
    truth nothing is learnt.
    """
    if not (math.isfinite(error) and math.isfinite(half)):
        return alpha
    return alpha + GAMMA / overlap * ((1.0 - LEVEL) - float(error > half))


def halfwidth(residuals: Floats, alpha: float, overlap: int = 1) -> float:
    """Return half the width of an interval from absolute past errors.

    The split-conformal quantile (Lei et al. 2018), the ceil((n + 1)(1 - alpha))-th smallest of n;
    where n is too small for one, the larger of the largest error and Student's t times the root of
    the mean square, as of normal errors around 0. n counts disjoint windows. Fewer than MIN_ERRORS:
    NaN; all errors equal: that error.
    """
    n = len(residuals) // overlap
    if n < MIN_ERRORS:
        return math.nan
    alpha = min(max(alpha, _WIDEST), _NARROWEST)
    rank = math.ceil((n + 1) * (1.0 - alpha) - 1e-9)
    if rank <= n:
        return float(np.sort(residuals)[math.ceil(rank / n * len(residuals) - 1e-9) - 1])
    from scipy.special import stdtrit  # Student's t, without scipy.stats and its 47 MiB

    spread = float(np.sqrt(np.mean(np.square(residuals))))
    normal = float(stdtrit(n, 1.0 - alpha / 2)) * spread * math.sqrt(1.0 + 1.0 / n)
    return max(float(residuals.max()), normal)


def _mixed(values: Floats, weights: Floats) -> float:
    used: NDArray[Any] = weights > 0
    return float(values[used] @ weights[used]) if used.any() else math.nan
