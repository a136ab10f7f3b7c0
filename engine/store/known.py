"""Which ids have a label already, by hash: what is not among them is new, and nothing is searched.

An index of DuckDB would hold every id in memory, ten times as much, and never let go of any.
"""

from typing import Any

import duckdb
import numpy as np

from engine.store.matches import among

FRESH = 100_000


class Known:
    """Hashes of all ids with a label, 8 bytes each; one too many costs a search, none lacks."""

    def __init__(self) -> None:
        self._sorted: Any = None
        self._fresh: set[int] = set()

    def forget(self) -> None:
        """Read the table anew at the next question."""
        self._sorted, self._fresh = None, set()

    def taken_in(self, db: duckdb.DuckDBPyConnection, table: str) -> Any:
        """Return which rows of a registered block may have a label, and know all of them now."""
        if self._sorted is None:
            self._sorted = np.sort(_hashes(db, "labels"))
        keys = _hashes(db, table)
        found, numbers = among(self._sorted, keys), keys.tolist()
        found |= np.array([number in self._fresh for number in numbers], dtype=bool)
        self._fresh.update(numbers)
        if len(self._fresh) > FRESH:
            fresh = np.fromiter(self._fresh, dtype=np.uint64)
            self._sorted, self._fresh = np.union1d(self._sorted, fresh), set()
        return found


def _hashes(db: duckdb.DuckDBPyConnection, table: str) -> Any:
    found = db.execute(f"select hash(model, id) as key from {table}").fetchnumpy()["key"]
    return np.ma.getdata(found).astype(np.uint64)
