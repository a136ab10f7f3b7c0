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


def p_value(pool: Counts, period: Counts) -> float:
    """Return the p-value of Pearson's two-sample chi-square of a period against the pool.

    Neighbouring bins are merged until the smaller sample expects 5 in each. In (0, 1]; 1 where a
    side has no rows or one bin is left. Conditional on all rows together the split is the same for
    every sum of both (hypergeometric), so that the p-values of successive periods, each against the
    pool of all before, are independent as long as rows are exchangeable: Vovk, Gammerman & Shafer
    2005, ch. 2, on which `surprise` rests.
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
    log = math.log(max(p, _SMALLEST_P))
    return (1.0 - p + p * log) / (p * log * log)


def gathered(before: float, e: float, looks: float) -> float:
    """Return the Shiryaev-Roberts sum after one more e-value: (R + 1/L) e, at most 1e12.

    Its mean after t e-values is at most t/L, so within L of them it ever reaches c with chance at
    most 1/c (Doob's inequality on R - t/L), whenever the change comes. Source: Shin, Ramdas &
    Rinaldo 2022, e-detectors.
    """
    return min((before + 1.0 / looks) * e, LARGEST)
