"""A SELECT over rows, run by a DuckDB of its own: in memory, without files, network or settings."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.domain.schema import Kind
from engine.transform.columns import Array, Columns, RowError
from engine.transform.projection import Projection, bad, projection

if TYPE_CHECKING:
    import duckdb

MEMORY = "512MB"
_INTO = {Kind.NUMERIC: "double", Kind.BOOLEAN: "boolean", Kind.CATEGORICAL: "varchar"}
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_NUMBERS = {*_WHOLE, *(f"U{kind}" for kind in _WHOLE), "DECIMAL", "FLOAT", "DOUBLE", "BIGNUM"}


def checked(name: str, text: str, raw: Sequence[str] | None) -> Projection:
    """Check a SELECT as far as that goes without rows; InvalidError says what is wrong."""
    with _connected() as db:
        return projection(db, name, text, raw)


class Query:
    """A SELECT ready to be asked again and again; not by two threads at once.

    With `only`, no other columns are computed.
    """

    def __init__(
        self, name: str, text: str, kinds: Mapping[str, Kind], only: Sequence[str] | None
    ) -> None:
        self._db = _connected()
        found = projection(self._db, name, text, list(kinds))
        used = kinds if found.used is None or only is None else _used(kinds, found.used)
        # Looked up anew whenever it is asked: what it holds then is what is read.
        self._given: Columns = {
            column: np.empty(0, np.float64 if kind is Kind.NUMERIC else object)
            for column, kind in used.items()
        }
        self._db.register("given", self._given)
        table = ", ".join(f"cast({_name(c)} as {_INTO[k]}) as {_name(c)}" for c, k in used.items())
        # The newline ends a comment in the text's last line.
        rows = f"with rows as (select {table} from given)"
        self.kinds = self._kinds(name, f"{rows} {found.sql}")
        self._wanted = list(self.kinds) if only is None else list(only)
        made = ", ".join(f"cast({_name(c)} as {_INTO[self.kinds[c]]})" for c in self._wanted)
        self._sql = f"{rows} select {made or 'true'} from (\n{found.sql}\n)"

    def __call__(self, columns: Mapping[str, Array], size: int) -> Columns:
        """Return the columns of these rows; RowError where one of them cannot be computed."""
        import duckdb

        self._given.update({name: columns[name] for name in self._given})
        try:
            found = self._db.execute(self._sql).fetchnumpy()
        except duckdb.DataError as e:
            raise RowError(self._faulty(columns, size), _said(e)) from e
        return {n: _plain(c) for n, c in zip(self._wanted, found.values(), strict=False)}

    def _faulty(self, columns: Mapping[str, Array], size: int) -> int:
        """Return the first row that cannot be computed, by halves."""
        import duckdb

        low, high = 0, size
        while high - low > 1:
            middle = (low + high) // 2
            self._given.update({name: columns[name][low:middle] for name in self._given})
            try:
                self._db.execute(self._sql).fetchnumpy()
            except duckdb.DataError:
                high = middle
            else:
                low = middle
        return low

    def _kinds(self, name: str, asked: str) -> dict[str, Kind]:
        """Return the columns that a query makes; InvalidError for one of no use."""
        import duckdb

        try:
            answer = self._db.execute(asked)
            shown = answer.description or []
            answer.fetchall()  # no row is there yet; an answer that is left open bars the next
        except duckdb.Error as e:
            raise bad(name, f'DuckDB says "{_said(e)}". Mend it') from e
        found: dict[str, Kind] = {}
        for column, kind, *_ in shown:
            if column in found:
                raise bad(name, f'two of its columns are called "{column}". Name each with AS')
            found[column] = _kind(name, column, str(kind))
        return found


def _connected() -> "duckdb.DuckDBPyConnection":
    import duckdb

    db = duckdb.connect(config={"threads": 1, "memory_limit": MEMORY})
    # Texts are texts, however many of the first ones are null.
    db.execute("set pandas_analyze_sample = 0")
    db.execute("set temp_directory = ''")
    if db.execute("select 1 from duckdb_settings() where name = 'TimeZone'").fetchall():
        db.execute("set timezone = 'UTC'")
    db.execute("set autoinstall_known_extensions = false")
    db.execute("set autoload_known_extensions = false")
    db.execute("set enable_external_access = false")
    db.execute("set lock_configuration = true")
    return db


def _used(kinds: Mapping[str, Kind], named: frozenset[str]) -> dict[str, Kind]:
    """Return the columns that are named; one at least, which tells how many rows there are."""
    return {c: k for c, k in kinds.items() if c in named} or dict(list(kinds.items())[:1])


def _kind(name: str, column: str, kind: str) -> Kind:
    if kind == "BOOLEAN":
        return Kind.BOOLEAN
    if kind == "VARCHAR" or kind.startswith("ENUM"):
        return Kind.CATEGORICAL
    if kind.partition("(")[0] in _NUMBERS and not kind.endswith("]"):
        return Kind.NUMERIC
    raise bad(name, f'its column "{column}" is {kind[:60]}. Cast it to DOUBLE, BOOLEAN or VARCHAR')


def _plain(column: Any) -> Array:
    """Return a fetched column without a mask: NaN for missing numbers, None for the rest."""
    if column.dtype.kind == "f":
        found: Array = np.ma.filled(column.astype(np.float64), np.nan)
        return found
    objects: Array = np.ma.getdata(column).astype(object)
    objects[np.ma.getmaskarray(column)] = None
    return objects


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _said(e: Exception) -> str:
    return str(e).splitlines()[0][:200] if str(e) else type(e).__name__
