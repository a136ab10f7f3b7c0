"""When each model was looked at, and which rows have arrived since: what must be measured again.

A look is a fact; what it measured is a function of it and the raw rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import numpy as np

from engine.store.connection import Store, naive, zoned


@dataclass(frozen=True, slots=True)
class Looked:
    """One look: when, who led then, how often late rows had it measured again."""

    at: datetime
    champion: str
    restated: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """Minutes of event time with new predictions, or with new outcomes of such, up to a mark."""

    rows: list[datetime]
    labels: list[datetime]
    mark: int


def arrived(db: duckdb.DuckDBPyConnection, column: str, found: set[tuple[str, str]]) -> None:
    """Note (model, "minute" of new rows or "id" of new outcomes) inside an open transaction."""
    if found:
        models, values = zip(*sorted(found), strict=True)
        block = {"model": np.array(models, object), "value": np.array(values, object)}
        db.register("fresh", block)
        db.execute(
            f"insert into arrivals (model, {column}) select model, "
            f"{'cast(value as timestamp)' if column == 'minute' else 'value'} from fresh"
        )
        db.unregister("fresh")


def since_taken(store: Store, model: str) -> Arrived:
    """Return what arrived since it was last taken."""
    with store.read() as db:
        row = db.execute("select max(mark) from arrivals where model = ?", [model]).fetchone()
        mark = (row[0] if row else None) or 0
        rows = db.execute(
            "select distinct minute from arrivals "
            "where model = ? and mark <= ? and minute is not null",
            [model, mark],
        ).fetchall()
        labels = db.execute(
            "select distinct date_trunc('minute', p.ts) from predictions p semi join "
            "(select id from arrivals where model = $model and mark <= $mark and id is not null) a "
            "on a.id = p.id where p.model = $model",
            {"model": model, "mark": mark},
        ).fetchall()
    return Arrived(_moments(rows), _moments(labels), mark)


def _moments(found: Sequence[tuple[datetime]]) -> list[datetime]:
    return sorted(row[0].replace(tzinfo=UTC) for row in found)


def taken(store: Store, model: str, arrived: Arrived) -> None:
    """Forget what has been taken; what arrived meanwhile stays."""
    with store.write() as db:
        db.execute("delete from arrivals where model = ? and mark <= ?", [model, arrived.mark])


def record(store: Store, model: str, at: datetime, champion: str) -> None:
    """Remember a look; the same moment again is the same look."""
    with store.write() as db:
        db.execute("insert or replace into looks values (?, ?, ?, 0)", [model, naive(at), champion])


def restated(store: Store, model: str, looks: Sequence[Looked]) -> None:
    """Count that these looks were measured again."""
    with store.write() as db:
        for look in looks:
            db.execute(
                "update looks set restated = restated + 1 where model = ? and moment = ?",
                [model, naive(look.at)],
            )


def known(store: Store, model: str) -> list[Looked]:
    """Return the looks at a model, oldest first."""
    with store.read() as db:
        found = db.execute(
            "select moment, champion, restated from looks where model = ? order by moment",
            [model],
        ).fetchall()
    return [Looked(zoned(at) or at, champion, count) for at, champion, count in found]


def newest(store: Store, model: str) -> Looked | None:
    """Return the newest look at a model."""
    with store.read() as db:
        found = db.execute(
            "select moment, champion, restated from looks where model = ? "
            "order by moment desc limit 1",
            [model],
        ).fetchall()
    return Looked(zoned(found[0][0]) or found[0][0], *found[0][1:]) if found else None
