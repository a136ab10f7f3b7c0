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
from engine.store.connection import Store, insert, naive
from engine.store.snapshots import plain

FIELDS = ("model", "id", "ts", "value", "received", "source")
_PICKED = (
    "model, id, cast(ts as timestamp) as ts, value, cast(received as timestamp) as received, "
    "source, contested"
)
_LATER = "(a.ts, coalesce(a.value, ''), a.source) > (l.ts, coalesce(l.value, ''), l.source)"
_TAKEN = ", ".join(
    f"{column} = case when {_LATER} then a.{column} else l.{column} end"
    for column in ("ts", "value", "received", "source")
)
_CONTESTED = "(a.contested or a.value is distinct from l.value)"


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One outcome; `value` is JSON text, None where it will never come; `source` who sent it."""

    model: str
    id: str
    ts: str
    value: str | None
    received: str
    source: str = ""


def merge(store: Store, db: duckdb.DuckDBPyConnection, rows: Sequence[LabelRow]) -> None:
    """Merge labels inside an open transaction."""
    best: dict[tuple[str, str], LabelRow] = {}
    contested: set[tuple[str, str]] = set()
    for row in rows:
        old = best.get((row.model, row.id))
        if old is not None and row.value != old.value:
            contested.add((row.model, row.id))
        if old is None or _rank(row) > _rank(old):
            best[row.model, row.id] = row
    block: dict[str, Any] = {
        f: np.array([getattr(r, f) for r in best.values()], dtype=object) for f in FIELDS
    }
    block["contested"] = np.array([key in contested for key in best], dtype=bool)
    db.register("block", block)
    known = store.labelled.taken_in(db, "block")
    db.unregister("block")
    if known.any():
        _correct(db, {f: column[known] for f, column in block.items()})
    insert(db, "labels", {f: column[~known] for f, column in block.items()}, _PICKED)
    looks.arrived(db, "id", set(best))


def _correct(db: duckdb.DuckDBPyConnection, block: dict[str, Any]) -> None:
    """Merge labels of which most have one already: the whole table is searched for them."""
    db.register("again", block)
    same = "l.model = a.model and l.id = a.id"
    db.execute(
        f"update labels l set {_TAKEN}, contested = l.contested or {_CONTESTED} "
        f"from (select {_PICKED} from again) a where {same} "
        f"and ({_LATER} or (not l.contested and {_CONTESTED}))"
    )
    db.execute(
        f"insert into labels select {_PICKED} from again a "
        f"where not exists (select 1 from labels l where {same})"
    )
    db.unregister("again")


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
        merge(store, db, rows)


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
