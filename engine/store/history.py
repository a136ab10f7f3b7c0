"""A model's whole history as one table in order of time, and the spans that a replay needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from engine.clock import parse_time
from engine.errors import InvalidError
from engine.store.confined import connect
from engine.store.connection import Store, naive, zoned
from engine.store.files import literal, name_of, text
from engine.store.snapshots import Table, plain

# The place of a row in the history, by which one without an id is named.
PLACE = '"place of row"'


@dataclass(frozen=True, slots=True)
class Span:
    """How far a history reaches: its first and last row, and how many there are."""

    first: datetime
    last: datetime
    rows: int


@dataclass(frozen=True, slots=True)
class History:
    """A written history. Without a `label_time` an outcome is known `delay` after its row."""

    path: Path
    target: str
    time: str
    label_time: str | None
    id: str | None
    delay: timedelta

    @property
    def known(self) -> str:
        """Return when a row's outcome was known, as SQL; null where it never was."""
        if self.label_time:
            return name_of(self.label_time)
        return f"({name_of(self.time)} + interval {int(self.delay.total_seconds())} second)"

    @property
    def name(self) -> str:
        """Return what names a row, as SQL."""
        place = f"'row ' || {PLACE}"
        return f"coalesce(cast({name_of(self.id)} as varchar), {place})" if self.id else place


def write(table: Table, into: Path) -> None:
    """Write the rows of a table, an id once as the newest file has it, in order of time.

    Rows without a time cannot be replayed and are left out, as are tainted ones.
    """
    time = name_of(table.time)
    files = ", ".join(f"'{literal(Path(p))}'" for p in table.paths)
    names = ", ".join(f"'{text(Path(p))}'" for p in table.paths)
    newest = ""
    if table.id:
        newest = (
            f"qualify {name_of(table.id)} is null or row_number() over (partition by "
            f'{name_of(table.id)} order by list_position([{names}], "file\x01") desc, '
            f"{time} desc) = 1"
        )
    outside = "".join(
        f" and not ({time} >= '{naive(parse_time(a))}' and {time} < '{naive(parse_time(b))}')"
        for a, b in table.without
    )
    key = f", {name_of(table.id)}" if table.id else ""
    read = f"read_parquet([{files}], filename = 'file\x01', union_by_name = true)"
    body = (
        f"select *, row_number() over (order by {time}{key}) as {PLACE} from "
        f'(select * exclude ("file\x01") from (select * from {read} {newest}) '
        f"where {time} is not null{outside}) order by {time}{key}"
    )
    part = into.with_name(f".{into.name}.part")
    with connect() as db:
        db.execute(f"copy ({body}) to '{text(part)}' (format parquet, compression zstd)")
    part.rename(into)


def span(past: History) -> Span:
    """Return how far a history reaches; InvalidError where it has no rows."""
    time = name_of(past.time)
    found = _query(f"select min({time}), max({time}), count(*) from {_from(past)}")[0]
    if not found[2]:
        raise InvalidError(
            "Reading the history of the model: it has no rows that are trusted. Deliver some, or "
            "name files with --data.",
            code="no_data",
        )
    first, last = zoned(found[0]), zoned(found[1])
    assert first is not None
    assert last is not None
    return Span(first, last, int(found[2]))


def rows(past: History, columns: Sequence[str], since: datetime, until: datetime) -> dict[str, Any]:
    """Return the rows with since <= time < until, in order: `id`, `time`, `label`, `known`, these.

    Columns of the table come under their own names behind a prefix `f:`.
    """
    picked = "".join(f", {name_of(c)} as {name_of('f:' + c)}" for c in columns)
    with connect() as db:
        found = db.execute(
            f"select {past.name} as id, {name_of(past.time)} as time, "
            f"{name_of(past.target)} as label, {past.known} as known{picked} from {_from(past)} "
            f"where {name_of(past.time)} >= ? and {name_of(past.time)} < ? order by {PLACE}",
            [naive(since), naive(until)],
        ).fetchnumpy()
    return {name: plain(column) for name, column in found.items()}


def outcomes(
    past: History, asked: tuple[datetime, datetime], since: datetime, until: datetime
) -> list[tuple[str, datetime, Any]]:
    """Return id, moment and value of the outcomes that became known in (since, until].

    Only of rows with a time in [asked), the ones that are replayed.
    """
    return _query(
        f"select {past.name}, {past.known} as moment, {name_of(past.target)} from {_from(past)} "
        f"where {past.known} > ? and {past.known} <= ? and {name_of(past.target)} is not null "
        f"and {name_of(past.time)} >= ? and {name_of(past.time)} < ? order by moment, {PLACE}",
        [naive(moment) for moment in (since, until, *asked)],
    )


def deliver(past: History, into: Path, since: datetime, until: datetime) -> int:
    """Write the rows that became complete in (since, until]; return how many.

    A row is complete when its outcome is known; one whose outcome never is, when it happened.
    """
    moment = f"coalesce({past.known}, {name_of(past.time)})"
    body = (
        f"select * exclude ({PLACE}) from {_from(past)} where {moment} > '{naive(since)}' "
        f"and {moment} <= '{naive(until)}' order by {PLACE}"
    )
    part = into.with_name(f".{into.name}")
    with connect() as db:
        row = db.execute(f"copy ({body}) to '{text(part)}' (format parquet)").fetchone()
    if row is None or not row[0]:
        part.unlink()
        return 0
    part.rename(into)
    return int(row[0])


@dataclass(frozen=True, slots=True)
class Served:
    """Every answer of a replay with its label, in order of time; the label None without one."""

    ids: Any
    times: Any
    versions: Any
    answers: list[list[float]]
    labels: list[str | None]


def served(store: Store, model: str) -> Served:
    """Return every answered row of a model, each once."""
    with store.read(60.0) as db:
        found = db.execute(
            "select p.id, p.ts, p.version, p.answer, l.value from predictions p left join labels l "
            "on l.model = p.model and l.id = p.id where p.model = ? order by p.ts, p.prediction_id",
            [model],
        ).fetchnumpy()
    return Served(
        plain(found["id"]),
        found["ts"],
        plain(found["version"]),
        [list(a) for a in found["answer"]],
        list(plain(found["value"])),
    )


def _from(past: History) -> str:
    return f"read_parquet('{literal(past.path)}')"


def _query(sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connect() as db:
        return db.execute(sql, list(values)).fetchall()
