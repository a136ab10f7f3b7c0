"""The metrics equal scikit-learn's, and a metric that does not exist is None."""

import numpy as np
import pytest
from sklearn import metrics as sk

from engine.errors import InvalidError, UnknownError
from engine.stats import performance

SIZES = (2, 7, 500)


def binary(seed: int, n: int, ties: bool = False):
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    labels[:2] = [False, True]
    scores = rng.random(n)
    return labels, (np.round(scores, 1) if ties else scores)[:, None]


def multiclass(seed: int, n: int, k: int):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    labels[: min(k, n)] = np.arange(min(k, n))
    answers = rng.dirichlet(np.ones(k), n)
    return labels, answers


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("ties", [False, True])
def test_binary_metrics_equal_scikit_learn(n, ties):
    labels, answers = binary(n, n, ties)
    scores = answers[:, 0]
    expected = {
        "log_loss": sk.log_loss(labels, scores),
        "brier_score_loss": sk.brier_score_loss(labels, scores),
        "roc_auc_score": sk.roc_auc_score(labels, scores),
        "accuracy_score": sk.accuracy_score(labels, scores >= 0.3),
    }
    for name, wanted in expected.items():
        got = performance.value(name, "binary", labels, answers, 0.3)
        assert got == pytest.approx(wanted, rel=1e-12, abs=1e-12), name


def test_certain_and_wrong_is_clipped_as_scikit_learn_does():
    labels, answers = np.array([True, False, True]), np.array([[0.0], [1.0], [1.0]])
    wanted = sk.log_loss(labels, answers[:, 0])
    assert performance.value("log_loss", "binary", labels, answers) == pytest.approx(wanted, 1e-12)


@pytest.mark.parametrize("k", [2, 3, 8])
def test_multiclass_metrics_equal_scikit_learn(k):
    labels, answers = multiclass(k, 300, k)
    expected = {
        "log_loss": sk.log_loss(labels, answers),
        "brier_score_loss": sk.brier_score_loss(labels, answers, labels=list(range(k))),
        "accuracy_score": sk.accuracy_score(labels, answers.argmax(axis=1)),
    }
    for name, wanted in expected.items():
        got = performance.value(name, "multiclass", labels, answers)
        assert got == pytest.approx(wanted, rel=1e-12, abs=1e-12), name


def test_regression_metrics_equal_scikit_learn():
    rng = np.random.default_rng(0)
    labels, answers = rng.normal(size=200), rng.normal(size=(200, 1))
    for name in ("mean_absolute_error", "root_mean_squared_error"):
        wanted = getattr(sk, name)(labels, answers[:, 0])
        got = performance.value(name, "regression", labels, answers)
        assert got == pytest.approx(wanted, rel=1e-12), name


@pytest.mark.parametrize("metric", performance.METRICS.values(), ids=lambda m: m.name)
def test_the_mean_of_the_row_terms_is_the_metric(metric):
    for task in metric.tasks:
        if task == "multiclass":
            labels, answers = multiclass(1, 50, 3)
        else:
            labels, answers = binary(1, 50)
        labels = labels.astype(float) if task == "regression" else labels
        rows = performance.row_terms(metric.name, task, labels, answers)
        if metric.form == "ranks":
            assert rows is None
            continue
        got = performance.from_mean(metric.name, rows.mean())
        assert got == pytest.approx(performance.value(metric.name, task, labels, answers), 1e-14)
        losses = performance.losses(metric.name, task, labels, answers)
        assert (losses is not None) == (metric.form == "mean")


def test_auc_of_one_class_is_none_and_of_equal_scores_one_half():
    scores = np.array([0.1, 0.2, 0.3])
    assert performance.auc(np.ones(3), scores) is None
    assert performance.auc(np.zeros(3, dtype=bool), scores) is None
    assert performance.auc(np.array([0, 1, 1]), np.full(3, 0.5)) == 0.5
    assert performance.auc(np.array([0, 1]), np.array([-np.inf, np.inf])) == 1.0


@pytest.mark.parametrize("metric", performance.METRICS.values(), ids=lambda m: m.name)
def test_no_rows_and_nan_give_none(metric):
    task = metric.tasks[0]
    nothing = performance.value(metric.name, task, np.empty(0), np.empty((0, 1)))
    answer = performance.value(metric.name, task, np.array([0, 1]), np.array([[0.5], [np.nan]]))
    label = performance.value(metric.name, task, np.array([0, np.nan]), np.array([[0.5], [0.5]]))
    assert (nothing, answer, label) == (None, None, None)


def test_sums_too_large_for_a_float_give_none_and_no_warning():
    labels, answers = np.array([1e308, -1e308]), np.array([[-1e308], [1e308]])
    for name in ("mean_absolute_error", "root_mean_squared_error"):
        assert performance.value(name, "regression", labels, answers) is None
    same = np.array([np.inf, 1.0])
    assert performance.value("mean_absolute_error", "regression", same, same[:, None]) is None


def test_scorer_names_are_understood_and_unknown_ones_name_the_choice():
    assert performance.metric_named("roc_auc", "binary").name == "roc_auc_score"
    with pytest.raises(UnknownError, match=r'"logloss".*log_loss'):
        performance.metric_named("logloss")
    with pytest.raises(InvalidError, match=r"regression model.*mean_absolute_error"):
        performance.metric_named("log_loss", "regression")
    with pytest.raises(InvalidError, match="2 answers and 3 labels"):
        performance.value("log_loss", "binary", np.ones(3), np.ones((2, 1)))


def test_baselines_are_the_best_constants_of_their_metric():
    rates = performance.baseline_answers("prior", "binary", np.array([1, 0, 0, 0]), 2)
    np.testing.assert_array_equal(rates, [[0.25], [0.25]])
    classes = performance.baseline_answers("prior", "multiclass", np.array([2, 2, 0, 2]), 1, 4)
    np.testing.assert_array_equal(classes, [[0.25, 0.0, 0.75, 0.0]])
    amounts = np.array([1.0, 2.0, 9.0, np.nan])
    mean = performance.baseline_answers("prior", "regression", amounts, 1)
    median = performance.baseline_answers(
        "prior", "regression", amounts, 1, metric="mean_absolute_error"
    )
    assert (mean[0, 0], median[0, 0]) == (pytest.approx(4.0), 2.0)


def test_baselines_last_majority_never_and_always():
    answers = performance.baseline_answers
    labels = np.array([0, 1, 1, 0])
    assert answers("last", "binary", labels, 3).tolist() == [[0.0]] * 3
    assert answers("majority", "binary", np.array([0, 1, 1]), 1).tolist() == [[1.0]]
    assert answers("majority", "multiclass", np.array([2, 1, 2]), 1, 3).tolist() == [[0, 0, 1]]
    assert answers("last", "regression", np.array([1.0, 5.0]), 1).tolist() == [[5.0]]
    assert answers("never", "binary", labels, 1).tolist() == [[0.0]]
    assert answers("always", "binary", labels, 1).tolist() == [[1.0]]
    assert answers("prior", "binary", np.array([]), 3) is None
    assert answers("prior", "regression", np.array([1e308, 1e308]), 1)[0, 0] == 1e308
    with pytest.raises(UnknownError, match='"best"'):
        answers("best", "binary", labels, 1)
