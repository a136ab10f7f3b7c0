"""Reading accepted batches as NumPy columns, in a job: a job never opens the store itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from engine.clock import parse_time
from engine.store.confined import connect
from engine.store.connection import naive, zoned
from engine.store.files import name_of

# A name that no column of a user's has: a delivered one would make DuckDB refuse to read.
_FILE_TEXT = "'file of this row \x01'"
_FILE = _FILE_TEXT.replace("'", '"')


class Table(msgspec.Struct, frozen=True):
    """Which Parquet files make a model's table, oldest batch first, and its special columns.

    Rows with from <= time < to of an interval in `without` are left out.
    """

    paths: list[str]
    target: str
    time: str
    label_time: str | None
    id: str | None
    without: list[tuple[str, str]] = []


def rows(
    table: Table,
    columns: Sequence[str],
    *,
    since: datetime | None,
    until: datetime,
    known_by: datetime,
) -> dict[str, Any]:
    """Return labelled rows with since <= time < until whose label was known by then.

    A row delivered twice (same id) counts once, as the newest batch has it. Columns are plain
    arrays: numbers float64 with NaN, text and true/false as objects with None.
    """
    if not table.paths:
        return {}
    sql, values = _selected(table, columns, since, until, known_by)
    with connect() as db:
        found = db.execute(sql, values).fetchnumpy()
    return {name: plain(column) for name, column in found.items()}


def counts(
    table: Table, bounds: Mapping[str, datetime | None], *, until: datetime, known_by: datetime
) -> tuple[dict[str, int], datetime | None, datetime | None]:
    """Return how many of the rows of `rows` lie at or after each bound, the first and the last.

    None bounds nothing.
    """
    if not table.paths:
        return dict.fromkeys(bounds, 0), None, None
    sql, values = _selected(table, [], None, until, known_by)
    time = name_of(table.time)
    after = [
        f"count(*) filter ($bound{n} is null or {time} >= $bound{n})" for n in range(len(bounds))
    ]
    for n, bound in enumerate(bounds.values()):
        values[f"bound{n}"] = None if bound is None else naive(bound)
    with connect() as db:
        found = db.execute(
            f"select min({time}), max({time}), {', '.join(after)} from ({sql})", values
        ).fetchone()
    first, last, *numbers = found or (None, None, *[0] * len(bounds))
    return dict(zip(bounds, numbers, strict=True)), zoned(first), zoned(last)


def _selected(
    table: Table,
    columns: Sequence[str],
    since: datetime | None,
    until: datetime,
    known_by: datetime,
) -> tuple[str, dict[str, Any]]:
    """Return the query of the rows that may be used, and its values."""
    names = list(dict.fromkeys([*columns, table.target, table.time]))
    there = _there(table) if columns else set(names)
    wanted = ", ".join(name_of(c) for c in names if c in there)
    # A column that was approved and has not come yet is empty.
    empty = "".join(f", null::varchar as {name_of(c)}" for c in names if c not in there)
    newest = ""
    if table.id:
        # Of one batch the row delivered last; a row without an id is no other row's repetition.
        newest = (
            f"qualify {name_of(table.id)} is null or row_number() over "
            f"(partition by {name_of(table.id)} order by list_position($paths, {_FILE}) desc, "
            f"{name_of(table.time)} desc, hash({wanted})) = 1"
        )
    known = f"and ({name_of(table.label_time)} <= $known)" if table.label_time else ""
    outside = "".join(
        f" and not ({name_of(table.time)} >= $from{n} and {name_of(table.time)} < $to{n})"
        for n in range(len(table.without))
    )
    order = name_of(table.id) if table.id else _FILE
    time = name_of(table.time)
    sql = (
        f"select {wanted}{empty} from (select * from read_parquet($paths, filename = {_FILE_TEXT}, "
        f"union_by_name = true, hive_partitioning = false) {newest}) "
        f"where {name_of(table.target)} is not null and {time} < $until "
        f"and ($since is null or {time} >= $since) {known}{outside} order by {time}, {order}"
    )
    values: dict[str, Any] = {
        "paths": table.paths,
        "until": naive(until),
        "since": None if since is None else naive(since),
    }
    if known:
        values["known"] = naive(known_by)
    for n, (begin, end) in enumerate(table.without):
        values |= {f"from{n}": naive(parse_time(begin)), f"to{n}": naive(parse_time(end))}
    return sql, values


def _there(table: Table) -> set[str]:
    with connect() as db:
        found = db.execute(
            "select * from read_parquet($paths, union_by_name = true, hive_partitioning = false) "
            "limit 0",
            {"paths": table.paths},
        )
        return {column[0] for column in found.description or ()}


def plain(column: Any) -> Any:
    """Return a fetched column without a mask: NaN for missing numbers, None for the rest."""
    if column.dtype.kind in "iuf":
        return np.ma.filled(column.astype(np.float64), np.nan)
    if column.dtype.kind == "M":
        return column
    # Not `filled(None)`: that fills in NumPy's own mark for text, a "?".
    objects = np.ma.getdata(column).astype(object)
    objects[np.ma.getmaskarray(column)] = None
    return objects
