"""A user's CSV or Parquet files, read in place by DuckDB in memory. Measures; decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb

from engine.errors import InvalidError
from engine.store import dialect, times
from engine.store.confined import connect
from engine.store.files import is_parquet, name_of, reader

_SAMPLE_ROWS = 100_000
_BINS = 200
_ROWS_A_BIN = 10


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `distinct` counts values that are not null, `samples` are texts of the first.

    `reads_as_time` says that every value of a text or a number is one of the usual ways to write
    a time.
    """

    name: str
    sql_type: str
    nulls: int
    distinct: int
    low: str | None
    high: str | None
    samples: tuple[str, ...]
    reads_as_time: bool = False

    @property
    def kind(self) -> str:
        """Return number, boolean, text, time or other; a text that is a time is a time."""
        kind = kind_of(self.sql_type)
        return "time" if kind == "text" and self.reads_as_time else kind


class Tables:
    """Files that are one table; a context, to be closed. InvalidError where they are not."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._db = connect(threads=None)
        self._first = paths[0]
        try:
            self._db.execute("set TimeZone = 'UTC'")
            self._open([_readable(path) for path in paths])
            self.notes = [
                f"{path.name}: {note}"
                for path in paths
                if not is_parquet(path)
                for note in dialect.said(path)
            ]
            self.columns = self._describe()
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> "Tables":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    def span(self, time: str) -> tuple[float, float]:
        """Return the first and the last time of a column, in seconds since 1970."""
        moment = self._moment(time)
        row = self._row(f"select epoch(min({moment})), epoch(max({moment})) from data")
        return row[0], row[1]

    def delay(self, time: str, label_time: str) -> tuple[float, float]:
        """Return the share of label times not before their time, and the 98 % delay in seconds."""
        late = f"epoch({self._moment(label_time)}) - epoch({self._moment(time)})"
        row = self._row(
            f"select avg((d >= 0)::int), quantile_cont(d, 0.98) from (select {late} d "
            "from data) where d is not null"
        )
        return row[0] or 0.0, row[1] or 0.0

    def spread(self, target: str) -> float:
        """Return the mean distance of a numeric column from its median."""
        column = name_of(target)
        row = self._row(
            f"select avg(abs({column} - m)) from data, (select median({column}) m from data)"
        )
        return float(row[0] or 0.0)

    def values(self, column: str, limit: int) -> list[tuple[str, int]]:
        """Return the values of a column as text with their rows, the commonest first."""
        name = name_of(column)
        return self._rows(
            f"select {name}::varchar, count(*) from data where {name} is not null "
            f"group by 1 order by 2 desc, 1 limit {int(limit)}"
        )

    def numbers_in(self, column: str) -> tuple[float, tuple[str, ...]]:
        """Return the share of texts that are numbers, and the commonest of those that are not."""
        name = name_of(column)
        number = f"try_cast({name} as double) is not null"
        share = self._row(f"select avg(({number})::int) from data where {name} is not null")[0]
        others = self._rows(
            f"select {name} from data where {name} is not null and not {number} "
            "group by 1 order by count(*) desc, 1 limit 3"
        )
        return float(share or 0.0), tuple(str(text) for (text,) in others)

    def filled(self, column: str, known: str) -> float:
        """Return the share of rows with a value, of those where another column has one."""
        row = self._row(
            f"select avg(({name_of(column)} is not null)::int) from data "
            f"where {name_of(known)} is not null"
        )
        return float(row[0] or 0.0)

    def distinct_where(self, column: str, filled: str) -> int:
        """Return how many values a column has in the rows where another is not null."""
        row = self._row(
            f"select count(distinct {name_of(column)}) from data "
            f"where {name_of(filled)} is not null"
        )
        return int(row[0])

    def empty_together(self, column: str, other: str) -> float:
        """Return rows where both are null over rows where either is; 0 where neither ever is."""
        a, b = f"{name_of(column)} is null", f"{name_of(other)} is null"
        row = self._row(
            f"select count(*) filter ({a} and {b}), count(*) filter ({a} or {b}) from data"
        )
        return row[0] / row[1] if row[1] else 0.0

    def unexplained(self, column: Column, target: str, *, numeric: bool, number: bool) -> float:
        """Return the error left when the target is guessed from one column alone: 0 none, 1 all.

        The best guess per value (or per quantile of a number, 10 rows each and 200 at most) is
        learned on one half of at most 100,000 rows and scored on the other: misses over the misses
        of the commonest class, or, for a numeric target, the variance left by it or by a line.
        """
        name = name_of(column.name)
        bins = max(2, min(_BINS, (self.rows - column.nulls) // (2 * _ROWS_A_BIN)))
        key = name
        if numeric and column.distinct > bins:
            key = f"floor({bins} * percent_rank() over (order by {name}))"
        left = self._left(f"case when {name} is null then null else {key} end", target, number)
        if not (numeric and number):
            return left
        line = self._row(f"select corr({name}::double, {name_of(target)}::double) from data")[0]
        return min(left, 1.0 - line**2) if line is not None and line == line else left

    def unexplained_by_filling(self, column: str, target: str, *, number: bool) -> float:
        """Return the error left when the target is guessed from where a column is empty."""
        return self._left(f"{name_of(column)} is null", target, number)

    def _left(self, key: str, target: str, number: bool) -> float:  # noqa: FBT001
        guess = "avg(y)" if number else "mode(y)"
        miss = "(y - coalesce(guess, base)) ** 2" if number else "(coalesce(guess, base) <> y)::int"
        none = "(y - base) ** 2" if number else "(base <> y)::int"
        y, kind = name_of(target), "double" if number else "varchar"
        row = self._row(
            f"with rows as (select {key} k, {y}::{kind} y, row_number() over () % 2 half from "
            f"(select * from data where {y} is not null "
            f"using sample reservoir({_SAMPLE_ROWS} rows) repeatable (7))), "
            f"learned as (select k, {guess} guess from rows where half = 0 group by k), "
            f"whole as (select {guess} base from rows where half = 0) "
            f"select avg({miss}), avg({none}) from rows left join learned "
            "on rows.k is not distinct from learned.k, whole where half = 1"
        )
        return float(row[0]) / float(row[1]) if row[1] else 1.0

    def _open(self, paths: list[Path]) -> None:
        shapes = [(path, self._part(at, path)) for at, path in enumerate(paths)]
        first, known = shapes[0]
        for path, shape in shapes[1:]:
            missing, extra = known.keys() - shape.keys(), shape.keys() - known.keys()
            other = [
                n for n in known.keys() & shape.keys() if kind_of(known[n]) != kind_of(shape[n])
            ]
            found = [f"lacks {_listed(missing)}"] if missing else []
            found += [f"has {_listed(extra)} besides"] if extra else []
            found += [f"has another type in {_listed(other)}"] if other else []
            if found:
                raise InvalidError(
                    f'Reading "{path}" as more of "{first}": it {" and ".join(found)}. '
                    "Give files with the same columns, or only one of them.",
                    code="files_differ",
                    field="data",
                )
        parts = " union all by name ".join(f"select * from part{at}" for at in range(len(paths)))
        self._db.execute(f"create view data as {parts}")

    def _part(self, at: int, path: Path) -> dict[str, str]:
        """Open one file and return its columns' types. Parquet stays on disk, a text is read."""
        made = "view" if is_parquet(path) else "table"
        source = reader(path)
        try:
            self._db.execute(f"create {made} part{at} as from {source}")
            rows = self._db.execute(f"describe part{at}").fetchall()
        except duckdb.Error as e:
            raise _unreadable(path, e) from e
        shape = {str(name): str(kind) for name, kind, *_ in rows}
        for name in shape:
            if not name.isprintable() or not name.strip() or len(name) > 200:
                raise InvalidError(
                    f'Reading "{path}": the column name {name[:60]!r} is empty, too long or holds '
                    "control characters. Rename the column in the file.",
                    code="bad_column_name",
                    field="data",
                )
        return shape

    def _describe(self) -> tuple[Column, ...]:
        kinds = [(str(r[0]), str(r[1])) for r in self._db.execute("describe data").fetchall()]
        wanted = ", ".join(
            f"count({c}), count(distinct {c}), min({c})::varchar, max({c})::varchar"
            for c in (name_of(name) for name, _ in kinds)
        )
        self.rows, *measured = self._row(f"select count(*), {wanted} from data")
        if not self.rows:
            raise InvalidError(
                "Reading the data: there are column names but no rows. Give a file with rows.",
                code="no_rows",
                field="data",
            )
        shown = self._db.execute(
            f"select {', '.join(f'{name_of(n)}::varchar' for n, _ in kinds)} from data limit 20"
        ).fetchall()
        columns = []
        for at, (name, kind) in enumerate(kinds):
            filled, distinct, low, high = measured[4 * at : 4 * at + 4]
            samples = tuple(dict.fromkeys(r[at] for r in shown if r[at] is not None))[:3]
            columns.append(Column(name, kind, self.rows - filled, distinct, low, high, samples))
        return tuple(self._timed(column) for column in columns)

    def _timed(self, column: Column) -> Column:
        """Say of a column whether all of its texts or numbers are times; the first 20 decide no."""
        kind, name = kind_of(column.sql_type), name_of(column.name)
        readable = {"text": times.readable_text, "number": times.readable_number}.get(kind)
        if readable is None or not column.distinct:
            return column
        if kind == "number" and not times.plausible(column.low, column.high):
            return column
        for source in ("(from data limit 20)", "data"):
            said = self._row(
                f"select bool_and({readable(name)}) from {source} where {name} is not null"
            )[0]
            if said is False:
                return column
        return replace(column, reads_as_time=True)

    def _moment(self, column: str) -> str:
        kind = next(c.sql_type for c in self.columns if c.name == column)
        return times.moment(name_of(column), kind, "UTC")

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql).fetchall()
        except duckdb.Error as e:
            raise _unreadable(self._first, e) from e

    def _row(self, sql: str) -> tuple[Any, ...]:
        try:
            row = self._db.execute(sql).fetchone()
        except duckdb.Error as e:
            raise _unreadable(self._first, e) from e
        return row if row is not None else ()


