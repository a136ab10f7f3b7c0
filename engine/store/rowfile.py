"""A person's file as rows that a contract takes: looked through once, then read a piece at a time.

A NaN is a null. What no row of JSON could carry or the contract would not take is named by its
line before any row is handed out.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from engine.errors import CdmlError
from engine.store import intake
from engine.store.confined import connect
from engine.store.files import ending, name_of, reader
from engine.store.tablefile import check, unreadable

# What a column of a file may be for what is wanted of it; a text is then read cell by cell.
_FITTING = {
    "DOUBLE": {"BIGINT", "DOUBLE", "VARCHAR"},
    "BOOLEAN": {"BOOLEAN", "VARCHAR"},
    "VARCHAR": {"VARCHAR"},
    "TIMESTAMP": {"TIMESTAMP", "VARCHAR"},
}
_WORDS = {
    "DOUBLE": "a finite number",
    "BOOLEAN": "true or false",
    "VARCHAR": "text",
    "TIMESTAMP": "a time like 2013-07-01T14:05:00Z",
}
_NO_TYPE = ('"NULL"', "JSON")  # nothing but nulls; values of several kinds


class RowFile:
    """A file open for reading; `columns` are the names found in it."""

    def __init__(self, path: Path, db: duckdb.DuckDBPyConnection, timezone: str) -> None:
        self.path = path
        self._db = db
        self._timezone = timezone
        self._found = self._described(reader(path))
        self.columns = list(self._found)

    def place(self, number: int) -> str:
        """Say where the n-th row stands, as a person finds it again."""
        is_csv = ending(self.path) in (".csv", ".tsv")
        return f"line {number + 1}" if is_csv else f"row {number}"

    def rows(
        self, wanted: Mapping[str, str], plain: list[str], size: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield at most `size` rows at a time: the wanted columns cast, then the plain ones as is.

        CdmlError for a column or a cell that is not what is wanted; nothing was yielded then.
        """
        source = reader(self.path, [n for n, kind in wanted.items() if kind == "VARCHAR"])
        found = self._described(source)
        self._look_through(source, wanted, found)
        picked = [_value(n, kind, self._timezone, found[n]) for n, kind in wanted.items()]
        picked += [name_of(name) for name in plain]
        self._run(f"select {', '.join(picked)} from {source}")
        while rows := self._fetch(size):
            yield rows

    def _described(self, source: str) -> dict[str, str]:
        return {r[0]: r[1] for r in self._run(f"describe from {source}").fetchall()}

    def _look_through(
        self, source: str, wanted: Mapping[str, str], found: Mapping[str, str]
    ) -> None:
        """Find the first cell that is not what is wanted of its column."""
        tests = {}
        for name, kind in wanted.items():
            if _kind(found[name]) not in _FITTING[kind]:
                raise self._wrong(name, f"the column is {found[name]}", _WORDS[kind])
            if (test := _wrong_cell(name, kind, found[name])) is not None:
                tests[name] = test
        if not tests:
            return
        n = "n" * (1 + max(map(len, found)))  # the name of no column
        cells = ", ".join(
            f"min({n}) filter ({test}), arg_min({cell}::varchar, {n}) filter ({test})"
            for cell, test in ((_text(name, found[name]), test) for name, test in tests.items())
        )
        numbered = f"select row_number() over () {n}, * from {source}"
        answer = self._run(f"select {cells} from ({numbered})").fetchall()[0]
        at = [(answer[2 * i], name, answer[2 * i + 1]) for i, name in enumerate(tests)]
        first = min((one for one in at if one[0] is not None), default=None)
        if first is not None:
            number, name, cell = first
            found_there = f'{self.place(number)} has "{str(cell)[:40]}"'
            raise self._wrong(name, found_there, _WORDS[wanted[name]])

    def _wrong(self, name: str, found: str, expected: str) -> CdmlError:
        return CdmlError(
            f'Reading column "{name[:80]}" of "{self.path.name}": {found}, {expected} is '
            "expected. Nothing was sent. Mend it and try again.",
            code="wrong_type",
            field=name[:80],
        )

    def _run(self, sql: str) -> duckdb.DuckDBPyConnection:
        try:
            return self._db.execute(sql)
        except duckdb.Error as error:
            raise unreadable(self.path, error) from None

    def _fetch(self, size: int) -> list[tuple[Any, ...]]:
        try:
            return self._db.fetchmany(size)
        except duckdb.Error as error:
            raise unreadable(self.path, error) from None


@contextmanager
def opened(path: Path, timezone: str) -> Iterator[RowFile]:
    """Open a file; UnknownError where there is none, InvalidError where it is no table."""
    check(path)
    with connect(memory_limit="512MB") as db:
        db.execute(f"set TimeZone = '{timezone}'")
        yield RowFile(path, db, timezone)


def _kind(found: str) -> str:
    return "VARCHAR" if found in _NO_TYPE else intake.plain(found)


def _text(name: str, found: str) -> str:
    """Return the SQL of a cell whose column has no type of its own."""
    return f"({name_of(name)} ->> '$')" if found == "JSON" else name_of(name)


def _wrong_cell(name: str, kind: str, found: str) -> str | None:
    """Return the SQL that is true for a cell that is not what is wanted; None where none can be."""
    cell = _text(name, found)
    if kind == "DOUBLE":
        return f"{cell} is not null and coalesce(isinf(try_cast({cell} as double)), true)"
    if _kind(found) == "VARCHAR" and kind != "VARCHAR":
        cast = "timestamptz" if kind == "TIMESTAMP" else kind
        return f"{cell} is not null and try_cast({cell} as {cast}) is null"
    return None


def _value(name: str, kind: str, timezone: str, found: str) -> str:
    """Return the SQL of a value as it is sent."""
    if kind == "TIMESTAMP":
        return intake.cast(name, kind, timezone, found)
    value = f"try_cast({_text(name, found)} as {kind})"
    return f"nullif({value}, 'nan')" if kind == "DOUBLE" else value
