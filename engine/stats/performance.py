"""How well answers fit labels: scikit-learn's metrics in plain numpy, and the trivial baselines.

Labels are one array: binary 0/1 or bool, multiclass class numbers, regression floats. Answers have
a row each: [score], class probabilities, or [value]. A number that does not exist is None.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidError, UnknownError

Floats = NDArray[np.float64]
Labels = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)
_CLASSES = ("binary", "multiclass")


@dataclass(frozen=True, slots=True)
class Metric:
    """What is known of a metric before any number: its tasks, direction and how it adds up.

    `form` is "mean" (a mean of rows), "root" (the root of a mean of rows) or "ranks".
    """

    name: str
    tasks: tuple[str, ...]
    higher_is_better: bool
    form: str


METRICS = {
    m.name: m
    for m in (
        Metric("log_loss", _CLASSES, False, "mean"),
        Metric("brier_score_loss", _CLASSES, False, "mean"),
        Metric("roc_auc_score", ("binary",), True, "ranks"),
        Metric("accuracy_score", _CLASSES, True, "mean"),
        Metric("mean_absolute_error", ("regression",), False, "mean"),
        Metric("root_mean_squared_error", ("regression",), False, "root"),
    )
}
DEFAULTS = {"binary": "log_loss", "multiclass": "log_loss", "regression": "mean_absolute_error"}
_SCORERS = {
    "brier_score": "brier_score_loss",
    "roc_auc": "roc_auc_score",
    "accuracy": "accuracy_score",
}


def metric_named(name: str, task: str | None = None) -> Metric:
    """Return a metric by its name in sklearn.metrics, or a scorer's name without "neg_".

    UnknownError where there is no such metric; InvalidError where it does not fit the task.
    """
    metric = METRICS.get(_SCORERS.get(name, name))
    if metric is None:
        raise UnknownError(
            f'Looking up metric "{name}": it is not one of those built in. '
            f"Write one of: {', '.join(METRICS)}.",
            code="unknown_metric",
            field="metric",
        )
    if task is not None and task not in metric.tasks:
        fitting = ", ".join(m.name for m in METRICS.values() if task in m.tasks)
        raise InvalidError(
            f'Looking up metric "{name}" for a {task} model: it measures '
            f"{' and '.join(metric.tasks)} models. Write one of: {fitting}.",
            code="metric_does_not_fit",
            field="metric",
        )
    return metric


def shown(metric: str, task: str) -> list[str]:
    """Return the metric that decides, and the one that people also ask for."""
    beside = {"binary": "roc_auc_score", "multiclass": "accuracy_score"}
    return list(dict.fromkeys([metric, beside.get(task, "root_mean_squared_error")]))


def value(
    metric: str, task: str, labels: Labels, answers: Floats, threshold: float = 0.5
) -> float | None:
    """Return a metric over all rows, in its natural sign, equal to scikit-learn's.

    Source: the definitions of sklearn.metrics 1.9. Range: log loss and Brier from 0, accuracy and
    AUC in [0, 1], errors from 0 in the label's unit. `threshold` is used by binary accuracy only: a
    score at or above it decides true. No rows, a NaN among labels or answers, a sum too large for a
    float, and for AUC only one class: None. One row and all equal: the plain formula (AUC of equal
    scores is 0.5).
    """
    known = metric_named(metric, task)
    if known.form == "ranks":
        return auc(labels, answers[:, 0])
    rows = row_terms(metric, task, labels, answers, threshold)
    if rows is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(float(from_mean(metric, np.mean(rows))))


def losses(
    metric: str, task: str, labels: Labels, answers: Floats, threshold: float = 0.5
) -> Floats | None:
    """Return one number a row whose plain mean is the metric, in its natural sign and range.

    None for a metric that is no mean of rows (AUC, root mean squared error), for no rows and for a
    NaN among labels or answers. Accuracy gives 1 where the decision was right, else 0.
    """
    if metric_named(metric, task).form != "mean":
        return None
    return row_terms(metric, task, labels, answers, threshold)


def row_terms(
    metric: str, task: str, labels: Labels, answers: Floats, threshold: float = 0.5
) -> Floats | None:
    """Return one number a row such that `from_mean` of their mean is the metric.

    As `losses`, and squared errors for the root mean squared error; None for AUC.
    """
    known = metric_named(metric, task)
    _same_rows(labels, answers)
    if known.form == "ranks" or not _usable(labels, answers):
        return None
    rows: Floats
    with np.errstate(over="ignore", invalid="ignore"):
        match known.name:
            case "log_loss":
                rows = -np.log(np.clip(_of_class(task, labels, answers), _EPS, 1.0 - _EPS))
            case "brier_score_loss":
                rows = _brier(task, labels, answers)
            case "accuracy_score":
                rows = (decisions(task, answers, threshold) == labels).astype(np.float64)
            case "mean_absolute_error":
                rows = np.abs(labels - answers[:, 0])
            case _:
                rows = np.square(labels - answers[:, 0])
    return rows


def from_mean(metric: str, mean: Any) -> Any:
    """Turn the mean of `row_terms` (a number or an array of them) into the metric."""
    return np.sqrt(mean) if metric_named(metric).form == "root" else mean


def decisions(task: str, answers: Floats, threshold: float = 0.5) -> NDArray[np.int64]:
    """Return the class each row is decided for: score >= threshold, or the likeliest class.

    Ties between classes go to the first, as argmax does.
    """
    binary = task == "binary"
    chosen = answers[:, 0] >= threshold if binary else np.argmax(answers, axis=1)
    return chosen.astype(np.int64)


def auc(labels: Labels, scores: Floats) -> float | None:
    """Return the area under the ROC curve: P(score of a true row > of a false one), ties one half.

    Source: Mann-Whitney U over midranks (Hanley & McNeil 1982), equal to roc_auc_score. In [0, 1].
    None for no rows, one row, one class, or a NaN; 0.5 where all scores are equal. Infinite scores
    take part: only the order counts.
    """
    _same_rows(labels, scores)
    if len(labels) == 0 or np.isnan(scores).any() or _has_nan(labels):
        return None
    true = labels.astype(bool)
    positives = int(true.sum())
    negatives = len(true) - positives
    if positives == 0 or negatives == 0:
        return None
    below, equal = ranks(np.sort(scores[~true]), scores[true])
    return float(below.sum() + 0.5 * equal.sum()) / (positives * negatives)


def ranks(ordered: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return for each value how many of `ordered` lie below it and how many equal it."""
    below = np.searchsorted(ordered, values, side="left")
    upto = np.searchsorted(ordered, values, side="right")
    return below.astype(np.float64), (upto - below).astype(np.float64)


