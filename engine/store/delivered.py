"""A snapshot that has just arrived, read column by column to be judged; what was read is kept."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np

from engine.stats import days, telling
from engine.stats.days import ColumnDays, Delivered
from engine.store.confined import connect
from engine.store.connection import Store, naive
from engine.store.files import literal, name_of
from engine.store.snapshots import plain

_DAY = 86_400_000_000
_SAMPLED = 20_000
_NAMED = 5
_MEMORY = "512MB"
# A name that no column of a user's has.
_ROW = '"row \x01"'


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a model that have a meaning of their own, and the types of all."""

    types: dict[str, str]
    target: str
    time: str
    label_time: str | None
    id: str | None
    exclude: list[str] = field(default_factory=list)
    number: bool = False

    @property
    def plain(self) -> list[str]:
        """Return the columns that are told about: no time, no id."""
        special = (self.time, self.label_time, self.id)
        return [n for n, kind in self.types.items() if n not in special and kind != "TIMESTAMP"]


class Arrived:
    """A snapshot open for questions. Rows are in order of time."""

    def __init__(self, path: Path, of: Columns, db: duckdb.DuckDBPyConnection, rows: int) -> None:
        self.name = path.stem
        self._of = of
        self._db = db
        self._from = (
            f"read_parquet('{literal(path)}', hive_partitioning = false, file_row_number = true)"
        )
        self.n = rows
        # A short table is asked many times: it is read once.
        if rows <= _SAMPLED:
            db.execute(f"create temp table arrived as from {self._from}")
            self._from = "arrived"

    def _rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        return self._db.execute(sql, values or {}).fetchall()

    def _row(self, sql: str, values: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
        return self._rows(sql, values)[0]

    def column(self, names: Sequence[str]) -> dict[str, Any]:
        """Return columns as plain arrays: numbers, true and false as float64 with NaN, or text."""
        kinds = self._of.types
        picked = ", ".join(
            f"cast({name_of(n)} as {'varchar' if kinds[n] == 'VARCHAR' else 'double'}) {name_of(n)}"
            for n in names
        )
        order = "" if self._from == "arrived" else "order by file_row_number"
        found = self._db.execute(f"select {picked} from {self._from} {order}").fetchnumpy()
        return {n: plain(c) for n, c in found.items()}

    def days(self) -> tuple[list[int], Any]:
        """Return the days there are, since the epoch, and the place at which each begins."""
        rows = self._rows(
            f"select epoch_us({name_of(self._of.time)}) // {_DAY} d, count(*) "
            f"from {self._from} group by 1 order by 1"
        )
        counts = np.array([r[1] for r in rows], dtype=np.int64)
        return [int(r[0]) for r in rows], np.concatenate(([0], np.cumsum(counts)[:-1]))

    def categories(self, name: str, values: Any) -> dict[str, int]:
        """Count the commonest categories of a text column, whose values are at hand."""
        if self.n <= _SAMPLED:
            counts = Counter(v for v in values.tolist() if v is not None)
            ranked = sorted(counts.items(), key=lambda c: (-c[1], c[0]))
            return dict(ranked[: days.KEPT])
        quoted = name_of(name)
        rows = self._rows(
            f"select {quoted}, count(*) n from {self._from} where {quoted} is not null "
            f"group by 1 order by n desc, 1 limit {days.KEPT}"
        )
        return {str(r[0]): int(r[1]) for r in rows}

    def identical(self) -> int:
        """Count the rows that repeat another one in every column; an id of its own is no matter."""
        names = [n for n in self._of.types if n != self._of.id] or list(self._of.types)
        hashed = f"hash({', '.join(name_of(n) for n in names)})"
        return self.n - int(self._row(f"select count(distinct {hashed}) from {self._from}")[0])

    def repeated_ids(self) -> tuple[int, int]:
        """Count rows whose id stands in an earlier row, and ids that have different labels."""
        if self._of.id is None:
            return 0, 0
        key, target = name_of(self._of.id), name_of(self._of.target)
        found = self._row(
            f"select coalesce(sum(n - 1), 0), count(*) filter (labels > 1) from "
            f"(select count(*) n, count(distinct {target}) labels from {self._from} "
            f"where {key} is not null group by {key} having n > 1)"
        )
        return int(found[0]), int(found[1])

    def restated(self, earlier: Sequence[Path]) -> tuple[int, int]:
        """Count the ids that earlier batches labelled, and how many of them say otherwise now."""
        if self._of.id is None or not earlier:
            return 0, 0
        key, target = name_of(self._of.id), name_of(self._of.target)
        paths = ", ".join(f"'{literal(p)}'" for p in earlier)
        found = self._row(
            f"select count(*), count(*) filter (a.{target} <> b.{target}) from "
            f"(select {key}, {target} from {self._from}) a join (select {key}, {target} from "
            f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)) b "
            f"on a.{key} = b.{key} where a.{target} is not null and b.{target} is not null"
        )
        return int(found[0]), int(found[1])

    def later_than(self, moment: datetime) -> int:
        """Count the rows dated after a moment."""
        asked = f"select count(*) from {self._from} where {name_of(self._of.time)} > $moment"
        return int(self._row(asked, {"moment": naive(moment)})[0])

    def known_too_early(self) -> int:
        """Count the labels known before the row they are about."""
        if self._of.label_time is None:
            return 0
        early = f"{name_of(self._of.label_time)} < {name_of(self._of.time)}"
        return int(self._row(f"select count(*) from {self._from} where {early}")[0])

    def outside(self, name: str, low: float, high: float) -> tuple[int, float | None]:
        """Count the numbers outside of two bounds, and return the commonest of them."""
        quoted = name_of(name)
        rows = self._rows(
            f"select cast({quoted} as double) v, count(*) n from {self._from} where "
            f"(v < $low or v > $high) and not isnan(v) group by 1 order by n desc, 1",
            {"low": low, "high": high},
        )
        return sum(int(r[1]) for r in rows), rows[0][0] if rows else None

    def named(self, condition: str) -> list[str]:
        """Name the first rows for which SQL is true, by their id, else by their time."""
        key = name_of(self._of.id or self._of.time)
        rows = self._rows(
            f"select cast({key} as varchar) from {self._from} where {condition} limit {_NAMED}"
        )
        return [str(r[0]) for r in rows]

    def named_groups(self, key: str, condition: str) -> list[str]:
        """Name the first ids whose rows together make SQL true."""
        rows = self._rows(
            f"select cast({key} as varchar) from {self._from} where {key} is not null "
            f"group by {key} having {condition} order by 1 limit {_NAMED}"
        )
        return [str(r[0]) for r in rows]

    def labelled(self, names: Sequence[str]) -> dict[str, Any]:
        """Return rows that have a target, in order of time, as they are: all, or evenly drawn."""
        picked = ", ".join(name_of(n) for n in dict.fromkeys(names))
        every = max(1, self.n // _SAMPLED)
        found = self._db.execute(
            f"select {picked} from {self._from} where {name_of(self._of.target)} is not null "
            f"and hash(file_row_number) % {every} = 0 order by file_row_number"
        ).fetchnumpy()
        return {n: plain(c) for n, c in found.items()}


def filled(values: Any) -> Any:
    """Say of each value of a plain column whether it is there; infinities are not."""
    if values.dtype.kind == "f":
        return np.isfinite(values)
    return np.array([v is not None for v in values], dtype=bool)


@contextmanager
def opened(store: Store, path: Path, of: Columns, rows: int) -> Iterator[Arrived]:
    """Open a snapshot for questions: a short one in the store, a long one in its own memory."""
    if rows <= _SAMPLED and path.is_relative_to(store.batches):
        with store.read() as db:
            yield Arrived(path, of, db, rows)
            db.execute("drop table arrived")
        return
    with connect(memory_limit=_MEMORY) as db:
        yield Arrived(path, of, db, rows)


_TOGETHER = 8


def profile(arrived: Arrived, of: Columns, unordered: float) -> Delivered:
    """Sum a snapshot up by day."""
    every, starts = arrived.days()
    found: dict[str, ColumnDays] = {}
    left: dict[str, float] = {}
    rows = np.diff(np.append(starts, arrived.n))
    boolean = of.types[of.target] == "BOOLEAN"
    target = _codes(arrived.column([of.target])[of.target], number=of.number, boolean=boolean)
    labels = {} if of.number else _by_class(target, starts)
    there = np.flatnonzero(~np.isnan(target[1]))
    drawn = there[np.linspace(0, len(there) - 1, min(_SAMPLED, len(there))).astype(np.intp)]
    names = of.plain
    step = _TOGETHER if arrived.n > _SAMPLED else len(names)
    for at in range(0, len(names), step):
        for name, values in arrived.column(names[at : at + step]).items():
            if values.dtype.kind == "f":
                found[name] = days.numbers(values, starts)
            else:
                empty = ~filled(values)
                nulls = np.add.reduceat(empty.astype(np.int64), starts).tolist()
                found[name] = ColumnDays(nulls, values=arrived.categories(name, values))
            if name == of.target or name in of.exclude:
                continue
            told = _left(values[drawn], target[1][drawn], number=of.number)
            if told is not None:
                left[name] = told
    repeated = max(arrived.identical(), arrived.repeated_ids()[0]) / arrived.n
    return Delivered(every, rows.tolist(), found, labels, left, repeated, unordered)


def _left(values: Any, target: Any, *, number: bool) -> float | None:
    plainly = values
    if values.dtype.kind != "f":
        plainly = np.array(["" if v is None else str(v) for v in values], dtype=object)
    places = telling.places(plainly)
    return None if places is None else telling.unexplained(places, target, number=number)


def _codes(values: Any, *, number: bool, boolean: bool) -> tuple[list[str], Any]:
    """Return the classes, and each row's as a number; NaN for none. Of a number, itself."""
    if number:
        return [], values if values.dtype.kind == "f" else np.full(len(values), np.nan)
    there = filled(values)
    names = np.array([_class(v, boolean=boolean) for v in values[there]], dtype=object)
    classes, places = np.unique(names, return_inverse=True) if len(names) else (names, [])
    codes = np.full(len(values), np.nan)
    codes[there] = places
    return [str(c) for c in classes], codes


def _class(value: Any, *, boolean: bool) -> str:
    if boolean:
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _by_class(target: tuple[list[str], Any], starts: Any) -> dict[str, list[int]]:
    classes, codes = target
    return {
        name: np.add.reduceat((codes == at).astype(np.int64), starts).tolist()
        for at, name in enumerate(classes)
    }


def keep(store: Store, model: str, batch: str, found: Delivered) -> None:
    """Remember what a batch was summed up to; it can be made again from its snapshot."""
    text = msgspec.json.encode(found).decode()
    with store.write() as db:
        db.execute("delete from delivered where model = ? and batch = ?", [model, batch])
        db.execute("insert into delivered values (?, ?, ?)", [model, batch, text])


def kept(store: Store, model: str, batches: Sequence[str]) -> dict[str, Delivered]:
    """Return what batches of a model were summed up to, those that are remembered."""
    if not batches:
        return {}
    with store.read() as db:
        rows = db.execute(
            "select batch, profile from delivered where model = $model and "
            "batch in (select unnest($batches))",
            {"model": model, "batches": list(batches)},
        ).fetchall()
    return {r[0]: msgspec.json.decode(r[1], type=Delivered) for r in rows}
