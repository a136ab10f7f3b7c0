"""What is normal of a champion's answers and losses: the detectors that rows in order begin."""

from typing import Any

import msgspec
import numpy as np

from engine.stats import detector, performance
from engine.stats.detector import Detector

PART = "normal"
SCORES, LOSSES = "(scores)", "(losses)"
# Both together raise a false alarm at most at 5 % of champions, however long they lead.
ALPHA = 0.025
MOST_ROWS = 20_000


def of_holdout(
    metric: str, task: str, labels: Any, answers: Any, seed: int
) -> dict[str, dict[str, str]]:
    """Return the part to freeze: the detectors that hold-out rows in their order begin, as JSON."""
    values = {SCORES: scores(answers), LOSSES: losses(metric, task, labels, answers)}
    return {
        PART: {
            name: msgspec.json.encode(begun(name, found[-MOST_ROWS:], seed)).decode()
            for name, found in values.items()
        }
    }


def begun(name: str, values: Any, seed: int) -> Detector:
    """Return the detector of a stream for which these values are normal."""
    return detector.begun(values, alpha=ALPHA, worse=name == LOSSES, seed=seed)


def scores(answers: Any) -> Any:
    """Return one number an answer: the score, the value, or the likeliest class's probability."""
    return answers[:, 0] if answers.shape[1] == 1 else answers.max(axis=1)


def losses(metric: str, task: str, labels: Any, answers: Any) -> Any:
    """Return the loss of each row that can be measured, more is worse."""
    named = performance.metric_named(row_metric(metric, task))
    usable = np.isfinite(labels) & np.isfinite(answers).all(axis=1)
    found = performance.row_terms(named.name, task, labels[usable], answers[usable])
    sign = -1.0 if named.higher_is_better else 1.0
    return np.empty(0) if found is None else sign * found


def row_metric(metric: str, task: str) -> str:
    """Return the metric whose rows are watched: the model's, or its task's where that has none."""
    ranks = performance.metric_named(metric).form == "ranks"
    return performance.DEFAULTS[task] if ranks else metric
