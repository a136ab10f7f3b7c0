"""Outcomes by id. A later one corrects, ties go to the greater value: any order, same table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np

from engine.store import looks
from engine.store.connection import Store, naive


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One outcome; `value` is JSON text, None where it will never come."""

    model: str
    id: str
    ts: str
    value: str | None
    received: str


def merge(db: duckdb.DuckDBPyConnection, rows: Sequence[LabelRow]) -> None:
    """Merge labels inside an open transaction."""
    best: dict[tuple[str, str], LabelRow] = {}
    for row in rows:
        old = best.get((row.model, row.id))
        if old is None or (row.ts, row.value or "") > (old.ts, old.value or ""):
            best[row.model, row.id] = row
    fields = ("model", "id", "ts", "value", "received")
    block = {f: np.array([getattr(r, f) for r in best.values()], dtype=object) for f in fields}
    db.register("block", block)
    db.execute(
        "insert into labels select model, id, cast(ts as timestamp), value, "
        "cast(received as timestamp) from block on conflict (model, id) do update set "
        "ts = excluded.ts, value = excluded.value, received = excluded.received "
        "where (excluded.ts, coalesce(excluded.value, '')) > "
        "(labels.ts, coalesce(labels.value, ''))"
    )
    db.unregister("block")
    looks.arrived(db, "id", set(best))


def count(store: Store, model: str) -> int:
    """Return how many ids have an outcome."""
    with store.read() as db:
        row = db.execute("select count(*) from labels where model = ?", [model]).fetchone()
    return int(row[0]) if row else 0


def add(store: Store, rows: Sequence[LabelRow]) -> None:
    """Merge labels in a transaction of their own."""
    with store.write() as db:
        merge(db, rows)


def unknown(store: Store, model: str, until: datetime) -> int:
    """Return how many labels known by then have no prediction."""
    with store.read() as db:
        row = db.execute(
            "select count(*) from labels l where l.model = ? and l.ts < ? and not exists "
            "(select 1 from predictions p where p.model = l.model and p.id = l.id)",
            [model, naive(until)],
        ).fetchone()
    return int(row[0]) if row else 0
