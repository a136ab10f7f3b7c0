"""The record of runs: what was started, why, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

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
    """Count ended runs by model, job and outcome, those no longer kept too.

    Of durations: those up to each of some limits, and all.
    """
    with store.read() as db:
        found = db.execute(
            "select model, job, outcome, n, seconds, upto from "
            f"({_counted(buckets, 'ended_at is not null')}) union all "
            "select model, job, outcome, n, seconds, upto from runs_gone order by all"
        ).fetchall()
    counted: dict[tuple[str, str, str], Ended] = {}
    for model, job, outcome, n, seconds, upto in found:
        key = (model, job, outcome)
        known = counted.get(key, Ended(*key, 0, 0.0, [0] * len(upto)))
        both = [a + b for a, b in zip(known.upto, upto, strict=True)]
        counted[key] = Ended(*key, known.n + n, known.seconds + seconds, both)
    return list(counted.values())


def let_go(db: duckdb.DuckDBPyConnection, before: datetime, buckets: Sequence[float]) -> int:
    """Delete runs that ended before a moment; what they count stays, so that no count ever falls.

    Inside an open transaction; return how many.
    """
    db.execute(
        "insert into runs_gone select model, job, outcome, n, seconds, upto from "
        f"({_counted(buckets, 'ended_at < ?')}) on conflict do update set "
        "n = runs_gone.n + excluded.n, seconds = runs_gone.seconds + excluded.seconds, "
        "upto = list_transform(list_zip(runs_gone.upto, excluded.upto), lambda p: p[1] + p[2])",
        [naive(before)],
    )
    row = db.execute("delete from runs where ended_at < ?", [naive(before)]).fetchone()
    return int(row[0]) if row else 0


def _counted(buckets: Sequence[float], where: str) -> str:
    """Return the query that counts runs by model, job and outcome, and by duration."""
    took = "epoch(ended_at) - epoch(started_at)"
    upto = "".join(f"count(*) filter ({took} <= {float(limit)}), " for limit in buckets)
    return (
        f"select model, job, state as outcome, count(*) as n, coalesce(sum({took}), 0) as seconds, "
        f"[{upto}count({took})] as upto from runs where {where} group by model, job, state"
    )


def ended_after(store: Store, moment: datetime, limit: int) -> list[JobRow]:
    """Return the first runs that ended after a moment, oldest first."""
    tail = f"where ended_at > ? order by ended_at, id limit {int(limit)}"
    return _select(store, tail, naive(moment))
