"""The short ways to an estimator's answers give the estimator's answers, or are not taken."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from engine.artifacts import Loaded
from engine.domain.schema import Schema
from engine.pipeline import recipes
from engine.pipeline.training import Recipe
from engine.serving.folding import fold
from engine.serving.footprint import footprint
from engine.serving.predictors import Matrix, null_columns, predictor

FEATURES = 8
CODES = (2, 5)


def table(codes: tuple[int, ...], seed: int = 0) -> Matrix:
    """Rows of several scales, with codes and holes."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(600, FEATURES)) * rng.uniform(0.1, 1000.0, size=FEATURES)
    for at in codes:
        rows[:, at] = rng.integers(0, 9, size=len(rows))
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows


def outcome(rows: Matrix, task: str) -> Any:
    total = np.nan_to_num(rows[:, 0]) / np.nanstd(rows[:, 0]) + np.nan_to_num(rows[:, 2]) % 3
    if task == "regression":
        return total
    cuts = [0.5] if task == "binary" else [0.3, 0.6]
    return np.digitize(total, np.quantile(total, cuts)).astype(str)


def fitted(recipe: str, task: str, codes: tuple[int, ...], rows: Matrix) -> Loaded:
    metric = "mean_absolute_error" if task == "regression" else "log_loss"
    estimator = recipes.estimator(Recipe(recipe, recipe), task, metric, codes, 1).fit(
        rows, outcome(rows, task)
    )
    manifest: Any = SimpleNamespace(task=task)
    return Loaded(manifest, Schema(()), estimator)


@pytest.mark.parametrize("codes", [(), CODES])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("recipe", ["linear", "random_forest", "hist_gradient_boosting"])
def test_every_built_in_recipe_is_called_directly_and_answers_the_same(
    recipe: str, task: str, codes: tuple[int, ...]
) -> None:
    rows = table(codes)
    loaded = fitted(recipe, task, codes, rows)
    direct = predictor(loaded, rows[:20])
    assert "_plain" not in getattr(direct, "__qualname__", "")
    odd = table(codes, seed=7) * 3.0
    odd[:, list(codes)] = np.where(odd[:, list(codes)] > 15, 99.0, odd[:, list(codes)])
    for some in (rows, odd, rows[:1], odd[:7], odd[:16], odd[:17]):
        np.testing.assert_allclose(direct(some), loaded.answers(some), rtol=0, atol=1e-12)
    assert null_columns(loaded, rows[:20]).all()


def test_trees_added_up_directly_give_the_very_same_floats() -> None:
    rows = table(CODES)
    for recipe in ("random_forest", "hist_gradient_boosting"):
        loaded = fitted(recipe, "binary", CODES, rows)
        np.testing.assert_array_equal(predictor(loaded, rows[:20])(rows), loaded.answers(rows))


def test_what_is_not_recognised_or_not_equal_is_called_as_it_is() -> None:
    rows = table(())
    loaded = fitted("baseline", "binary", (), rows)
    assert "_plain" in predictor(loaded, rows[:5]).__qualname__
    forest = fitted("random_forest", "binary", (), rows)
    forest.estimator.predict_proba = lambda matrix: np.full((len(matrix), 2), 0.5)
    assert "_plain" in predictor(forest, rows[:5]).__qualname__
    assert "_plain" in predictor(fitted("linear", "binary", (), rows), rows[:0]).__qualname__


def test_steps_of_the_data_scientists_own_are_multiplied_out_too() -> None:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler

    rows = table(())
    target = outcome(rows, "binary")
    steps = [SimpleImputer(strategy="median"), MinMaxScaler(), StandardScaler(with_mean=False)]
    pipeline = make_pipeline(*steps, LogisticRegression()).fit(rows, target)
    direct = fold(pipeline, "binary")
    assert direct is not None
    np.testing.assert_allclose(direct(rows), pipeline.predict_proba(rows)[:, 1:], atol=1e-12)
    squares = make_pipeline(SimpleImputer(), PolynomialFeatures(), LogisticRegression(tol=1e3))
    assert fold(squares.fit(rows, target), "binary") is None
    whole = np.nan_to_num(rows)
    plain = LinearRegression().fit(whole, whole[:, 0])
    loaded = Loaded(SimpleNamespace(task="regression"), Schema(()), plain)  # type: ignore[arg-type]
    assert not null_columns(loaded, whole[:5]).any()
    np.testing.assert_allclose(
        predictor(loaded, whole[:5])(whole), loaded.answers(whole), rtol=0, atol=1e-8
    )


def test_the_memory_of_a_forest_includes_what_lies_outside_python() -> None:
    rows = table(())
    loaded = fitted("random_forest", "binary", (), rows)
    nodes = sum(tree.tree_.__getstate__()["nodes"].nbytes for tree in loaded.estimator.estimators_)
    assert nodes < footprint(loaded.estimator) < 3 * nodes
    assert footprint(np.zeros(1000)) == pytest.approx(8000, abs=200)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("recipe", ["linear", "random_forest", "hist_gradient_boosting"])
def test_corrected_probabilities_are_called_directly_too(recipe: str, method: str) -> None:
    rows = table(CODES)
    loaded = fitted(recipe, "binary", CODES, rows)
    corrected = CalibratedClassifierCV(FrozenEstimator(loaded.estimator), method=method)
    loaded = replace(loaded, estimator=corrected.fit(rows, outcome(rows, "binary")))
    direct = predictor(loaded, rows[:20])
    assert "_plain" not in getattr(direct, "__qualname__", "")
    for some in (rows, rows[:1], rows[:16]):
        assert np.allclose(direct(some), loaded.answers(some), rtol=0.0, atol=1e-9)
