"""Columns on their way into a transformation and out of it, the same in training and serving.

Numbers are float64 with NaN for null; true and false, and texts, are objects with None for null.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.schema import Kind

Array = NDArray[Any]
Columns = dict[str, Array]


class ColumnError(Exception):
    """A column that came out is not of a form that a recipe can take; the text says how."""


class RowError(Exception):
    """A transformation cannot take one of its rows: which one, and what it says of it."""

    def __init__(self, at: int, said: str) -> None:
        super().__init__(said)
        self.at = at
        self.said = said


def taken(kinds: Mapping[str, Kind], columns: Mapping[str, Sequence[Any]]) -> Columns:
    """Return raw columns as a transformation gets them, each a new array."""
    return {name: _taken(kind, columns[name]) for name, kind in kinds.items()}


def _taken(kind: Kind, values: Sequence[Any]) -> Array:
    if kind is Kind.NUMERIC:
        if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
            return values.astype(np.float64)
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    made = np.empty(len(values), dtype=object)
    for at, value in enumerate(values):
        boolean = kind is Kind.BOOLEAN and value is not None
        made[at] = bool(value) if boolean else value
    return made


def given(name: str, values: Any, size: int, kind: Kind | None) -> tuple[Kind, Array]:
    """Return a column that came out, and its kind; ColumnError where it is of no use.

    `kind` is what it was in training, where that is known: a column of nulls alone shows none.
    """
    found = values if isinstance(values, np.ndarray) else _listed(name, values)
    if found.shape != (size,):
        raise ColumnError(
            f'column "{name}" has the shape {found.shape} for {size} rows. Return one value a row'
        )
    if found.dtype.kind in "iuf":
        seen, made = Kind.NUMERIC, found.astype(np.float64)
    elif found.dtype.kind == "b":
        seen, made = Kind.BOOLEAN, found.astype(object)
    elif found.dtype.kind in "OU":
        seen, made = _objects(name, found, kind)
    else:
        raise ColumnError(
            f'column "{name}" is {found.dtype}. Return numbers, true and false, or texts'
        )
    if kind is not None and seen is not kind:
        raise ColumnError(f'column "{name}" is {seen.value}, in training it was {kind.value}')
    if seen is Kind.NUMERIC:
        made[np.isnan(made)] = np.nan  # one NaN, so that equal columns have equal bytes
    return seen, made


def _listed(name: str, values: Any) -> Array:
    if not isinstance(values, list | tuple):
        raise ColumnError(
            f'column "{name}" is {type(values).__name__}. Return a NumPy array or a list a column'
        )
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def _objects(name: str, found: Array, kind: Kind | None) -> tuple[Kind, Array]:
    """Return a column of objects and what they are; all of them must be of one kind."""
    made = np.empty(len(found), dtype=object)
    made[:] = [None if v is None or v != v else v for v in found.tolist()]
    types = {type(v) for v in made.tolist() if v is not None}
    if not types:
        kind = kind or Kind.NUMERIC
        return kind, np.full(len(made), np.nan) if kind is Kind.NUMERIC else made
    if types == {str}:
        return Kind.CATEGORICAL, made
    if types == {bool}:
        return Kind.BOOLEAN, made
    if types <= {int, float}:
        return Kind.NUMERIC, np.array([np.nan if v is None else v for v in made], dtype=np.float64)
    names = ", ".join(sorted(t.__name__ for t in types))
    raise ColumnError(
        f'column "{name}" holds {names}. Return numbers, true and false, or texts, not a mixture'
    )


def values(column: Array) -> list[Any]:
    """Return a column as JSON can carry it, None for null."""
    found = column.tolist()
    return [None if v != v else v for v in found] if column.dtype.kind == "f" else found


def apart(one: Array, other: Array) -> list[int]:
    """Return the rows in which two columns differ, compared by their bytes; null is null."""
    if len(one) != len(other):
        return list(range(max(len(one), len(other))))
    if one.dtype.kind == other.dtype.kind == "f":
        differs = one.view(np.int64) != other.view(np.int64)
        return [int(at) for at in np.flatnonzero(differs)]
    pairs = zip(values(one), values(other), strict=True)
    return [at for at, (a, b) in enumerate(pairs) if type(a) is not type(b) or a != b]
