"""The record of runs: what was started, why, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.clock import iso
from engine.store.connection import Store, naive, zoned
from engine.wire import JobRow


@dataclass(frozen=True, slots=True)
class Ended:
    """How many runs of a job ended so; `upto` counts those that began, by duration, all last."""

    model: str
    job: str
    outcome: str
    n: int
    seconds: float
    upto: list[int]


def put(store: Store, row: JobRow) -> None:
    """Store a run as it stands now."""
    times = [t[:-1] if t else None for t in (row.queued_at, row.started_at, row.ended_at)]
    with store.write() as db:
        db.execute(
            "insert or replace into runs values (?, ?, ?, ?, ?, cast(? as timestamp), "
            "cast(? as timestamp), cast(? as timestamp), ?, ?, ?, ?, ?, ?)",
            [
                row.id,
                row.model,
                row.job,
                row.state,
                row.cause,
                *times,
                row.note,
                row.error,
                row.version,
                row.verdict,
                row.cpu_s,
                row.memory_mib,
            ],
        )


def newest(store: Store, limit: int) -> list[JobRow]:
    """Return the newest runs, newest first."""
    return _select(store, "order by queued_at desc, id desc limit ?", limit)


def of_id(store: Store, run: str) -> JobRow | None:
    """Return one run."""
    found = _select(store, "where id = ?", run)
    return found[0] if found else None


def unfinished(store: Store) -> list[JobRow]:
    """Return the runs that never ended."""
    return _select(store, "where state in ('queued', ?) order by id", "running")


def _select(store: Store, tail: str, value: object) -> list[JobRow]:
    with store.read() as db:
        found = db.execute(
            "select id, model, job, state, cause, queued_at, started_at, ended_at, note, error, "
            f"version, verdict, cpu_s, memory_mib from runs {tail}",
            [value],
        ).fetchall()
    return [
        JobRow(
            r[0],
            r[1],
            r[2],
            r[3],
            r[4],
            _text(r[5]) or "",
            _text(r[6]),
            _text(r[7]),
            note=r[8],
            error=r[9],
            version=r[10],
            verdict=r[11],
            cpu_s=r[12],
            memory_mib=r[13],
        )
        for r in found
    ]


def _text(moment: datetime | None) -> str | None:
    found = zoned(moment)
    return iso(found) if found else None


def ended(store: Store, buckets: Sequence[float]) -> list[Ended]:
    """Count ended runs by model, job and outcome; those up to each of some durations, and all."""
    took = "epoch(ended_at) - epoch(started_at)"
    upto = "".join(f", count(*) filter ({took} <= {float(limit)})" for limit in buckets)
    with store.read() as db:
        found = db.execute(
            f"select model, job, state, count(*), coalesce(sum({took}), 0), count({took}){upto} "
            "from runs where ended_at is not null group by all order by all"
        ).fetchall()
    return [
        Ended(model, job, outcome, n, seconds, [*upto, began])
        for model, job, outcome, n, seconds, began, *upto in found
    ]


def ended_after(store: Store, moment: datetime, limit: int) -> list[JobRow]:
    """Return the first runs that ended after a moment, oldest first."""
    tail = f"where ended_at > ? order by ended_at, id limit {int(limit)}"
    return _select(store, tail, naive(moment))
