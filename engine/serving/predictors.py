"""How a version's estimator is called: directly where that is shown to give the same answers.

scikit-learn's per-call checks cost more than the arithmetic of one row. What is not recognised,
or does not agree with the estimator on the rows it is tried on, is called as it is.
"""

import itertools
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from engine.artifacts import Loaded
from engine.serving import grove
from engine.serving.folding import fold

Matrix = NDArray[np.float64]
Predict = Callable[[Matrix], Matrix]

TOLERANCE = 1e-9


def predictor(loaded: Loaded, rows: Matrix) -> Predict:
    """Return the quickest way to a version's answers that agrees with the estimator on rows."""
    try:
        direct = _direct(loaded)
    except (AttributeError, TypeError, ValueError, KeyError, IndexError) as e:
        # Another scikit-learn, or a recipe's own class: nothing is lost but time.
        logging.getLogger("cdml.serving").info(
            "calling the estimator as it is: %s", type(e).__name__
        )
        direct = None
    if direct is None or not len(rows) or not _agree(direct, loaded.answers, rows):
        return _plain(loaded)
    return direct


def null_columns(loaded: Loaded, rows: Matrix) -> NDArray[np.bool_]:
    """Say of each column whether the estimator answers a row with a null there."""
    holed = _holed(rows[:1])
    if _answers_all(loaded, holed):
        return np.ones(len(holed), dtype=np.bool_)
    return np.array([_answers_all(loaded, row) for row in holed[:, np.newaxis]], dtype=np.bool_)


def _answers_all(loaded: Loaded, rows: Matrix) -> bool:
    try:
        return bool(np.isfinite(loaded.answers(rows)).all())
    except ValueError:  # what scikit-learn raises for a null that it does not take
        return False


def _plain(loaded: Loaded) -> Predict:
    def predict(matrix: Matrix) -> Matrix:
        answers: Matrix = loaded.answers(matrix)
        return answers

    return predict


def _agree(direct: Predict, plain: Callable[[Matrix], Any], rows: Matrix) -> bool:
    """Compare on the rows, alone, a few and all together, and with a null in each column."""
    for some in (rows, rows[:1], rows[: grove.FEW_ROWS], _holed(rows[:1])):
        try:
            wanted = plain(some)
        except ValueError:
            continue  # the estimator takes no null; then none gets this far
        found = direct(some)
        if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=0.0, atol=TOLERANCE):
            return False
    return True


def _holed(row: Matrix) -> Matrix:
    """Return a row once per column, with a null there."""
    holed = np.repeat(row, row.shape[1], axis=0)
    np.fill_diagonal(holed, np.nan)
    return holed


def _direct(loaded: Loaded) -> Predict | None:
    """Recognise an estimator; None where there is no shorter way to its answers."""
    from sklearn.calibration import CalibratedClassifierCV

    if type(loaded.estimator) is CalibratedClassifierCV and loaded.manifest.task == "binary":
        return _corrected(loaded)
    return _uncorrected(loaded)


def _corrected(loaded: Loaded) -> Predict | None:
    """Return the short way to the answers inside, put through the correction of a probability."""
    from sklearn.calibration import _SigmoidCalibration
    from sklearn.isotonic import IsotonicRegression

    (one,) = loaded.estimator.calibrated_classifiers_
    inside = one.estimator.estimator
    answers = _uncorrected(replace(loaded, estimator=inside))
    (curve,) = one.calibrators
    if answers is None or type(curve) not in (_SigmoidCalibration, IsotonicRegression):
        return None
    by_odds = hasattr(inside, "decision_function")

    def predict(matrix: Matrix) -> Matrix:
        scores = answers(matrix)[:, 0]
        seen = special.logit(scores) if by_odds else scores
        found: Matrix
        if type(curve) is _SigmoidCalibration:
            found = special.expit(-(curve.a_ * seen + curve.b_))
        else:
            found = np.interp(seen, curve.X_thresholds_, curve.y_thresholds_)
        return found.reshape(-1, 1)

    return predict


