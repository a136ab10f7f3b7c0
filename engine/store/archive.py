"""Old answers moved from the store to one Parquet file a day, each row exactly once.

The file is whole and on the disk before the first row goes. Where there is one already, after a
crash or for rows that come late, the new file has all that is in it and in the store.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb

from engine.store import matches, runs
from engine.store.compaction import blocks, sync_file, sync_folder
from engine.store.connection import Store, naive, zoned
from engine.store.files import literal, text
from engine.store.snapshots import plain

DEADLINE_S = 600.0
# So many rows go at once, unless a minute has more: nobody else writes meanwhile.
AT_ONCE = 100_000
# Kinds of scores that are a line a window: they stay when all else of a look has gone.
AGGREGATES = ("realised", "kpi")

# The rows are set aside first: DuckDB takes the smaller side of a join into memory, and knows then
# that it is this one.
_PIECE = """
    create or replace temp table piece as select * from predictions
    where model = $model and ts >= $since and ts < $until
"""
_JOINED = """
    select p.*, l.ts as label_ts, l.received as label_received, l.source as label_source,
        l.value as label, l.contested as label_contested, s.shadows
    from piece p
    left join (
        select * from labels where model = $model and received >= $first and received <= $last
    ) l on l.id = p.id
    left join (
        select prediction_id, list({'version': version, 'answer': answer} order by version)
            as shadows
        from shadow_answers semi join piece using (prediction_id)
        where model = $model group by prediction_id
    ) s on s.prediction_id = p.prediction_id
"""
_MINE = "model = $model and ts >= $since and ts < $until"


@dataclass(frozen=True, slots=True)
class Leaving:
    """A day that leaves: its spans, when its labels came, and whose have to stay (hashes of ids).

    Those are of ids that were asked about again after it.
    """

    spans: list[tuple[datetime, datetime]]
    labelled: tuple[datetime, datetime]
    staying: Any


@dataclass(frozen=True, slots=True)
class Archived:
    """What lies in history/ of a model: days, rows, and until when."""

    days: int
    rows: int
    until: datetime | None


def partition(store: Store, model: str, day: date) -> Path:
    """Return where the answers of a day lie once they have left the store."""
    return store.history / "predictions" / model / f"{day}.parquet"


def days(store: Store, model: str, until: date) -> list[date]:
    """Return the days before one that have answers in the store, oldest first."""
    with store.read(DEADLINE_S) as db:
        found = db.execute(
            "select distinct cast(ts as date) as day from predictions where model = ? and ts < ? "
            "order by day",
            [model, datetime.combine(until, time())],
        ).fetchall()
    return [day for (day,) in found]


def archive(store: Store, model: str, day: date, now: datetime) -> int:
    """Write a day to its file, then delete it from the store bit by bit; return its rows."""
    path = partition(store, model, day)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    part, bits = path.with_suffix(".part"), path.with_suffix(".bits")
    try:
        leaving = _written(store, model, datetime.combine(day, time()), bits)
        rows = _united(store, path, bits, part)
    finally:
        shutil.rmtree(bits, ignore_errors=True)
    sync_file(part)
    part.rename(path)
    sync_folder(path.parent)
    for since, until in leaving.spans:
        with store.write() as db:
            # With the first rows that go: whatever is measured from then on knows that they do.
            db.execute(
                "insert or replace into archived values (?, ?, ?, ?)",
                [model, day, rows, naive(now)],
            )
            _delete(db, path, {"model": model, "since": since, "until": until}, leaving)
    with store.write():
        store.labelled.forget()  # those that have gone would be held for ever
    return rows


def horizon(store: Store, model: str) -> datetime | None:
    """Return from when on all answers are in the store; None where none has left it."""
    return archived(store, model).until


def place_of(store: Store, model: str, moment: datetime) -> str:
    """Say where the answers of a moment lie now: in the store, in a file, or nowhere any more."""
    day = naive(moment).date()
    until = horizon(store, model)
    if until is None or moment >= until:
        return "metrics.duckdb"
    path = partition(store, model, day)
    if path.exists():
        return str(path.relative_to(store.history.parent))
    with store.read() as db:
        known = db.execute(
            "select 1 from archived where model = ? and day = ?", [model, day]
        ).fetchone()
    return "deleted" if known else "none"


def archived(store: Store, model: str) -> Archived:
    """Return what has left the store."""
    with store.read() as db:
        row = db.execute(
            "select count(*), coalesce(sum(rows), 0), cast(max(day) + 1 as timestamp) "
            "from archived where model = ?",
            [model],
        ).fetchone()
    count, rows, until = row or (0, 0, None)
    return Archived(int(count), int(rows), zoned(until))


def forget(store: Store, model: str, until: date) -> list[date]:
    """Delete the files of days before one; return which."""
    found = sorted(_dates(store.history / "predictions" / model))
    gone = [day for day in found if day < until]
    for day in gone:
        partition(store, model, day).unlink()
    return gone


def forget_strangers(store: Store, until: datetime) -> int:
    """Delete labels from before a moment whose row is not in the store; return how many.

    Nobody asked about their ids, or the rows had left before the labels came.
    """
    old = "ts < $until and received < $until"
    with store.read(DEADLINE_S) as db:
        found = db.execute(
            f"select model, id from labels where {old} and not exists (select 1 from predictions p "
            "where p.model = labels.model and p.id = labels.id)",
            {"until": naive(until)},
        ).fetchnumpy()
    gone = len(found["id"])
    for at in range(0, gone, AT_ONCE):
        with store.write() as db:
            db.register("strangers", {k: plain(v)[at : at + AT_ONCE] for k, v in found.items()})
            db.execute(
                f"delete from labels using strangers s where {old} and labels.model = s.model "
                "and labels.id = s.id",
                {"until": naive(until)},
            )
            db.unregister("strangers")
    return gone


def forget_records(store: Store, until: datetime, buckets: Sequence[float]) -> int:
    """Delete looks with what they found and ended runs before a moment; return how many rows.

    What each window came to stays for good, and so does what was counted of each day. Runs go on
    being counted, by duration up to each of `buckets`.
    """
    with store.write() as db:
        gone = runs.let_go(db, until, buckets)
        for table, column in (
            ("scores", "coalesce(look, measured, window_to)"), ("looks", "moment"),
            ("stillness", "day"), ("hours", "begins"),
        ):  # fmt: skip
            kept = f" and kind not in {AGGREGATES}" if table == "scores" else ""
            row = db.execute(
                f"delete from {table} where {column} < ?{kept}", [naive(until)]
            ).fetchone()
            gone += int(row[0]) if row else 0
    return gone


def room(store: Store) -> tuple[int, int]:
    """Return the bytes of the store's file and those of them that hold nothing."""
    with store.read() as db:
        return blocks(db)


