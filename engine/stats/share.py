"""How sure a counted share is. No thresholds."""

from math import sqrt
from statistics import NormalDist

LEVEL = 0.999


def interval(count: int, n: int, level: float = LEVEL) -> tuple[float, float] | None:
    """Return the score interval of a share of rows that were drawn one by one.

    Source: Wilson 1927. Within [0, 1] and around count / n; of no hits it begins at 0, of hits only
    it ends at 1. None without rows.
    """
    if n <= 0:
        return None
    z = NormalDist().inv_cdf((1.0 + level) / 2.0)
    share, more = count / n, z * z / n
    middle = (share + more / 2.0) / (1.0 + more)
    reach = z / (1.0 + more) * sqrt(share * (1.0 - share) / n + more / (4.0 * n))
    low = 0.0 if count == 0 else max(middle - reach, 0.0)
    return low, 1.0 if count == n else min(middle + reach, 1.0)
