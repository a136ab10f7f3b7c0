"""Probability calibration, inside a job: a correction of the answers where it helps out of time."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.pipeline.candidates import Tried, answers
from engine.pipeline.cohort import Rows
from engine.pipeline.training import TrainInputs
from engine.stats import comparison, encoding

LEAST = 200


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a candidate answers to its hold-out after correction; `wrapper` is None without one."""

    method: str | None
    answers: Any
    wrapper: Any = None

    def around(self, estimator: Any) -> Any:
        """Return an estimator that answers with the correction."""
        if self.wrapper is None:
            return estimator
        from copy import deepcopy

        from sklearn.frozen import FrozenEstimator

        made = deepcopy(self.wrapper)
        made.estimator = FrozenEstimator(estimator)
        made.calibrated_classifiers_[0].estimator = made.estimator
        return made


def corrected(inputs: TrainInputs, tried: Tried, held: Rows, classes: int) -> Corrected:
    """Return the correction that surely helps on the later half of the hold-out, or none.

    The answers of each half are corrected by what the other half shows, so none has seen itself.
    """
    plain = Corrected(None, tried.answers)
    half = len(held.labels) // 2
    if inputs.task == "regression" or not inputs.calibration or half < LEAST:
        return plain
    schema, estimator = tried.fitted
    matrix, labels = encoding.matrix(schema, held.table), held.labels.astype(int)
    parts = [slice(None, half), slice(half, None)]
    if any(len(np.unique(labels[part])) < classes for part in parts):
        return plain
    blocks = np.floor(held.days[half:]).astype(int)
    best, best_gain = plain, 0.0
    for method in inputs.calibration:
        made = [_fitted(estimator, method, matrix[p], labels[p]) for p in parts]
        recipe = tried.candidate.recipe
        later = answers(inputs, made[0], matrix[half:], recipe)
        gain = comparison.paired(
            inputs.metric, inputs.task, held.labels[half:], tried.answers[half:], later, blocks,
            np.random.default_rng([inputs.seed, 8]),
        )  # fmt: skip
        if gain.value is None or gain.low is None or gain.low <= 0 or gain.value <= best_gain:
            continue
        earlier = answers(inputs, made[1], matrix[:half], recipe)
        whole = _fitted(estimator, method, matrix, labels)
        best, best_gain = Corrected(method, np.vstack([earlier, later]), whole), gain.value
    return best


def _fitted(estimator: Any, method: str, matrix: Any, labels: Any) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    return CalibratedClassifierCV(FrozenEstimator(estimator), method=method).fit(matrix, labels)
