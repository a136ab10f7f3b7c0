"""A forecast claims no more than persistence where nothing more is known, and refuses too early."""

import numpy as np
import pytest

from engine.stats import forecast


def errors(series: np.ndarray, horizon: int) -> tuple[float, float]:
    """Return the summed errors of forecast and persistence, each made with what was known."""
    own = other = 0.0
    for t in range(forecast.needed(horizon) - 1, len(series) - horizon):
        ahead = forecast.forecast(list(series[: t + 1]), horizon)[-1]
        truth = series[t + horizon]
        own, other = own + abs(ahead.value - truth), other + abs(ahead.values[0] - truth)
    return own, other


@pytest.mark.parametrize("horizon", [1, 3])
def test_on_a_random_walk_nothing_claims_to_beat_persistence(horizon: int) -> None:
    rng = np.random.default_rng(7)
    found = [errors(np.cumsum(rng.normal(size=45)), horizon) for _ in range(5)]
    own, other = np.sum(found, axis=0)
    assert own <= 1.02 * other


def test_where_the_mean_is_all_there_is_it_is_found() -> None:
    own, other = errors(np.random.default_rng(8).normal(size=50), 1)
    assert own < 0.85 * other


def test_too_short_a_history_is_refused_window_by_window() -> None:
    assert forecast.forecast([], 4) == []
    assert forecast.forecast([None, None], 4) == []
    assert forecast.forecast([1.0], 4) == []
    assert forecast.needed(1) == 9
    assert [a.horizon for a in forecast.forecast([1.0] * 10, 4)] == [1, 2]
    assert len(forecast.forecast([1.0] * 12, 4)) == 4
    assert forecast.forecast([None, 1.0] * 8, 4) == []  # a gap is no point


def test_all_equal_stays_so_and_gaps_are_stepped_over() -> None:
    for ahead in forecast.forecast([0.5] * 20, 4, limit=0.6):
        assert (ahead.value, ahead.low, ahead.high) == (0.5, 0.5, 0.5)
        assert ahead.breach is not None
        assert 0 < ahead.breach < 0.1
    (found,) = forecast.forecast([0.5, None] * 10, 1)
    assert found.value == 0.5


def test_a_breach_is_likelier_the_nearer_the_limit_and_the_further_ahead() -> None:
    series = list(0.5 + 0.05 * np.random.default_rng(9).normal(size=40))
    chances = {}
    for limit in (0.45, 0.55, 0.9):
        ahead = forecast.forecast(series, 4, limit=limit)
        chances[limit] = [a.breach or 0.0 for a in ahead]
        assert chances[limit] == sorted(chances[limit])
    assert chances[0.45][-1] > 0.9 > chances[0.55][-1] > 0.3 > chances[0.9][-1]
    upside = forecast.forecast(series, 1, limit=0.9, higher_is_better=True)
    assert (upside[0].breach or 0.0) > 0.9


def test_a_trend_is_followed_once_there_are_points_enough() -> None:
    series = list(np.linspace(0.0, 4.0, 40))
    assert np.isnan(forecast.forecast(series[:29], 1)[0].values[3])
    found = forecast.forecast(series, 1)[0]
    assert found.values[0] < found.values[3] < 4.0 + 4.0 / 39  # damped: not the whole step


def test_smoothing_is_the_recursion_of_a_hand() -> None:
    """With the share 0.1 of a series whose mean never moves; see Brown 1956."""
    table = forecast.said(np.array([1.0, 2.0, 1.0]), 2)
    assert table[1, 0].tolist() == [2.0, 2.0]
    assert table[2, 2].tolist() == pytest.approx([4 / 3, 4 / 3])
    level = {a: 1.0 + a * 1.0 + a * (1.0 - (1.0 + a)) for a in (0.1, 0.9)}
    assert level[0.1] <= table[2, 1, 0] <= level[0.9] + 1.0


def test_numbers_at_the_end_of_the_range_give_no_interval_that_is_no_number() -> None:
    series = [1e308, -1e308] * 10
    for ahead in forecast.forecast(series, 2, limit=0.0):
        for number in (ahead.low, ahead.high):
            assert number is None or np.isfinite(number)
        assert not np.isnan(ahead.value)
