"""Delivered columns by day: batches add up, and what is usual comes from the days before."""

import numpy as np
import pytest

from engine.stats import days
from engine.stats.days import ColumnDays, Delivered


def column(*values: float, per_day: int = 2) -> ColumnDays:
    numbers = np.array(values, dtype=np.float64)
    return days.numbers(numbers, np.arange(0, len(numbers), per_day))


def test_numbers_are_summed_up_by_day_and_what_is_not_finite_is_null() -> None:
    found = column(1, 3, np.nan, np.inf, -2, 5)
    assert (found.nulls, found.counts, found.sums) == ([0, 2, 0], [2, 0, 2], [4, 0, 3])
    assert (found.lows, found.highs) == ([1, 0, -2], [3, 0, 5])
    assert found.bounds() == (-2, 5)
    assert found.bounds(np.array([1])) is None
    assert column(np.nan, np.nan).bounds() is None


def test_batches_of_one_day_or_many_add_up_to_the_same() -> None:
    def one(first: int, *values: float) -> Delivered:
        n = len(values) // 2
        return Delivered(list(range(first, first + n)), [2] * n, {"x": column(*values)})

    whole = days.added([one(5, 1, 2, 3, 4, 5, 6)])
    parts = days.added([one(7, 5, 6), one(5, 1, 2), one(6, 3, 4)])
    assert whole == parts
    assert days.added([]) is None
    lacking = days.added([one(5, 1, 2), Delivered([6], [3], {})])
    assert lacking is not None
    assert lacking.columns["x"].nulls == [0, 3]


def test_usual_is_the_range_so_far_and_how_far_days_left_it() -> None:
    usual = days.usual(np.array([1, 2, 1, 2, 1, 5, 1.0]))
    assert usual is not None
    assert (usual.low, usual.high, usual.step) == (1, 5, 3)
    assert (usual.outside(0), usual.outside(3), usual.outside(7)) == (1, 0, 2)
    assert days.usual(np.array([1, 2, np.nan, 3])) is None
    still = days.usual(np.ones(9))
    assert still is not None
    assert still.step == 0


def test_novel_are_numbers_between_known_ones_not_those_of_a_new_season() -> None:
    old = column(*[10, 20, 30, 40] * 5)
    assert days.novelty(old, column(*[10, 40, 20, 30] * 2)) == (0, 0)
    assert days.novelty(old, column(*[50, 50, 50, 60] * 2)) == (0, 0)
    assert days.novelty(old, column(*[15, 15, 25, 20] * 2)) == (0.75, 0)
    rng = np.random.default_rng(1)
    assert days.novelty(column(*rng.normal(size=40)), old) is None


def test_a_gap_is_between_all_numbers_of_the_first_days_and_all_lately() -> None:
    old, near = column(10, 20, 12, 18), np.array([0, 1])
    assert days.gap(old, near, column(30, 40), np.array([0])) == pytest.approx(1.0)
    assert days.gap(old, near, column(-10, 0), np.array([0])) == pytest.approx(1.0)
    assert days.gap(old, near, column(19, 40), np.array([0])) == 0
    assert days.gap(old, near, column(np.nan, np.nan), np.array([0])) == 0


def test_days_near_a_batch_are_those_before_it_unless_there_are_too_few() -> None:
    before = days.near(range(100, 120), 120)
    assert before is not None
    assert before.tolist() == list(range(20))
    after = days.near(range(100, 120), 99)
    assert after is not None
    assert after.tolist() == list(range(19, -1, -1))
    assert days.near(range(100, 106), 106) is None
    assert days.near(range(100, 120), 120 + days.GAP) is None
    assert days.season(range(100, 120), 130, 1) is None
    year = days.season(range(100, 120), 110 + 365, 1)
    assert year is not None
