"""Outcomes by id. A later one corrects, ties go to the greater value: any order, same table.

An id of which different values came is `contested` from then on, in whatever order they came.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np

from engine.store import looks
from engine.store.connection import Store, naive
from engine.store.snapshots import plain


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One outcome; `value` is JSON text, None where it will never come; `source` who sent it."""

    model: str
    id: str
    ts: str
    value: str | None
    received: str
    source: str = ""


_LATER = (
    "((excluded.ts, coalesce(excluded.value, ''), excluded.source) > "
    "(labels.ts, coalesce(labels.value, ''), labels.source))"
)
_TAKEN = ", ".join(
    f"{column} = case when {_LATER} then excluded.{column} else labels.{column} end"
    for column in ("ts", "value", "received", "source")
)
_CONTESTED = "(excluded.contested or excluded.value is distinct from labels.value)"


def merge(db: duckdb.DuckDBPyConnection, rows: Sequence[LabelRow]) -> None:
    """Merge labels inside an open transaction."""
    best: dict[tuple[str, str], LabelRow] = {}
    contested: set[tuple[str, str]] = set()
    for row in rows:
        old = best.get((row.model, row.id))
        if old is not None and row.value != old.value:
            contested.add((row.model, row.id))
        if old is None or _rank(row) > _rank(old):
            best[row.model, row.id] = row
    fields = ("model", "id", "ts", "value", "received", "source")
    block: dict[str, Any] = {
        f: np.array([getattr(r, f) for r in best.values()], dtype=object) for f in fields
    }
    block["contested"] = np.array([key in contested for key in best], dtype=bool)
    db.register("block", block)
    db.execute(
        "insert into labels select model, id, cast(ts as timestamp), value, "
        "cast(received as timestamp), source, contested from block "
        f"on conflict (model, id) do update set {_TAKEN}, "
        f"contested = labels.contested or {_CONTESTED} "
        f"where {_LATER} or (not labels.contested and {_CONTESTED})"
    )
    db.unregister("block")
    looks.arrived(db, "id", set(best))


def _rank(row: LabelRow) -> tuple[str, str, str]:
    return row.ts, row.value or "", row.source


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


@dataclass(frozen=True, slots=True)
class Sourced:
    """Labelled answers with who sent each label: times, sources, label texts, answers, delays."""

    times: Any
    sources: Any
    labels: list[str]
    answers: Any
    delays_s: Any


def several_sources(store: Store, model: str, since: datetime) -> bool:
    """Say whether more than one source sent labels that became known since then."""
    with store.read() as db:
        row = db.execute(
            "select min(source) <> max(source) from labels where model = ? and ts >= ?",
            [model, naive(since)],
        ).fetchone()
    return bool(row and row[0])


def sourced(store: Store, model: str, since: datetime, until: datetime, n: int) -> Sourced:
    """Return labels of the newest n answers with since <= ts < until, an id once, by time."""
    with store.read() as db:
        found = db.execute(
            "select p.ts, l.source, l.value, p.answer, epoch(l.ts - p.ts) as delay from ("
            "select id, ts, prediction_id, answer from predictions where model = $model "
            "and ts >= $since and ts < $until and client is distinct from 'cdml-probe' "
            "order by ts desc, prediction_id limit $n) p "
            "join labels l on l.model = $model and l.id = p.id where l.value is not null "
            "qualify row_number() over (partition by p.id order by p.ts, p.prediction_id) = 1 "
            "order by p.ts, p.prediction_id",
            {"model": model, "since": naive(since), "until": naive(until), "n": n},
        ).fetchnumpy()
    answers = [list(a) for a in found["answer"]]
    return Sourced(
        plain(found["ts"]),
        plain(found["source"]),
        list(found["value"]),
        np.array(answers, dtype=np.float64) if answers else np.empty((0, 1)),
        plain(found["delay"]),
    )
