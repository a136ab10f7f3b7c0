"""Tables that people hand over as files, read column by column: CSV, Parquet, JSON lines.

Text formats are read once into a scratch database on disk, so memory stays flat. Nothing here
touches the metric store.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidError, UnknownError
from engine.store.confined import connect
from engine.store.files import is_parquet, name_of, reader

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
_TIMES = ("DATE", "TIME", "INTERVAL")
_MEMORY = "512MB"
_WIDE = 100
_SHORT = 200_000


class ColumnKind(StrEnum):
    """What a column of a file holds, by its type alone, however few values it has."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    TIME = "time"


class TableFile:
    """One file of rows; `kinds` names its columns in order. A NaN is a null."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        self.path = path
        self._connection = connection
        self._table = table
        described = self._rows(f"describe {table}")
        self.kinds = {str(name): _kind(str(kind)) for name, kind, *_ in described}
        self.rows = int(self._rows(f"select count(*) from {table}")[0][0])

    def nulls(self, column: str) -> int:
        """Count the rows without a value."""
        return self.rows - int(
            self._rows(f"select count({self._valued(column)}) from {self._table}")[0][0]
        )

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Return all values of a numeric column, without nulls, infinities among them."""
        value = self._valued(column)
        found = self._fetch(
            f"select cast({value} as double) v from {self._table} where {value} is not null"
        ).fetchnumpy()["v"]
        return np.ma.getdata(found).astype(np.float64, copy=False)

    def categories(self, column: str) -> dict[str, int]:
        """Count the rows of each category, as text, without nulls."""
        name = name_of(column)
        found = self._rows(
            f"select cast({name} as varchar), count(*) from {self._table} "
            f"where {name} is not null group by 1"
        )
        return {str(text): int(count) for text, count in found}

    def span(self, column: str) -> tuple[str | None, str | None]:
        """Return the first and last value of a time column as text; None without values."""
        name = name_of(column)
        low, high = self._rows(
            f"select cast(min({name}) as varchar), cast(max({name}) as varchar) from {self._table}"
        )[0]
        return low, high

    def _valued(self, column: str) -> str:
        """Return the SQL of a column in which NaN is null."""
        name = name_of(column)
        numeric = self.kinds[column] is ColumnKind.NUMERIC
        return f"(case when not isnan(cast({name} as double)) then {name} end)" if numeric else name

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._fetch(query).fetchall()

    def _fetch(self, query: str) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(query)
        except duckdb.Error as error:
            raise unreadable(self.path, error) from None


@contextlib.contextmanager
def opened(paths: list[Path]) -> Iterator[list[TableFile]]:
    """Open files for reading; all that was put on disk for it is gone afterwards.

    UnknownError where there is no such file, InvalidError where it cannot be read as a table.
    """
    for path in paths:
        check(path)
    with tempfile.TemporaryDirectory(prefix="cdml-") as folder:
        scratch = Path(folder)
        connection = connect(
            scratch / "scratch.duckdb",
            threads=None,
            memory_limit=_MEMORY,
            temp_directory=folder,
        )
        try:
            connection.execute("set TimeZone = 'UTC'")
            yield [_load(path, place, connection) for place, path in enumerate(paths)]
        finally:
            connection.close()


def _load(path: Path, place: int, connection: duckdb.DuckDBPyConnection) -> TableFile:
    table = f"file{place}"
    made = "view" if is_parquet(path) else "table"
    try:
        connection.execute(f"create {made} {table} as from {reader(path)}")
        found = TableFile(path, connection, table)
        if made == "view" and len(found.kinds) > _WIDE and found.rows <= _SHORT:
            # Opening a wide Parquet file for each question takes longer than answering it.
            connection.execute(f"create table short{place} as from {table}")
            found = TableFile(path, connection, f"short{place}")
    except duckdb.Error as error:
        raise unreadable(path, error) from None
    return found


def check(path: Path) -> None:
    """Refuse what is no file, is empty or has a name that says no known format."""
    if not path.is_file():
        found = "it is not a file" if path.exists() else "there is no such file"
        raise UnknownError(
            f'Reading "{path}": {found}. Give the path of a CSV, Parquet or JSON lines file.',
            code="no_such_file",
            field=str(path),
        )
    reader(path)
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise unreadable(path, error) from None
    if empty:
        raise unreadable(path, "it is empty")


def _kind(type_name: str) -> ColumnKind:
    if type_name.endswith("]"):
        return ColumnKind.CATEGORICAL
    if type_name.removeprefix("U").startswith(_NUMBERS):
        return ColumnKind.NUMERIC
    return ColumnKind.TIME if type_name.startswith(_TIMES) else ColumnKind.CATEGORICAL


def unreadable(path: Path, error: Exception | str) -> InvalidError:
    """Return the error of a file that is no table, with what was found."""
    found = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first = (
        found.strip().splitlines()[0].replace(str(path.absolute()), path.name)[:300].rstrip(". ")
    )
    return InvalidError(
        f'Reading "{path}" as a table: {first[:300].rstrip(". ")}. Check that the file is whole '
        "and of the format its name says.",
        code="unreadable_file",
        field=str(path),
    )
