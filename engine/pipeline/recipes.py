"""Recipes: a name to a fresh scikit-learn estimator. Runs in jobs only; imports scikit-learn late.

An estimator takes a float64 matrix in the contract's order: category codes, 0/1, numbers, NaN.
"""

import hashlib
import importlib
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import CdmlError, InvalidError
from engine.pipeline.training import Recipe

BOOSTING = "hist_gradient_boosting"


def estimator(recipe: Recipe, task: str, metric: str, categorical: Sequence[int], seed: int) -> Any:
    """Return an unfitted estimator; InvalidError where a recipe does not give one."""
    of = recipe.of
    if ":" in of:
        with _raised(recipe):
            made = _own(recipe)(
                task=task,
                metric=metric,
                categorical=list(categorical),
                seed=seed,
                **recipe.params,
            )
        if not (hasattr(made, "fit") and hasattr(made, "predict")):
            raise _bad(
                recipe,
                f"it returned {type(made).__name__}, which has no fit and predict. Return a "
                "scikit-learn estimator",
            )
        if task != "regression" and not hasattr(made, "predict_proba"):
            raise _bad(
                recipe,
                f"it returned {type(made).__name__}, which has no predict_proba. Return an "
                "estimator that answers probabilities",
            )
        return made
    if of == "linear":
        made = _linear(task, categorical)
    elif of == "random_forest":
        made = _forest(task, seed)
    else:
        made = _baseline(task, metric) if of == "baseline" else _boosting(task, metric, seed)
    return _set(recipe, made)


def fit(recipe: Recipe, made: Any, matrix: Any, labels: Any) -> Any:
    """Fit an estimator; what it raises becomes one sentence, and its trace goes to the log."""
    with _raised(recipe):
        made.fit(_filled(matrix) if recipe.of == BOOSTING else matrix, labels)
    return made


def _filled(matrix: Any) -> Any:
    """Give a column that has no value at all one: nothing splits on it, and boosting can bin it.

    A column that was approved yesterday has none in the rows that are old enough to train on.
    """
    void = np.isnan(matrix).all(axis=0)
    return np.where(void, 0.0, matrix) if len(matrix) and void.any() else matrix


def answers(recipe: Recipe, made: Any, task: str, matrix: Any) -> Any:
    """Return rows x classes of probabilities, or rows x 1 of values; InvalidError for others."""
    with _raised(recipe):
        found = made.predict(matrix) if task == "regression" else made.predict_proba(matrix)
        found = np.asarray(found, dtype=np.float64)
        found = found.reshape(-1, 1) if task == "regression" else found
    if found.ndim != 2 or len(found) != len(matrix) or not np.isfinite(found).all():
        raise _bad(
            recipe,
            f"to {len(matrix)} rows it answered numbers of shape {found.shape}, "
            f"{int((~np.isfinite(found)).sum())} of them not finite. Return an estimator that "
            "answers one finite number a row and class",
        )
    return found


def source(recipe: Recipe, root: Path) -> str | None:
    """Return the digest of the file that a recipe of the user's own stands in, where it is one."""
    module = recipe.of.partition(":")[0].replace(".", "/")
    for path in (root / f"{module}.py", root / module / "__init__.py"):
        if ":" in recipe.of and path.is_file():
            return hashlib.sha256(path.read_bytes()).hexdigest()
    return None


@contextmanager
def _raised(recipe: Recipe) -> Iterator[None]:
    try:
        yield
    except (CdmlError, MemoryError):
        raise
    except Exception as e:  # a recipe is foreign code: whatever it raises is about the recipe
        traceback.print_exc()
        said = " ".join(str(e).split())[:300]
        raise _bad(recipe, f"it raised {type(e).__name__}: {said}. Its log has the whole") from e


def _bad(recipe: Recipe, found: str) -> InvalidError:
    return InvalidError(
        f'Training with recipe "{recipe.name}": {found}. Nothing else was changed.',
        code="bad_recipe",
        field="recipe",
    )


def _own(recipe: Recipe) -> Callable[..., Any]:
    module, _, name = recipe.of.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as e:
        raise _bad(recipe, f"{e}. Put the module beside cdml.toml or install it") from e
    return found


def _set(recipe: Recipe, made: Any) -> Any:
    """Give an estimator, or the last step of a pipeline, its parameters."""
    last = made.steps[-1][1] if hasattr(made, "steps") else made
    try:
        last.set_params(**recipe.params)
    except (ValueError, TypeError) as e:
        raise _bad(recipe, f"{' '.join(str(e).split())[:300]}. Change its params") from e
    return made


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
