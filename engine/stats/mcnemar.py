"""Whether two versions are as often right on the same rows: McNemar's test, exact."""

from scipy.special import bdtr


def p_value(only_one: int, only_other: int) -> float | None:
    """Return the two-sided p that rows only one of two decided right fall to either alike.

    Formula: min(1, 2 P(X <= min(b, c))), X binomial of b + c rows at one half. Source: McNemar
    1947, in its exact form. In (0, 1]; rows count as independent. None where no row tells them
    apart; 1 for one row, or as many to each. ValueError for a negative count.
    """
    if only_one < 0 or only_other < 0:
        raise ValueError(f"counts of rows are not negative: {only_one}, {only_other}")
    n = only_one + only_other
    return None if n == 0 else min(1.0, 2.0 * float(bdtr(min(only_one, only_other), n, 0.5)))
