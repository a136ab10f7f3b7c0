"""Parts of a table for a replay: what was delivered by a moment, and what happened when."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.store.confined import connect
from engine.store.connection import naive
from engine.store.files import name_of, text


def deliver(
    source: Path, into: Path, time: str, label_time: str, since: datetime, until: datetime
) -> int:
    """Write the rows that became complete in (since, until]; return how many.

    A row is complete when its label is known; one whose label never comes, when it happened.
    """
    moment = f"coalesce({name_of(label_time)}, {name_of(time)})"
    body = (
        f"select * from read_parquet('{text(source)}') where {moment} > '{naive(since)}' "
        f"and {moment} <= '{naive(until)}' order by {name_of(time)}"
    )
    part = into.with_name(f".{into.name}")
    with connect() as db:
        db.execute(f"copy ({body}) to '{text(part)}' (format parquet)")
        row = db.execute("select count(*) from read_parquet(?)", [str(part)]).fetchone()
    part.rename(into)
    return int(row[0]) if row else 0


def poisoned(
    source: Path,
    into: Path,
    columns: tuple[str, str, str],
    since: datetime,
    until: datetime,
    share_pct: int,
    seed: int,
) -> tuple[int, int]:
    """Write the rows of [since, until) with a share of their labels turned around.

    `columns` are id, time and a true-or-false target; which rows are turned depends on id and seed
    alone. Return how many rows there are and how many labels were turned.
    """
    key, time, target = (name_of(c) for c in columns)
    turned = f"md5_number_lower({key} || '{int(seed)}') % 100 < {int(share_pct)}"
    rows = (
        f"from read_parquet('{text(source)}') where {time} >= '{naive(since)}' "
        f"and {time} < '{naive(until)}' and {target} is not null"
    )
    body = (
        f"select * replace (case when {turned} then not {target} else {target} end as {target}) "
        f"{rows} order by {time}"
    )
    part = into.with_name(f".{into.name}")
    with connect() as db:
        db.execute(f"copy ({body}) to '{text(part)}' (format parquet)")
        row = db.execute(f"select count(*), count_if({turned}) {rows}").fetchone()
    part.rename(into)
    return (int(row[0]), int(row[1])) if row else (0, 0)


def happened(
    source: Path, columns: Sequence[str], order: str, since: datetime, until: datetime
) -> list[tuple[Any, ...]]:
    """Return columns of the rows with since <= order < until, in that order."""
    picked = ", ".join(name_of(c) for c in columns)
    with connect() as db:
        return db.execute(
            f"select {picked} from read_parquet(?) where {name_of(order)} >= ? "
            f"and {name_of(order)} < ? order by {name_of(order)}, {name_of(columns[0])}",
            [str(source), naive(since), naive(until)],
        ).fetchall()
