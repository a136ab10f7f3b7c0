"""Recipes: a name to a fresh scikit-learn estimator. Runs in jobs only; imports scikit-learn late.

An estimator takes a float64 matrix in the contract's order: category codes, 0/1, numbers, NaN.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from engine.errors import InvalidError

BUILT_IN = ("hist_gradient_boosting", "random_forest", "linear", "baseline")


def estimator(recipe: str, task: str, metric: str, categorical: Sequence[int], seed: int) -> Any:
    """Return an unfitted estimator; InvalidError where a recipe does not give one."""
    if ":" in recipe:
        made = _own(recipe)(task=task, metric=metric, categorical=list(categorical), seed=seed)
        if not (hasattr(made, "fit") and hasattr(made, "predict")):
            raise InvalidError(
                f'Training with recipe "{recipe}": it returned {type(made).__name__}, which has '
                "no fit and predict. Return a scikit-learn estimator.",
                code="bad_recipe",
                field="recipe",
            )
        return made
    if recipe == "linear":
        return _linear(task, categorical)
    if recipe == "random_forest":
        return _forest(task, seed)
    return _baseline(task, metric) if recipe == "baseline" else _boosting(task, metric, seed)


def _own(recipe: str) -> Callable[..., Any]:
    module, _, name = recipe.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as e:
        raise InvalidError(
            f'Training with recipe "{recipe}": {e}. Put the module beside cdml.toml or install it.',
            code="bad_recipe",
            field="recipe",
        ) from e
    return found


def _boosting(task: str, metric: str, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    shape = {
        "max_iter": 100,
        "learning_rate": 0.06,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 50,
        "l2_regularization": 1.0,
        "max_features": 0.5,
        "early_stopping": False,
        "random_state": seed,
    }
    if task == "regression":
        loss = "absolute_error" if metric == "mean_absolute_error" else "squared_error"
        return HistGradientBoostingRegressor(loss=loss, **shape)
    return HistGradientBoostingClassifier(**shape)


def _forest(task: str, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestRegressor if task == "regression" else RandomForestClassifier
    return kind(n_estimators=100, min_samples_leaf=5, random_state=seed, n_jobs=1)


def _linear(task: str, categorical: Sequence[int]) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    codes = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1.0), OneHotEncoder(handle_unknown="ignore")
    )
    numbers = make_pipeline(
        SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    columns = ColumnTransformer([("codes", codes, list(categorical))], remainder=numbers)
    last = Ridge() if task == "regression" else LogisticRegression(max_iter=1000)
    return make_pipeline(columns, last)


def _baseline(task: str, metric: str) -> Any:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if task == "regression":
        return DummyRegressor(strategy="median" if metric == "mean_absolute_error" else "mean")
    return DummyClassifier(strategy="prior")
