"""Of calibrated answers the expected metric is what comes; others are recalibrated first."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest

from engine.stats import estimation, performance
from engine.stats.estimation import Measure, Rows, Window

WEEK = 1000


def rows(
    n: int, *, seed: int = 1, bias: float = 0.0, versions: int = 1, classes: int = 2
) -> tuple[Rows, Any]:
    """Return rows over ten weeks whose answers say `bias` too much in log odds; and the truth."""
    rng = np.random.default_rng(seed)
    logs = rng.normal(size=(n, classes)) * 1.5
    chances = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    drawn = (rng.random(n)[:, None] > np.cumsum(chances, axis=1)).sum(axis=1).astype(float)
    answered = np.exp(logs + np.arange(classes) * bias)
    answered /= answered.sum(axis=1, keepdims=True)
    times = np.sort(rng.integers(0, 10 * WEEK, n))
    found = Rows(
        times,
        rng.integers(0, versions, n).astype(np.intp),
        answered[:, 1:2] if classes == 2 else answered,
        drawn,
        times,
    )
    return found, chances


@pytest.mark.parametrize(
    "metric", ["log_loss", "brier_score_loss", "accuracy_score", "roc_auc_score"]
)
def test_of_calibrated_answers_the_expectation_is_what_comes(metric: str) -> None:
    found, chances = rows(60_000)
    one = estimation.measure(metric, "binary", found, 2)
    everything = slice(0, 60_000)
    expected = estimation.expected(found, one, everything, chances)
    assert expected == pytest.approx(estimation.realised(found, one, everything), abs=0.01)


def test_a_realised_measure_is_the_metric_itself() -> None:
    found, _ = rows(500)
    for metric in ("log_loss", "accuracy_score", "roc_auc_score"):
        one = estimation.measure(metric, "binary", found, 2)
        wanted = performance.value(metric, "binary", found.labels, found.answers)
        assert estimation.realised(found, one, slice(0, 500)) == pytest.approx(wanted, abs=1e-12)


def test_the_expected_auc_of_certain_labels_is_the_auc() -> None:
    rng = np.random.default_rng(2)
    scores, labels = np.round(rng.random(300), 1), (rng.random(300) < 0.4).astype(float)
    assert estimation.expected_auc(labels, scores) == pytest.approx(
        performance.auc(labels, scores), abs=1e-12
    )
    # By hand: every outcome of three rows, weighed by its probability.
    chances, three = np.array([0.2, 0.5, 0.9]), np.array([0.3, 0.3, 0.8])
    won = pairs = 0.0
    for outcome in product([0, 1], repeat=3):
        weight = np.prod(np.where(outcome, chances, 1 - chances))
        for i, j in product(range(3), repeat=2):
            if outcome[i] > outcome[j]:
                pairs += weight
                won += weight * (1.0 if three[i] > three[j] else 0.5 * (three[i] == three[j]))
    assert estimation.expected_auc(chances, three) == pytest.approx(won / pairs, abs=1e-12)
    assert math.isnan(estimation.expected_auc(np.array([]), np.array([])))
    assert math.isnan(estimation.expected_auc(np.ones(3), three))


@pytest.mark.parametrize("classes", [2, 4])
def test_recalibration_takes_a_known_error_off_again(classes: int) -> None:
    found, chances = rows(20_000, bias=0.8, classes=classes)
    answered = estimation.probabilities(found.answers)
    fitted = estimation.fit(answered, found.labels)
    off = np.abs(estimation.applied(fitted, answered) - chances).mean()
    assert off < 0.01 < np.abs(answered - chances).mean()


def test_recalibration_without_rows_or_of_one_kind_changes_little_and_never_breaks() -> None:
    some = np.array([[0.3, 0.7], [0.9, 0.1]])
    assert estimation.applied(estimation.fit(some[:0], np.array([])), some) == pytest.approx(some)
    odd = np.array([[0.0, 1.0]] * 200)
    found = estimation.applied(estimation.fit(odd, np.zeros(200)), some)
    assert np.isfinite(found).all()


def test_each_expert_says_what_its_name_says() -> None:
    found, _ = rows(5000, bias=1.0)
    one = estimation.measure("log_loss", "binary", found, 2)
    windows = [Window(8 * WEEK, 9 * WEEK, 8 * WEEK, 8 * WEEK)]
    said, truth = estimation.walked("binary", found, [one], windows, np.array([[0.4]]))
    constant, persistence, calibrated, answered = said[0, 0]
    place = found.between(7 * WEEK, 8 * WEEK)
    assert constant == 0.4
    assert persistence == estimation.realised(found, one, place)
    assert abs(calibrated - truth[0, 0]) < abs(answered - truth[0, 0])


def test_no_label_after_the_cut_or_not_known_by_then_is_looked_at() -> None:
    found, _ = rows(5000)
    later = found.times >= 8 * WEEK
    late = Rows(found.times, found.versions, found.answers, found.labels, found.times + WEEK)
    changed = Rows(
        found.times, found.versions, found.answers,
        np.where(later, 1.0 - found.labels, found.labels), found.times,
    )  # fmt: skip
    windows = [Window(8 * WEEK, 9 * WEEK, 8 * WEEK, 8 * WEEK)]
    for metric in ("log_loss", "roc_auc_score"):
        one = estimation.measure(metric, "binary", found, 2)
        first, truth = estimation.walked("binary", found, [one], windows, np.array([[0.4]]))
        second, other = estimation.walked("binary", changed, [one], windows, np.array([[0.4]]))
        assert first.tolist() == second.tolist()
        assert truth[0, 0] != other[0, 0]
        third, _ = estimation.walked("binary", late, [one], windows, np.array([[0.4]]))
        assert math.isnan(third[0, 0, 1])  # the last week's labels were still to come


def test_every_version_is_recalibrated_by_its_own_labels() -> None:
    good, _ = rows(8000)
    bad, _ = rows(8000, bias=2.0)
    both = Rows(
        good.times, np.arange(8000) % 2,
        np.where((np.arange(8000) % 2)[:, None] == 1, bad.answers, good.answers),
        good.labels, good.times,
    )  # fmt: skip
    one = estimation.measure("log_loss", "binary", both, 2)
    windows = [Window(8 * WEEK, 9 * WEEK, 8 * WEEK, 8 * WEEK)]
    said, truth = estimation.walked("binary", both, [one], windows, np.array([[0.4, 0.6]]))
    assert said[0, 0, 0] == pytest.approx(0.5, abs=0.02)  # each by its share of the rows
    assert said[0, 0, 2] == pytest.approx(truth[0, 0], abs=0.05)
    assert abs(said[0, 0, 3] - truth[0, 0]) > 0.1


def test_without_rows_or_labels_there_is_nothing_and_no_error() -> None:
    found, _ = rows(150)
    one = estimation.measure("log_loss", "binary", found, 2)
    windows = [Window(50 * WEEK, 51 * WEEK, 50 * WEEK, 50 * WEEK), Window(0, 100, -900, 0)]
    said, truth = estimation.walked("binary", found, [one], windows, np.array([[np.nan]]))
    assert np.isnan(said[0, 0]).all()
    assert np.isnan(truth).all()
    assert np.isfinite(said[0, 1]).tolist() == [False, False, True, True]
    assert said[0, 1, 2] == said[0, 1, 3]  # not recalibrated
    bare = Rows(found.times, found.versions, found.answers, np.full(150, np.nan), found.known)
    one = estimation.measure("log_loss", "binary", bare, 2)
    assert math.isnan(estimation.realised(bare, one, slice(0, 150)))


def test_a_loss_model_follows_answers_to_where_they_are_worse() -> None:
    """Errors grow with the answer; the window has large answers only."""
    rng = np.random.default_rng(3)
    n = 6000
    times = np.arange(n)
    answers = np.where(times < 5000, rng.uniform(0, 10, n), rng.uniform(8, 10, n))[:, None]
    labels = answers[:, 0] + rng.normal(size=n) * answers[:, 0]
    found = Rows(times, np.zeros(n, np.intp), answers, labels, times)
    for metric in ("mean_absolute_error", "root_mean_squared_error"):
        one = estimation.measure(metric, "regression", found, 0)
        said, truth = estimation.walked(
            "regression", found, [one], [Window(5000, 6000, 5000, 5000)], np.array([[np.nan]])
        )
        _, persistence, modelled = said[0, 0]
        assert abs(modelled - truth[0, 0]) < 0.3 * abs(persistence - truth[0, 0])


def test_a_kpi_that_is_an_average_is_expected_like_any_mean() -> None:
    found, chances = rows(60_000)
    act = found.answers[:, 0] >= 0.25
    cost = Measure("cost", "mean", np.column_stack([act * 1.0, ~act * 3.0]))
    expected = estimation.expected(found, cost, slice(0, 60_000), chances)
    assert expected == pytest.approx(estimation.realised(found, cost, slice(0, 60_000)), abs=0.01)


def test_an_interval_ends_where_its_metric_ends() -> None:
    assert estimation.cut("roc_auc_score", -0.2, 1.3) == (0.0, 1.0)
    assert estimation.cut("log_loss", -0.2, 1.3) == (0.0, 1.3)
    assert estimation.cut("cost", -0.2, 1.3) == (-0.2, 1.3)
    assert estimation.cut("log_loss", None, None) == (None, None)


def test_what_is_too_large_for_a_float_is_no_number() -> None:
    n = 600
    labels = np.where(np.arange(n) % 3 == 0, 1e308, -1e308)
    times = np.arange(n)
    found = Rows(times, np.zeros(n, np.intp), np.zeros((n, 1)), labels, times)
    one = estimation.measure("root_mean_squared_error", "regression", found, 0)
    windows = [Window(200 + k * 10, 300 + k * 10, 200 + k * 10, 300 + k * 10) for k in range(20)]
    said, truth = estimation.walked("regression", found, [one], windows, np.array([[1.0]]))
    assert not np.isinf(said).any()
    assert np.isnan(truth).all()
