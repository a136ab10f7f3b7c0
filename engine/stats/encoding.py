"""Rows to the float matrix that every estimator takes; the same code in training and serving.

Numbers stay, booleans become 0 and 1, a category becomes its place in the contract. A null and an
unseen category become NaN.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.schema import Feature, Kind, Schema


def matrix(schema: Schema, columns: Mapping[str, Sequence[Any]]) -> NDArray[np.float64]:
    """Return rows x features, float64, from one sequence of values per feature."""
    size = len(columns[schema.features[0].name]) if schema.features else 0
    out = np.empty((size, len(schema.features)), dtype=np.float64)
    for place, feature in enumerate(schema.features):
        out[:, place] = _column(feature, columns[feature.name])
    return out


def rows_matrix(schema: Schema, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Return rows x features, float64, from one mapping per row."""
    return matrix(schema, {name: [row[name] for row in rows] for name in schema.names})


def _column(feature: Feature, values: Sequence[Any]) -> NDArray[np.float64]:
    if feature.kind is Kind.CATEGORICAL:
        places = {name: float(at) for at, name in enumerate(feature.categories)}
        return np.array([places.get(v, np.nan) for v in values], dtype=np.float64)
    if isinstance(values, np.ma.MaskedArray):
        return values.astype(np.float64).filled(np.nan)
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def categorical_places(schema: Schema) -> list[int]:
    """Return the columns of the matrix that hold category codes."""
    return [at for at, f in enumerate(schema.features) if f.kind is Kind.CATEGORICAL]