def describe(paths: Sequence[Path]) -> tuple[Column, ...]:
    """Return the columns of files that are one table; InvalidError where they are not."""
    with Tables(paths) as tables:
        return tables.columns


def _readable(path: Path) -> Path:
    found = None
    try:
        if not path.exists():
            found = "there is no such file"
        elif not path.is_file():
            found = "it is no regular file"
        elif path.stat().st_size == 0:
            found = "it is empty"
        else:
            with path.open("rb") as handle:
                handle.read(1)
    except OSError as e:
        found = f"{e.strerror}"
    if found:
        raise InvalidError(
            f'Reading "{path}": {found}. Name a CSV or Parquet file that this user can read.',
            code="file_not_readable",
            field="data",
        )
    return path


def _unreadable(path: Path, fault: duckdb.Error) -> InvalidError:
    first = next((line.strip() for line in str(fault).splitlines() if line.strip()), "unreadable")
    return InvalidError(
        f'Reading "{path}": DuckDB says "{first[:200]}". '
        "Name a CSV file in UTF-8 with a header line, or a Parquet file.",
        code="file_not_readable",
        field="data",
    )


def kind_of(sql_type: str) -> str:
    """Return number, boolean, text, time or other."""
    name = sql_type.split("(", maxsplit=1)[0]
    if name == "BOOLEAN":
        return "boolean"
    if name in ("VARCHAR", "ENUM"):
        return "text"
    if name.startswith("TIMESTAMP") or name == "DATE":
        return "time"
    return "number" if name in _NUMBERS else "other"


def is_whole(sql_type: str) -> bool:
    """Say whether a type holds whole numbers only."""
    return "INT" in sql_type


_NUMBERS = {
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
}


def _listed(names: Any) -> str:
    return ", ".join(f'"{name}"' for name in sorted(names)[:5])
