"""The interval of a share is Wilson's, and has an answer at its ends."""

import pytest
from scipy.stats import binomtest

from engine.stats.share import interval


@pytest.mark.parametrize(("count", "n"), [(0, 10), (1, 400), (37, 200), (200, 200), (5, 1_000_000)])
def test_it_is_wilsons(count: int, n: int) -> None:
    wanted = binomtest(count, n).proportion_ci(0.999, method="wilson")
    assert interval(count, n) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_no_rows_have_no_interval_and_one_hit_is_surely_above_nothing() -> None:
    assert interval(0, 0) is None
    low, high = interval(1, 10_000) or (0.0, 0.0)
    assert 0.0 < low < 1e-4 < high
