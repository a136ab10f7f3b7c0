"""A row's share in a difference of metrics: the mean is the difference, the spread its error."""

import numpy as np
import pytest

from engine.stats import performance
from engine.stats.influence import improvement

RNG = np.random.default_rng(5)
N = 4000
LABELS = (RNG.random(N) < 0.3).astype(np.int64)
A = np.clip(0.3 + 0.2 * (LABELS - 0.3) + RNG.normal(0, 0.15, N), 0.02, 0.98)[:, None]
B = np.clip(0.3 + 0.3 * (LABELS - 0.3) + RNG.normal(0, 0.15, N), 0.02, 0.98)[:, None]
NUMBERS = RNG.normal(10, 3, N)


@pytest.mark.parametrize(
    "metric", ["log_loss", "brier_score_loss", "accuracy_score", "roc_auc_score"]
)
def test_the_mean_is_how_much_better_the_second_is(metric):
    gained = improvement(metric, "binary", LABELS, A, B)
    sign = 1.0 if performance.metric_named(metric).higher_is_better else -1.0
    before, after = (performance.value(metric, "binary", LABELS, x) for x in (A, B))
    assert np.mean(gained) == pytest.approx(sign * (after - before), abs=1e-12)
    assert np.mean(gained) > 0


@pytest.mark.parametrize("metric", ["mean_absolute_error", "root_mean_squared_error"])
def test_errors_of_numbers_too(metric):
    near = (NUMBERS + RNG.normal(0, 1, N))[:, None]
    far = (NUMBERS + RNG.normal(0, 2, N))[:, None]
    gained = improvement(metric, "regression", NUMBERS, far, near)
    before, after = (performance.value(metric, "regression", NUMBERS, x) for x in (far, near))
    assert np.mean(gained) == pytest.approx(before - after, abs=1e-12)


@pytest.mark.parametrize("metric", ["roc_auc_score", "brier_score_loss"])
def test_the_spread_is_the_standard_error_that_the_bootstrap_finds(metric):
    gained = improvement(metric, "binary", LABELS, A, B)
    sign = 1.0 if performance.metric_named(metric).higher_is_better else -1.0
    drawn = []
    for _ in range(300):
        at = RNG.integers(0, N, N)
        before, after = (performance.value(metric, "binary", LABELS[at], x[at]) for x in (A, B))
        drawn.append(sign * (after - before))
    assert np.std(gained) / np.sqrt(N) == pytest.approx(np.std(drawn), rel=0.15)


def test_edges():
    for metric in ("log_loss", "roc_auc_score"):
        assert not np.any(improvement(metric, "binary", LABELS, A, A))
        assert improvement(metric, "binary", LABELS[:0], A[:0], B[:0]) is None
        assert improvement(metric, "binary", LABELS, A, B * np.nan) is None
    assert improvement("roc_auc_score", "binary", np.ones(3, dtype=int), A[:3], B[:3]) is None
    perfect = NUMBERS[:, None]
    assert not np.any(
        improvement("root_mean_squared_error", "regression", NUMBERS, perfect, perfect)
    )
    # A certain answer that is wrong costs what 0.001 would.
    sure = improvement("log_loss", "binary", np.array([1]), np.array([[0.5]]), np.array([[0.0]]))
    assert sure[0] == pytest.approx(np.log(0.001) - np.log(0.5))
