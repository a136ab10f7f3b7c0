"""What a client asked to have predicted: by rows (/v1) or by columns (/v2), read by a contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.domain.contract import Contract
from engine.errors import InvalidError
from engine.wire import PredictRow, Scalar

Columns = dict[str, list[Scalar]]
Places = Sequence[int]


class Asked(Protocol):
    """Rows to predict. `ids` and `times` have an entry each, None where the client sent none."""

    ids: list[str | None]
    times: list[str | None]

    def value(self, at: int, feature: str) -> Scalar:
        """Return one feature of one row, None where there is none such."""

    def columns(self, contract: Contract, places: Places) -> Columns:
        """Return some rows as columns; InvalidError for a missing or unknown feature."""


class AskedRows:
    """Rows as the /v1 dialect sends them, each with its own features."""

    def __init__(self, rows: Sequence[PredictRow]) -> None:
        self._rows = rows
        self.ids = [row.id for row in rows]
        self.times = [row.ts for row in rows]

    def value(self, at: int, feature: str) -> Scalar:
        """Return one feature of one row, None where there is none such."""
        return self._rows[at].features.get(feature)

    def columns(self, contract: Contract, places: Places) -> Columns:
        """Return some rows as columns; InvalidError for a missing or unknown feature."""
        rows = [self._rows[at].features for at in places]
        width = len(contract.names)
        for at, row in zip(places, rows, strict=True):
            if len(row) != width:
                contract.check_names(row, at)
        try:
            return {name: [row[name] for row in rows] for name in contract.names}
        except KeyError:
            for at, row in zip(places, rows, strict=True):
                contract.check_names(row, at)
            raise


class AskedColumns:
    """Rows as the Open Inference Protocol sends them: equally long columns."""

    def __init__(self, columns: Columns, ids: list[str | None]) -> None:
        self._columns = columns
        self.ids = ids
        self.times: list[str | None] = [None] * len(ids)

    def value(self, at: int, feature: str) -> Scalar:
        """Return one feature of one row, None where there is none such."""
        return self._columns[feature][at] if feature in self._columns else None

    def columns(self, contract: Contract, places: Places) -> Columns:
        """Return some rows as columns; InvalidError for a missing or unknown feature."""
        contract.check_names(self._columns)
        if len(places) == len(self.ids):
            return self._columns
        return {name: [column[at] for at in places] for name, column in self._columns.items()}


@dataclass(frozen=True, slots=True)
class Read:
    """Rows read by a contract: which they are, as they came, as the estimator takes them.

    `flags` has what is unusual, by position in `places`; most rows are not in it.
    """

    places: Places
    columns: Columns
    matrix: NDArray[np.float64]
    flags: dict[int, list[str]]


def read(asked: Asked, contract: Contract, places: Places, *, flag_nulls: bool) -> Read:
    """Read rows by a contract; InvalidError names the first feature that is wrong."""
    columns = asked.columns(contract, places)
    checked = contract.read(columns, flag_nulls=flag_nulls, places=places)
    if len(places) == 1:
        matrix = np.array([[column[0] for column in checked.columns]], dtype=np.float64)
    else:
        matrix = np.array(checked.columns, dtype=np.float64).T
    return Read(places, columns, matrix, checked.flags)


def read_fitting(asked: Asked, contract: Contract, places: Places, *, flag_nulls: bool) -> Read:
    """Read those of the rows that a contract accepts."""
    try:
        return read(asked, contract, places, flag_nulls=flag_nulls)
    except InvalidError:
        fit = [at for at in places if _fits(asked, contract, at, flag_nulls=flag_nulls)]
        return read(asked, contract, fit, flag_nulls=flag_nulls) if fit else _NOTHING


def _fits(asked: Asked, contract: Contract, at: int, *, flag_nulls: bool) -> bool:
    try:
        read(asked, contract, [at], flag_nulls=flag_nulls)
    except InvalidError:
        return False
    return True


_NOTHING = Read((), {}, np.empty((0, 0)), {})
