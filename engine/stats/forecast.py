"""A number's next windows from its past ones: experts blended for each distance ahead."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.stats import experts
from engine.stats.performance import Floats

MIN_POINTS = 8  # and one more for each window ahead
MIN_TREND = 30
EXPERTS = ("persistence", "smoothing", "mean", "damped trend")
_SHARES = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
_PRIOR = np.array([0.8, 0.1, 0.05, 0.05])
_DAMPED = 0.9


@dataclass(frozen=True, slots=True)
class Ahead:
    """One window ahead: what the blend says, its interval, its experts and how it did before.

    `breach` is the chance that any window up to this one is beyond the limit, None without a limit.
    """

    horizon: int
    value: float
    low: float | None
    high: float | None
    values: tuple[float, ...]
    weights: tuple[float, ...]
    covered: float | None
    scored: int
    breach: float | None


def needed(horizon: int) -> int:
    """Return how many points a forecast this far ahead needs at least."""
    return MIN_POINTS + horizon


@np.errstate(over="ignore", invalid="ignore")
def forecast(
    points: Sequence[float | None],
    horizons: int,
    *,
    limit: float | None = None,
    higher_is_better: bool = False,
) -> list[Ahead]:
    """Return the windows ahead that the points allow; none below the minimum history.

    The experts are `said`, blended by `experts.walk` on the errors that each made from every
    earlier point (rolling origin), with persistence favoured until errors tell otherwise: on a
    random walk nothing beats it. Of errors so many windows ahead, that many count as one. A gap
    (None) is no point: experts go on from what is there. The chance of a breach is the share of
    earlier origins whose errors on the way, added to this forecast, cross the limit: (crossed +
    1/2) / (n + 1), so never 0 and never 1.
    """
    series = np.array([np.nan if p is None else p for p in points], dtype=np.float64)
    there = int(np.isfinite(series).sum())
    if not there:
        return []
    table = said(series, horizons)
    found, paths, breach = [], [], None
    for ahead in range(1, horizons + 1):
        if there < needed(ahead):
            break
        truth = np.concatenate([series[ahead:], np.full(ahead, np.nan)])
        walk = experts.walk(table[:, :, ahead - 1], truth, ahead, shared=ahead, prior=_PRIOR)
        paths.append((float(walk.value[-1]), truth - walk.value))
        if limit is not None:
            # Fewer origins reach further ahead: what they say never takes a chance back.
            crossing = _crossing(paths, limit, higher=higher_is_better)
            breach = max(breach or 0.0, crossing)
        found.append(
            Ahead(
                ahead,
                float(walk.value[-1]),
                _number(walk.low[-1]),
                _number(walk.high[-1]),
                tuple(float(v) for v in table[-1, :, ahead - 1]),
                tuple(float(w) for w in walk.weights[-1]),
                walk.covered,
                walk.scored,
                breach,
            )
        )
    return found


def said(series: Floats, horizons: int) -> Floats:
    """Return what each expert says from each point: points x experts x windows ahead.

    persistence: the last point. smoothing: simple exponential smoothing (Brown 1956), its share the
    one with the smallest squared error one ahead so far. mean: of all points so far. damped trend:
    the smoothed level and trend (Gardner & McKenzie 1985) from MIN_TREND points on, else NaN.
    """
    out = np.full((len(series), len(EXPERTS), horizons), np.nan)
    levels = np.full(len(_SHARES), np.nan)
    errors = np.zeros(len(_SHARES))
    level = trend = total = math.nan
    count = 0
    steps = np.cumsum(_DAMPED ** np.arange(1, horizons + 1))
    for at, value in enumerate(series):
        if math.isfinite(value):
            count += 1
            if count == 1:
                levels[:] = level = total = value
                trend = 0.0
            else:
                errors += np.square(value - levels)
                levels += _SHARES * (value - levels)
                share = float(_SHARES[np.argmin(errors)])
                ahead = level + _DAMPED * trend
                trend = _DAMPED * trend + share * 0.1 * (value - ahead)
                level = ahead + share * (value - ahead)
                total += value
            last = value
        if not count:
            continue
        out[at, 0] = last
        out[at, 1] = levels[np.argmin(errors)]
        out[at, 2] = total / count
        if count >= MIN_TREND:
            out[at, 3] = level + trend * steps
    return out


def _crossing(paths: list[tuple[float, Floats]], limit: float, *, higher: bool) -> float:
    """Return the chance that the way of these windows crosses a limit."""
    away = np.stack([value + error for value, error in paths])
    complete = np.isfinite(away).all(axis=0)
    beyond = (away < limit) if higher else (away > limit)
    crossed = int(np.count_nonzero(beyond[:, complete].any(axis=0)))
    return (crossed + 0.5) / (int(complete.sum()) + 1.0)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
