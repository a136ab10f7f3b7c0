"""McNemar's exact test: against the binomial by hand, symmetric, and nothing where none differ."""

from math import comb

import pytest

from engine.stats.mcnemar import p_value


@pytest.mark.parametrize(("b", "c"), [(0, 1), (2, 8), (10, 25), (40, 61)])
def test_it_is_twice_the_smaller_tail_of_a_fair_coin(b: int, c: int) -> None:
    n = b + c
    tail = sum(comb(n, k) for k in range(min(b, c) + 1)) / 2**n
    assert p_value(b, c) == pytest.approx(min(1.0, 2 * tail))
    assert p_value(c, b) == p_value(b, c)


def test_as_many_to_each_is_no_difference_and_no_row_is_no_answer() -> None:
    assert p_value(7, 7) == 1.0
    assert p_value(0, 0) is None


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        p_value(-1, 3)
