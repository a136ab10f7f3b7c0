"""Whether two versions are as often right on the same rows: McNemar's test, exact."""

import math


def p_value(only_one: int, only_other: int) -> float | None:
    """Return the two-sided p that rows only one of two decided right fall to either alike.

    Formula: min(1, 2 P(X <= min(b, c))), X binomial of b + c rows at one half. Source: McNemar
    1947, in its exact form. In [0, 1], 0 only where it is smaller than a float can be; rows count
    as independent. None where no row tells them apart; 1 for one row, or as many to each.
    ValueError for a negative count.
    """
    if only_one < 0 or only_other < 0:
        raise ValueError(f"counts of rows are not negative: {only_one}, {only_other}")
    n, k = only_one + only_other, min(only_one, only_other)
    if n == 0:
        return None
    logs = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2.0)
    term = math.exp(logs)
    tail = 0.0
    # Downwards each term is smaller than the one before by k / (n - k + 1), at most 1.
    while term > tail * 1e-17:
        tail += term
        term *= k / (n - k + 1)
        k -= 1
    return min(1.0, 2.0 * tail)