def _uncorrected(loaded: Loaded) -> Predict | None:
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )

    estimator, kind = loaded.estimator, type(loaded.estimator)
    if kind in (RandomForestClassifier, RandomForestRegressor):
        return _forest(estimator, loaded.manifest.task)
    if kind in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
        return _boosting(estimator, loaded.manifest.task)
    return fold(estimator, loaded.manifest.task)


def _forest(estimator: Any, task: str) -> Predict:
    """Sum the trees in scikit-learn's order: the same floats, without 100 input checks."""
    trees = [tree.tree_ for tree in estimator.estimators_]
    small = sum(tree.node_count for tree in trees) <= grove.MAX_NODES
    few = grove.forest(trees, estimator.n_features_in_) if small else None
    count = len(trees)

    def predict(matrix: Matrix) -> Matrix:
        rows = np.ascontiguousarray(matrix, dtype=np.float32)
        if few is not None and len(rows) <= grove.FEW_ROWS:
            total = few(rows)
        else:
            total = trees[0].predict(rows)
            for tree in itertools.islice(trees, 1, None):
                total += tree.predict(rows)
        total /= count
        answers: Matrix = total[:, 1:2] if task == "binary" else total
        return answers

    return predict


def _boosting(estimator: Any, task: str) -> Predict:
    """Add up the trees as `_raw_predict` does, with what it makes anew each time made once."""
    from sklearn.ensemble._hist_gradient_boosting._predictor import _predict_from_raw_data

    known, places = estimator._bin_mapper.make_known_categories_bitsets()  # noqa: SLF001
    prepare = _preparation(estimator)
    baseline = estimator._baseline_prediction.reshape(1, -1)  # noqa: SLF001
    loss = estimator._loss  # noqa: SLF001
    by_class = list(zip(*estimator._predictors, strict=True))  # noqa: SLF001
    few = [grove.boosting(ts, estimator.n_features_in_, known, places) for ts in by_class]

    def raw(rows: Matrix) -> Matrix:
        found = np.repeat(baseline, len(rows), axis=0)
        if len(rows) <= grove.FEW_ROWS:
            for k, total in enumerate(few):
                found[:, k] += total(rows)
            return found
        leaf = np.empty(len(rows))
        for k, trees in enumerate(by_class):
            column = found[:, k].copy()
            for tree in trees:
                _predict_from_raw_data(
                    tree.nodes, rows, tree.raw_left_cat_bitsets, known, places, 1, leaf
                )
                column += leaf
            found[:, k] = column
        return found

    def predict(matrix: Matrix) -> Matrix:
        found = raw(prepare(matrix))
        if task == "regression":
            answers: Matrix = loss.link.inverse(found)
            return answers
        answers = loss.predict_proba(found)
        return answers[:, 1:2] if task == "binary" else answers

    return predict


def _preparation(estimator: Any) -> Predict:
    """Return what turns our codes into the estimator's own: its ordinal encoder as tables."""
    if estimator._preprocessor is None:  # noqa: SLF001
        return np.ascontiguousarray
    categorical = np.flatnonzero(estimator.is_categorical_)
    order = np.concatenate([categorical, np.flatnonzero(~estimator.is_categorical_)])
    encoder = estimator._preprocessor.named_transformers_["encoder"]  # noqa: SLF001
    tables = [_ordinals(categories) for categories in encoder.categories_]

    def prepare(matrix: Matrix) -> Matrix:
        rows = np.ascontiguousarray(matrix[:, order])
        for at, table in enumerate(tables):
            codes = rows[:, at]
            codes[np.isnan(codes)] = -1.0
            rows[:, at] = table[np.minimum(codes.astype(np.intp), len(table) - 1)]
        return rows

    return prepare


def _ordinals(categories: Matrix) -> Matrix:
    """Return ordinal by code; the last place, also reached by -1, is NaN as for an unknown one."""
    codes = categories[~np.isnan(categories)].astype(np.intp)
    table = np.full(int(codes.max(initial=-1)) + 2, np.nan)
    table[codes] = np.arange(len(codes), dtype=np.float64)
    return table
