"""Outcomes as numbers: a class's place, or the value itself; the same for files and labels."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TRUE = {"true": "1", "1": "true"}
_FALSE = {"false": "0", "0": "false"}


def class_name(value: Any) -> str:
    """Return the name of a class: true, false, a whole number without a point, or its text."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def classes_of(task: str, values: Iterable[Any]) -> list[str]:
    """Return the classes in order (for binary the positive one last); none for regression."""
    if task == "regression":
        return []
    return sorted({class_name(v) for v in values})


def codes(task: str, classes: Sequence[str], values: Iterable[Any]) -> NDArray[np.float64]:
    """Return one number per outcome: a class's place or the value; NaN where it fits nothing.

    true and 1, false and 0 name the same class where a table and a client write them differently.
    """
    if task == "regression":
        return np.array([_number(v) for v in values], dtype=np.float64)
    places = {name: float(at) for at, name in enumerate(classes)}
    for alias in (_TRUE, _FALSE):
        for name, other in alias.items():
            if name in places:
                places.setdefault(other, places[name])
    return np.array([places.get(class_name(v), np.nan) for v in values], dtype=np.float64)


def _number(value: Any) -> float:
    if isinstance(value, bool | str) or value is None:
        return float("nan")
    return float(value)


def texts(labels: Iterable[str]) -> list[Any]:
    """Return labels as values from the JSON texts that the store keeps."""
    return [json.loads(text) for text in labels]