def baseline_answers(
    kind: str, task: str, train_labels: Labels, n: int, k: int = 1, metric: str = ""
) -> Floats | None:
    """Return the answers of a trivial model for n rows, from training labels in time order.

    "prior" answers the class rates, for regression the mean, or the median where the metric is the
    mean absolute error (each the best constant for its metric); "majority" the commonest class as
    certain, for regression the median; "last" the last label; "never" and "always" are scores 0 and
    1. `k` is the number of classes. NaN labels are left out; with none left: None.
    """
    if kind in ("never", "always"):
        return np.full((n, 1), float(kind == "always"))
    known = np.asarray(train_labels, dtype=np.float64)
    known = known[~np.isnan(known)]
    if len(known) == 0:
        return None
    row = _constant(kind, task, known, k, metric)
    return np.tile(row, (n, 1))


def _constant(kind: str, task: str, known: Floats, k: int, metric: str) -> Floats:
    if kind not in ("prior", "majority", "last"):
        raise UnknownError(
            f'Answering with baseline "{kind}": there is no such one. '
            'Write "prior", "majority", "last", "never" or "always".',
            code="unknown_baseline",
        )
    if task == "regression":
        if kind == "last":
            return known[-1:]
        middle = kind == "majority" or metric == "mean_absolute_error"
        return np.array([np.median(known) if middle else _mean(known)])
    counts = np.bincount(known.astype(np.int64), minlength=2 if task == "binary" else k)
    shares: Floats = counts / counts.sum()
    if kind != "prior":
        chosen = int(known[-1]) if kind == "last" else int(np.argmax(counts))
        shares = np.eye(len(counts))[chosen]
    return shares[1:2] if task == "binary" else shares


def _mean(values: Floats) -> float:
    """Return the mean, scaled first so that values near 1e308 do not overflow."""
    scale = float(np.max(np.abs(values))) or 1.0
    return float(np.mean(values / scale)) * scale


def _of_class(task: str, labels: Labels, answers: Floats) -> Floats:
    """Return the probability that each answer gave to the true class."""
    if task == "binary":
        score = answers[:, 0]
        return np.where(labels.astype(bool), score, 1.0 - score)
    chosen: Floats = answers[np.arange(len(labels)), labels.astype(np.int64)]
    return chosen


def _brier(task: str, labels: Labels, answers: Floats) -> Floats:
    if task == "binary":
        return np.square(answers[:, 0] - labels.astype(np.float64))
    hot = np.zeros_like(answers)
    hot[np.arange(len(labels)), labels.astype(np.int64)] = 1.0
    squares: Floats = np.sum(np.square(hot - answers), axis=1)
    return 0.5 * squares if answers.shape[1] < 3 else squares


def _usable(labels: Labels, answers: Floats) -> bool:
    return len(labels) > 0 and not _has_nan(labels) and not bool(np.isnan(answers).any())


def _has_nan(values: NDArray[Any]) -> bool:
    return values.dtype.kind == "f" and bool(np.isnan(values).any())


def _same_rows(labels: Labels, answers: Floats) -> None:
    if len(labels) != len(answers):
        raise InvalidError(
            f"Measuring answers against labels: {len(answers)} answers and {len(labels)} labels. "
            "Join them row by row first.",
            code="length_mismatch",
        )


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
