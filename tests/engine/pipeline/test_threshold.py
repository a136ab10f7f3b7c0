"""The threshold follows from the probabilities, and from the labels where those contradict."""

import numpy as np

from engine.pipeline import threshold
from engine.pipeline.cohort import Rows
from engine.pipeline.training import Kpi, TrainInputs
from engine.store.snapshots import Table

COST = "avg(case when decision and not label then 1 when not decision and label then 3 else 0 end)"
TOTAL = "sum(case when decision <> label then 1 else 0 end)"


def inputs(sql: str | None) -> TrainInputs:
    kpi = Kpi("cost", sql, "minimize", "") if sql else None
    return TrainInputs(
        "late", "r1", "binary", "linear", "log_loss", ["all"], 1, 1,
        Table([], "late", "t", None, None), {}, "", "", None, 14.0, [], kpi, "", "",
    )  # fmt: skip


def held(scores: object, length: float = 14.0) -> Rows:
    rng = np.random.default_rng(1)
    n = 2000
    labels = (rng.random(n) < np.asarray(scores)).astype(float)
    days = np.linspace(100.0, 100.0 + length, n, endpoint=False)
    return Rows({"t": np.zeros(n, "datetime64[us]")}, labels, days)


SCORES = np.random.default_rng(0).beta(2, 5, 2000)


def test_without_a_kpi_it_is_one_half() -> None:
    assert threshold.chosen(inputs(None), held(SCORES), SCORES[:, None]) == (0.5, None)


def test_an_average_of_rows_is_decided_by_the_probabilities_and_told_by_the_labels() -> None:
    rows = held(SCORES)
    cut, kpi = threshold.chosen(inputs(COST), rows, SCORES[:, None])
    assert cut == 0.25
    act = cut <= SCORES
    assert kpi == np.mean(np.where(act, rows.labels == 0, 3 * rows.labels))


def test_labels_that_surely_contradict_the_probabilities_decide() -> None:
    cut, _ = threshold.chosen(inputs(COST), held(SCORES), SCORES[:, None] / 4)
    assert cut < 0.15


def test_the_labels_of_a_week_are_too_few_days_to_contradict_anything() -> None:
    cut, _ = threshold.chosen(inputs(COST), held(SCORES, 7.0), SCORES[:, None] / 4)
    assert cut > 0.15


def test_a_kpi_that_is_no_average_is_fitted_to_the_labels() -> None:
    cut, _ = threshold.chosen(inputs(TOTAL), held(SCORES), SCORES[:, None])
    assert 0.4 < cut < 0.7
