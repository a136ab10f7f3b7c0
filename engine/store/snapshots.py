"""Reading accepted batches as NumPy columns, in a job: a job never opens the store itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import msgspec
import numpy as np

from engine.store.connection import naive
from engine.store.intake import name_of


class Table(msgspec.Struct, frozen=True):
    """Which Parquet files make a model's table, oldest batch first, and its special columns."""

    paths: list[str]
    target: str
    time: str
    label_time: str | None
    id: str | None


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
    wanted = ", ".join(name_of(c) for c in dict.fromkeys([*columns, table.target, table.time]))
    numbers = "list_position($paths, filename)"
    newest = ""
    if table.id:
        newest = (
            f"qualify row_number() over (partition by {name_of(table.id)} "
            f"order by {numbers} desc) = 1"
        )
    known = f"and ({name_of(table.label_time)} <= $known)" if table.label_time else ""
    order = name_of(table.id) if table.id else "filename"
    sql = (
        f"select {wanted} from (select * from read_parquet($paths, filename = true, "
        f"union_by_name = true) {newest}) where {name_of(table.target)} is not null "
        f"and {name_of(table.time)} < $until and ($since is null or {name_of(table.time)} >= "
        f"$since) {known} order by {name_of(table.time)}, {order}"
    )
    values: dict[str, Any] = {
        "paths": table.paths,
        "until": naive(until),
        "since": None if since is None else naive(since),
    }
    if known:
        values["known"] = naive(known_by)
    with duckdb.connect(config={"threads": 1}) as db:
        found = db.execute(sql, values).fetchnumpy()
    return {name: plain(column) for name, column in found.items()}


def plain(column: Any) -> Any:
    """Return a fetched column without a mask: NaN for missing numbers, None for the rest."""
    if column.dtype.kind in "iuf":
        return np.ma.filled(column.astype(np.float64), np.nan)
    if column.dtype.kind == "M":
        return column
    objects = column.astype(object)
    return objects.filled(None) if isinstance(column, np.ma.MaskedArray) else objects
