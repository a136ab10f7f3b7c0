"""Which rows of large tables share an id, by hash and piece by piece, so that memory stays flat."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import duckdb
import numpy as np

PIECE = 250_000


def keys(db: duckdb.DuckDBPyConnection, table: str, where: str, values: Mapping[str, Any]) -> Any:
    """Return the hashes of the ids of some rows of a table, rising: 8 bytes a row."""
    (n,) = db.execute(f"select count(*) from {table} where {where}", dict(values)).fetchone() or (
        0,
    )
    found, at = np.empty(n, dtype=np.uint64), 0
    for part, _ in _pieces(db, table, where, values):
        found[at : at + len(part)] = part
        at += len(part)
    found.sort()
    return found


def among(known: Any, asked: Any) -> Any:
    """Say which hashes are among others, which rise."""
    at = np.searchsorted(known, asked)
    found = np.zeros(len(asked), dtype=bool)
    inside = at < len(known)
    found[inside] = known[at[inside]] == asked[inside]
    return found


def shared(
    db: duckdb.DuckDBPyConnection, known: Any, table: str, where: str, values: Mapping[str, Any]
) -> Any:
    """Return those of some hashes that rows of a table have, rising."""
    found = np.zeros(len(known), dtype=bool)
    for part, _ in _pieces(db, table, where, values):
        found[np.searchsorted(known, part[among(known, part)])] = True
    return known[found]


def received(
    db: duckdb.DuckDBPyConnection, known: Any, table: str, where: str, values: Mapping[str, Any]
) -> tuple[datetime, datetime] | None:
    """Return when the first and the last row of a table came whose id has one of some hashes."""
    ends: list[Any] = []
    for part, times in _pieces(db, table, where, values):
        mine = times[among(known, part)]
        ends += [mine.min(), mine.max()] if len(mine) else []
    return (min(ends).item(), max(ends).item()) if ends else None


def _pieces(
    db: duckdb.DuckDBPyConnection, table: str, where: str, values: Mapping[str, Any]
) -> Iterator[tuple[Any, Any]]:
    """Yield the hashes of ids, and when their rows came, of so many places at a time."""
    row = db.execute(
        f"select min(rowid), max(rowid) from {table} where {where}", dict(values)
    ).fetchone()
    if row is None or row[0] is None:
        return
    for first in range(row[0], row[1] + 1, PIECE):
        found = db.execute(
            f"select hash(model, id) as key, received from {table} "
            f"where {where} and rowid >= {first} and rowid < {first + PIECE}",
            dict(values),
        ).fetchnumpy()
        yield np.ma.getdata(found["key"]).astype(np.uint64), np.ma.getdata(found["received"])