def _written(store: Store, model: str, begin: datetime, bits: Path) -> Leaving:
    """Write a day span by span, as it is at one moment, each to a file of its own."""
    shutil.rmtree(bits, ignore_errors=True)  # of a process that was killed
    bits.mkdir(mode=0o750)
    day = {"model": model, "since": begin, "until": begin + timedelta(days=1)}
    later = {"model": model, "until": day["until"]}
    with store.read(DEADLINE_S) as db:
        db.execute("begin")
        mine = matches.keys(db, "predictions", _MINE, day)
        came = matches.received(db, mine, "labels", "model = $model", {"model": model})
        staying = matches.shared(db, mine, "predictions", "model = $model and ts >= $until", later)
        leaving = Leaving(list(_spans(db, day)), came or (begin, begin), staying)
        labelled = dict(zip(("first", "last"), leaving.labelled, strict=True))
        for number, (since, until) in enumerate(leaving.spans):
            db.execute(_PIECE, {**day, "since": since, "until": until})
            to = text(bits / f"{number:05d}.parquet")
            db.execute(
                f"copy ({_JOINED}) to '{to}' (format parquet, compression lz4)",
                {"model": model, **labelled},
            )
        db.execute("rollback")
    return leaving


def _united(store: Store, path: Path, bits: Path, part: Path) -> int:
    """Write the spans of a day as one file, with what its former file has; return the rows."""
    body = f"select * from read_parquet('{literal(bits)}/*.parquet')"
    if path.exists():
        body = (
            f"with former as (select * from read_parquet('{literal(path)}')), fresh as ({body}) "
            "select * from former union all by name "
            "select * from fresh anti join former using (prediction_id)"
        )
    with store.read(DEADLINE_S) as db:
        row = db.execute(
            f"copy ({body}) to '{text(part)}' (format parquet, compression zstd)"
        ).fetchone()
    return int(row[0]) if row else 0


def _spans(
    db: duckdb.DuckDBPyConnection, day: dict[str, Any]
) -> Iterator[tuple[datetime, datetime]]:
    """Yield spans of whole minutes that make up a day, each of few rows."""
    minutes = db.execute(
        f"select date_trunc('minute', ts) as minute, count(*) from predictions where {_MINE} "
        "group by minute order by minute",
        day,
    ).fetchall()
    since, held = day["since"], 0
    for minute, n in minutes:
        if held and held + n > AT_ONCE:
            yield since, minute
            since, held = minute, 0
        held += n
    yield since, day["until"]


def _delete(
    db: duckdb.DuckDBPyConnection, path: Path, span: dict[str, Any], leaving: Leaving
) -> None:
    """Delete the answers of a span that its file has, their shadows, and labels that none needs.

    One that came while the file was written stays, and leaves with the next look.
    """
    db.execute(
        "create temp table leaving as select prediction_id, id from "
        f"read_parquet('{literal(path)}') where ts >= $since and ts < $until",
        {k: span[k] for k in ("since", "until")},
    )
    db.execute(
        "delete from shadow_answers where model = $model and prediction_id in "
        "(select prediction_id from leaving)",
        {"model": span["model"]},
    )
    db.register("staying", {"key": leaving.staying})
    first, last = leaving.labelled
    db.execute(
        "delete from labels where model = $model and received >= $first and received <= $last and "
        "id in (select id from leaving) and hash(model, id) not in (select key from staying)",
        {"model": span["model"], "first": first, "last": last},
    )
    db.unregister("staying")
    db.execute(
        f"delete from predictions where {_MINE} and prediction_id in "
        "(select prediction_id from leaving)",
        span,
    )
    db.execute("drop table leaving")


def _dates(folder: Path) -> Iterator[date]:
    for path in folder.glob("*.parquet"):
        try:
            yield date.fromisoformat(path.stem)
        except ValueError:
            continue  # not ours
