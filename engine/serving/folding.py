"""A linear pipeline as one sum: what its steps do to each column, multiplied out once.

Every column that the steps make depends on one column of ours, as a line or as a table of codes;
so the whole pipeline is a dot product, a table look-up a category, and what a null adds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Column:
    """What a made column holds: slope * x + shift, or a number per code; `null` where x is null."""

    source: int
    slope: float = 1.0
    shift: float = 0.0
    null: float = float("nan")
    codes: tuple[float, ...] | None = None  # where it is 1; 0 elsewhere

    def scaled(self, mean: float, scale: float) -> "Column":
        """Return the column less a mean, over a scale."""
        return replace(
            self,
            slope=self.slope / scale,
            shift=(self.shift - mean) / scale,
            null=(self.null - mean) / scale,
        )


def fold(estimator: Any, task: str) -> Callable[[Matrix], Matrix] | None:
    """Return a linear pipeline's answers as one function; None where it is no such pipeline."""
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
    from sklearn.pipeline import Pipeline

    steps = [s for _, s in estimator.steps] if type(estimator) is Pipeline else [estimator]
    last = steps[-1]
    if type(last) not in (LogisticRegression, Ridge, LinearRegression):
        return None
    columns: list[Column] | None = [Column(at) for at in range(estimator.n_features_in_)]
    for step in steps[:-1]:
        columns = _through(step, columns) if columns is not None else None
    if columns is None:
        return None
    return _answers(_sum(columns, last, estimator.n_features_in_), task)


def _through(step: Any, columns: Sequence[Column]) -> list[Column] | None:
    """Return the columns after a step; None where the step is none of those known here."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

    match step:
        case "passthrough":
            return list(columns)
        case Pipeline():
            found: list[Column] | None = list(columns)
            for _, inner in step.steps:
                found = _through(inner, found) if found is not None else None
            return found
        case ColumnTransformer():
            return _side_by_side(step, columns)
        case SimpleImputer():
            return _imputed(step, columns)
        case OneHotEncoder():
            return _one_hot(step, columns)
        case StandardScaler():
            means = step.mean_ if step.with_mean else np.zeros(len(columns))
            scales = step.scale_ if step.with_std else np.ones(len(columns))
            return _scaled(columns, means, scales)
        case MinMaxScaler(clip=False):
            return _scaled(columns, -step.min_ / step.scale_, 1.0 / step.scale_)
    return None


def _scaled(columns: Sequence[Column], means: Matrix, scales: Matrix) -> list[Column] | None:
    if any(c.codes is not None for c in columns):
        return None
    made = zip(columns, means, scales, strict=True)
    return [c.scaled(float(mean), float(scale)) for c, mean, scale in made]


def _side_by_side(step: Any, columns: Sequence[Column]) -> list[Column] | None:
    if step.transformer_weights:
        return None
    made: list[Column] = []
    for _, inner, chosen in step.transformers_:
        places = _places(chosen, len(columns))
        if not places or (isinstance(inner, str) and inner == "drop"):
            continue
        found = _through(inner, [columns[at] for at in places])
        if found is None:
            return None
        made += found
    return made


def _places(chosen: Any, size: int) -> list[int]:
    places: list[int] = np.arange(size)[chosen].tolist()
    return places


def _imputed(step: Any, columns: Sequence[Column]) -> list[Column] | None:
    if not np.isnan(step.missing_values) or any(c.codes is not None for c in columns):
        return None
    statistics = np.asarray(step.statistics_, dtype=np.float64)
    if np.isnan(statistics).any():
        return None  # a column without a value is dropped
    made = [
        replace(c, null=float(value)) if np.isnan(c.null) else c
        for c, value in zip(columns, statistics, strict=True)
    ]
    if step.add_indicator:
        shown = step.indicator_.features_
        made += [Column(columns[at].source, slope=0.0, null=1.0) for at in shown]
    return made


def _one_hot(step: Any, columns: Sequence[Column]) -> list[Column] | None:
    plain = all(c.slope == 1.0 and c.shift == 0.0 and c.codes is None for c in columns)
    usual = step.drop is None and step.handle_unknown == "ignore" and not step._infrequent_enabled  # noqa: SLF001
    if not (plain and usual):
        return None
    return [
        Column(column.source, 0.0, 0.0, float(_same(column.null, code)), (float(code),))
        for column, codes in zip(columns, step.categories_, strict=True)
        for code in codes
    ]


def _same(a: float, b: float) -> bool:
    return a == b or (np.isnan(a) and np.isnan(b))


@dataclass(frozen=True, slots=True)
class Sum:
    """The whole pipeline before its link: constants k, lines f x k, nulls f x k, tables by code."""

    constant: Matrix
    lines: Matrix
    nulls: Matrix
    tables: list[tuple[int, Matrix]]

    def __call__(self, matrix: Matrix) -> Matrix:
        """Return rows x k."""
        null = np.isnan(matrix)
        if null.any():
            known = np.where(null, 0.0, matrix)
            total = known @ self.lines + self.constant + null @ self.nulls
        else:
            known = matrix
            total = known @ self.lines + self.constant
        for at, table in self.tables:
            codes = np.minimum(known[:, at], len(table) - 1).astype(np.intp)
            codes[null[:, at]] = len(table) - 1
            total += table[codes]
        found: Matrix = total
        return found


def _sum(columns: Sequence[Column], last: Any, size: int) -> Sum:
    weights = np.atleast_2d(np.asarray(last.coef_, dtype=np.float64)).T
    k = weights.shape[1]
    constant = np.array(np.broadcast_to(np.ravel(last.intercept_), (k,)), dtype=np.float64)
    lines, nulls = np.zeros((size, k)), np.zeros((size, k))
    coded: dict[int, dict[int, Matrix]] = {}
    for column, weight in zip(columns, weights, strict=True):
        at = column.source
        nulls[at] += (column.null - column.shift) * weight
        lines[at] += column.slope * weight
        constant += column.shift * weight
        for code in column.codes or ():
            places = coded.setdefault(at, {})
            places[int(code)] = places.get(int(code), np.zeros(k)) + weight
    # Where a null is not imputed the estimator refuses it, and so does the version's contract.
    nulls = np.nan_to_num(nulls)
    return Sum(constant, lines, nulls, [(at, _table(codes, k)) for at, codes in coded.items()])


def _table(codes: dict[int, Matrix], k: int) -> Matrix:
    """Return code x k; the last line is of codes unknown to the encoder and adds nothing."""
    table = np.zeros((max(codes) + 2, k))
    for code, weight in codes.items():
        if code >= 0:
            table[code] = weight
    return table


def _answers(total: Sum, task: str) -> Callable[[Matrix], Matrix]:
    from scipy.special import expit, softmax

    if task == "regression":
        return total
    if task == "binary":
        return lambda matrix: expit(total(matrix))
    return lambda matrix: softmax(total(matrix), axis=1)
