"""Whether one source's outcomes lie elsewhere than the others'."""

import numpy as np
import pytest

from engine.stats import feedback
from engine.stats.feedback import Skew


def drawn(seed: int, n: int = 2_000, *, hidden: float = 0.0) -> Skew | None:
    """Source 0 of four hides a share of the positive outcomes."""
    rng = np.random.default_rng(seed)
    days, sources = np.arange(n) // 300, rng.integers(4, size=n)
    score = np.clip(rng.beta(2, 5, size=n) + 0.1 * np.sin(days), 0.01, 0.99)
    labels = (rng.random(n) < score).astype(np.float64)
    labels[(sources == 0) & (rng.random(n) < hidden)] = 0.0
    answers = score[:, None]
    residual = feedback.residuals("binary", labels, answers)
    return feedback.skew(residual, feedback.level("binary", answers), days, sources, 0)


def test_a_source_that_hides_outcomes_lies_below_the_others_surely() -> None:
    found = drawn(1, hidden=1.0)
    assert found is not None
    assert found.apart < -0.4
    assert found.log_e > 7.0
    assert abs(found.own) > abs(found.others)


def test_honest_sources_are_alike() -> None:
    found = [drawn(seed) for seed in range(50)]
    assert max(abs(f.apart) for f in found if f) < 0.3
    assert max(f.log_e for f in found if f) < 6.9


@pytest.mark.parametrize("sources", [[0, 0, 0], [1, 1, 1], []])
def test_without_two_sides_there_is_no_answer(sources: list[int]) -> None:
    n = len(sources) * 50
    sent, days = np.repeat(np.array(sources, dtype=np.int64), 50), np.zeros(n, dtype=np.int64)
    assert feedback.skew(np.ones(n), np.ones(n), days, sent, 0) is None


def test_sources_of_different_days_are_not_compared() -> None:
    days = np.repeat([0, 1], 100)
    residual = np.where(days == 0, 0.5, -0.5) + np.tile([0.1, -0.1], 100)
    assert feedback.skew(residual, np.ones(200), days, days, 0) is None


def test_all_equal_nan_and_infinity_have_an_answer() -> None:
    sources, days = np.arange(200) % 2, np.zeros(200, dtype=np.int64)
    assert feedback.skew(np.zeros(200), np.zeros(200), days, sources, 0) is None
    wild = np.tile([np.nan, np.inf, 0.1, -0.1], 50)
    assert feedback.skew(wild, np.zeros(200), days, sources, 0) is not None


def test_residuals_are_zero_on_average_where_answers_are_calibrated() -> None:
    rng = np.random.default_rng(3)
    p = rng.dirichlet([2.0, 1.0, 1.0], size=20_000)
    labels = np.array([rng.choice(3, p=row) for row in p[:2000]], dtype=np.float64)
    assert abs(feedback.residuals("multiclass", labels, p[:2000]).mean()) < 0.05
    certain = feedback.residuals("multiclass", np.array([1.0]), np.array([[1.0, 0.0, 0.0]]))
    assert np.isfinite(certain).all()
    assert feedback.residuals("regression", np.array([3.0]), np.array([[1.0]])).tolist() == [2.0]
