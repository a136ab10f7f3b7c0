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
# Up to so many rows a query is prepared once and reads its rows in place: planning it costs some
# twenty times what computing one row does.
SIZES = (1, 32, 1024)
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
        self._used = kinds if found.used is None or only is None else _used(kinds, found.used)
        # Looked up anew whenever it is asked: what it holds then is what is read.
        self._given = self._registered("given", 0)
        self._prepared: dict[int, Columns] = {}
        self._text = found.sql
        self.kinds = self._kinds(name, f"{self._rows('given')} {found.sql}")
        self._wanted = list(self.kinds) if only is None else list(only)

    def __call__(self, columns: Mapping[str, Array], size: int) -> Columns:
        """Return the columns of these rows; RowError where one of them cannot be computed."""
        import duckdb

        try:
            return self._asked(columns, size)
        except duckdb.DataError as e:
            raise RowError(self._faulty(columns, size), _said(e)) from e

    def _asked(self, columns: Mapping[str, Array], size: int) -> Columns:
        step = next((s for s in SIZES if 0 < size <= s), 0)
        if step:
            for name, buffer in self._ready(step).items():
                buffer[:size] = columns[name]
                buffer[size:] = columns[name][0]  # a row is its own: more of one change nothing
            found = self._db.execute(f"execute asked_{step}").fetchnumpy()
        else:
            self._given.update({name: columns[name] for name in self._given})
            found = self._db.execute(self._select("given")).fetchnumpy()
        made = zip(self._wanted, found.values(), strict=False)
        return {name: _plain(column)[:size] for name, column in made}

    def _ready(self, step: int) -> Columns:
        """Return the arrays that a prepared query reads in place; made on first use."""
        if step not in self._prepared:
            self._prepared[step] = self._registered(f"given_{step}", step)
            self._db.execute(f"prepare asked_{step} as {self._select(f'given_{step}')}")
        return self._prepared[step]

    def _registered(self, table: str, size: int) -> Columns:
        made: Columns = {
            column: np.full(size, np.nan) if kind is Kind.NUMERIC else np.empty(size, object)
            for column, kind in self._used.items()
        }
        self._db.register(table, made)
        return made

    def _rows(self, table: str) -> str:
        columns = [f"cast({_name(c)} as {_INTO[k]}) as {_name(c)}" for c, k in self._used.items()]
        return f"with rows as (select {', '.join(columns)} from {table})"

    def _select(self, table: str) -> str:
        made = ", ".join(f"cast({_name(c)} as {_INTO[self.kinds[c]]})" for c in self._wanted)
        # The newline ends a comment in the text's last line.
        return f"{self._rows(table)} select {made} from (\n{self._text}\n)"

    def _faulty(self, columns: Mapping[str, Array], size: int) -> int:
        """Return the first row that cannot be computed, by halves."""
        import duckdb

        low, high = 0, size
        while high - low > 1:
            middle = (low + high) // 2
            part = {name: column[low:middle] for name, column in columns.items()}
            try:
                self._asked(part, middle - low)
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
