"""Evidence that a column no longer comes as it came, which may be looked at as often as one likes.

Periods of rows that are disjoint are tested, each against all before it. No thresholds.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

EXPECTED = 5.0
LARGEST = 1e12
_SMALLEST_P = 1e-300


def e_value(pool: Counts, period: Counts) -> float:
    """Return how surely a period's rows are not as the pool's: the mean of two e-values.

    One sees any change of the shares, the other a shift along the bins, far sooner. At least 1/2;
    below 1 on average while nothing changes. Conditional on all rows together a split is the same
    for every sum of both (hypergeometric), so what successive periods say, each against the pool of
    all before, multiplies as long as rows are exchangeable: Vovk, Gammerman & Shafer 2005, ch. 2.
    """
    return (surprise(chi_square_p(pool, period)) + surprise(rank_p(pool, period))) / 2.0


def chi_square_p(pool: Counts, period: Counts) -> float:
    """Return the p-value of Pearson's two-sample chi-square of counts in the same bins.

    Neighbouring bins are merged until the smaller sample expects 5 in each. In (0, 1]; 1 where a
    side has no rows or one bin is left.
    """
    from scipy.special import chdtrc

    rows = float(pool.sum()), float(period.sum())
    total = sum(rows)
    if not all(rows):
        return 1.0
    groups = _groups((pool + period) * (min(rows) / total))
    table = [np.bincount(groups, weights=side) for side in (pool, period)]
    freedom = int(groups[-1])
    if freedom == 0:
        return 1.0
    both = table[0] + table[1]
    statistic = sum(
        float(np.sum((side - both * n / total) ** 2 / (both * n / total)))
        for side, n in zip(table, rows, strict=True)
    )
    return max(float(chdtrc(freedom, statistic)), _SMALLEST_P)


def rank_p(pool: Counts, period: Counts) -> float:
    """Return the two-sided p-value of the rank-sum of counts in the same bins, in their order.

    Formula: normal, corrected for ties, as scipy.stats.mannwhitneyu(use_continuity=False); Lehmann
    1975, ch. 1. In (0, 1]; 1 where a side has no rows or one bin holds all.
    """
    tied = (pool + period).astype(np.float64)
    rows, total = (float(pool.sum()), float(period.sum())), float(tied.sum())
    ranks = np.cumsum(tied) - (tied - 1.0) / 2.0
    spread = float(np.sum(tied**3 - tied)) / (total * (total - 1.0)) if total > 1.0 else 0.0
    variance = rows[0] * rows[1] / 12.0 * (total + 1.0 - spread)
    if not all(rows) or variance <= 0.0:
        return 1.0
    off = float(np.dot(period, ranks)) - rows[1] * (total + 1.0) / 2.0
    return max(math.erfc(abs(off) / math.sqrt(2.0 * variance)), _SMALLEST_P)


def _groups(expected: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Return the group of each bin: neighbours, until the group expects enough."""
    groups, at, filled = [], 0, 0.0
    for share in expected.tolist():
        if filled >= EXPECTED:
            at, filled = at + 1, 0.0
        groups.append(at)
        filled += share
    if filled < EXPECTED and at:
        groups = [min(g, at - 1) for g in groups]
    return np.array(groups, dtype=np.intp)


def surprise(p: float) -> float:
    """Return the e-value of a p-value: (1 - p + p ln p) / (p ln^2 p).

    Source: Vovk & Wang 2021, Ann. Stat. 49:1736, the mixture of all calibrators k p^(k-1). Falls
    from infinity to 1/2 at p = 1; its mean is 1 for a uniform p and less for a greater one.
    """
    if p >= 1.0 - 1e-6:
        return 0.5
    p = max(p, _SMALLEST_P)
    log = math.log(p)
    return (1.0 - p + p * log) / (p * log * log)


def gathered(before: float, e: float, looks: float) -> float:
    """Return the Shiryaev-Roberts sum after one more e-value: (R + 1/L) e, at most 1e12.

    Its mean after t e-values is at most t/L, so within L of them it ever reaches c with chance at
    most 1/c (Doob's inequality on R - t/L), whenever the change comes. Source: Shin, Ramdas &
    Rinaldo 2022, e-detectors.
    """
    return min((before + 1.0 / looks) * e, LARGEST)
