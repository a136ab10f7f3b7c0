"""The proof that a transformation is the same in training and serving: row by row, byte by byte.

Made on probe rows and on rows with a null in every column, in the job; repeated at every load.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.domain.schema import Kind
from engine.errors import CorruptError, InvalidError
from engine.transform import columns as forms
from engine.transform.columns import Columns, RowError
from engine.transform.projection import bad
from engine.transform.sealed import Sealed
from engine.transform.transformation import Transformation

LONGEST_S = 0.1
"""The most that one row may take: longer, and no client would wait."""
SHOWN = 5


def probes(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows, one more with a null for each column, and one of nulls alone."""
    made = [{name: row[name] for name in names} for row in rows]
    holed = [{**made[at % len(made)], name: None} for at, name in enumerate(names)]
    return [*made, *holed, dict.fromkeys(names)]


def proven(transformation: Transformation, rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Return the columns of probe rows; InvalidError where a row's depend on other rows.

    Each row alone, and all in two other orders, must give the bytes that all together give.
    """
    kinds, whole = _columns(transformation, rows, None)
    taken = []
    alone = []
    for row in rows:
        began = time.perf_counter()
        alone.append(_columns(transformation, [row], kinds)[1])
        taken.append(time.perf_counter() - began)
    _same(transformation, whole, _joined(alone), "alone and among the others")
    size = len(rows)
    for order in (np.arange(size)[::-1], np.random.default_rng(size).permutation(size)):
        _, shuffled = _columns(transformation, [rows[at] for at in order], kinds)
        back = np.argsort(order)
        put_back = {name: column[back] for name, column in shuffled.items()}
        _same(transformation, whole, put_back, "in one order and in another")
    longest = float(np.median(taken))
    if longest > LONGEST_S:
        raise bad(
            transformation.source.name,
            f"it takes {longest * 1000:.0f} ms for one row, at most {LONGEST_S * 1000:.0f} ms are "
            "allowed: each prediction would wait so long. Make it quicker",
        )
    return whole


def check_among(transformation: Transformation, probed: Columns, trained: Columns) -> None:
    """Raise InvalidError where probe rows gave other columns among all rows of a training."""
    if list(trained) != list(probed):
        raise bad(
            transformation.source.name,
            f"on all rows it gives the columns {', '.join(trained)}, on a few "
            f"{', '.join(probed)}. Return the same ones each time",
        )
    alone = {name: probed[name][: len(column)] for name, column in trained.items()}
    _same(transformation, trained, alone, "alone and among the training rows")


def check_loaded(transformation: Transformation, sealed: Sealed) -> None:
    """Raise CorruptError unless a loaded version computes what training recorded."""
    names = [f.name for f in sealed.derived]
    try:
        _, found = _columns(transformation, sealed.probes, None)
    except InvalidError as e:
        raise CorruptError(e.message, code="transform_mismatch") from e
    kinds = {f.name: f.kind for f in sealed.derived}
    size = len(sealed.probes)
    recorded = {
        name: forms.given(name, column, size, kinds[name])[1]
        for name, column in zip(names, sealed.columns, strict=True)
    }
    differs = _differences(recorded, found)
    if differs:
        raise CorruptError(
            f'Loading the transformation "{sealed.source.name}": serving computes other columns '
            f"than training recorded, {differs}. What serves stays. It must compute the same in "
            "every process: use no hash(), time, environment or file in it, and train again.",
            code="transform_mismatch",
        )


def _columns(
    transformation: Transformation,
    rows: Sequence[Mapping[str, Any]],
    known: Mapping[str, Kind] | None,
) -> tuple[dict[str, Kind], Columns]:
    columns = {name: [row[name] for row in rows] for name in transformation.kinds}
    try:
        return transformation(columns, known)
    except RowError as e:
        raise bad(
            transformation.source.name,
            f'it cannot take the row {shown(rows[e.at])}: "{e.said}". A null may come in any '
            "column: give a value for it, or null",
        ) from e


def shown(row: Mapping[str, Any]) -> str:
    """Return a row in a line, shortened."""
    text = ", ".join(f"{name} {'null' if v is None else v}" for name, v in row.items())
    return text if len(text) <= 240 else f"{text[:240]}..."


def _joined(parts: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _same(transformation: Transformation, one: Columns, other: Columns, how: str) -> None:
    if differs := _differences(one, other):
        raise bad(
            transformation.source.name,
            f"a row does not give the same {how}: {differs}. Compute each row from itself alone, "
            "without mean, rank, sorting or counting over the others",
        )


def _differences(one: Columns, other: Columns) -> str:
    """Say which rows differ in which columns; empty where none does."""
    found = []
    for name, column in one.items():
        if rows := forms.apart(column, other[name]):
            more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
            found.append(f'column "{name}" of probe rows {_numbers(rows[:SHOWN])}{more}')
    return "; ".join(found)


def _numbers(rows: Sequence[int]) -> str:
    return ", ".join(str(at + 1) for at in rows)
