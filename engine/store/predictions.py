"""The prediction log as tables: answers and shadow answers, loaded in blocks exactly once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from engine.store import labels, looks
from engine.store.connection import Store, insert, naive
from engine.store.files import name_of
from engine.store.labels import LabelRow
from engine.store.snapshots import plain

PREDICTION_COLUMNS = (
    "model", "prediction_id", "id", "ts", "received", "client", "generation", "version", "role",
    "features", "answer", "decision", "flags", "latency_ms",
)  # fmt: skip
NEWEST = 20_000
SHADOW_COLUMNS = ("model", "version", "prediction_id", "answer")

# Answered rows with since <= ts < until. One prediction per id and version counts, the first. Keys
# of the window alone are grouped, so that a long log costs a scan and no memory.
_LOG = """
    select p.*, l.value as label, l.ts as label_ts
    from predictions p
    semi join (
        select min({{'ts': ts, 'prediction_id': prediction_id}}).prediction_id as prediction_id
        from predictions where model = $model and ts >= $since and ts < $until
        and client is distinct from 'cdml-probe' group by version, id
    ) f on f.prediction_id = p.prediction_id
    {join} labels l on l.model = p.model and l.id = p.id
    where p.model = $model and p.ts >= $since and p.ts < $until and not exists (
        select 1 from predictions q where q.model = $model and q.ts < $since
        and q.version = p.version and q.id = p.id and q.client is distinct from 'cdml-probe'
    )
"""
# A label that will never come is no label.
JOINED = f"{_LOG.format(join='join')} and l.value is not null"
ANSWERED = _LOG.format(join="left join")


@dataclass(frozen=True, slots=True)
class Block:
    """What one read of the spool brought: rows in table order, and how far it reached."""

    predictions: Sequence[Sequence[Any]]
    shadows: Sequence[Sequence[Any]]
    labels: Sequence[LabelRow]
    marks: dict[str, int]


def load(store: Store, block: Block) -> None:
    """Store a block and its marks in one transaction, so that each record is there once."""
    with store.write() as db:
        if block.predictions:
            model, ts = PREDICTION_COLUMNS.index("model"), PREDICTION_COLUMNS.index("ts")
            minutes = {(row[model], row[ts][:16] + ":00") for row in block.predictions}
            looks.arrived(db, "minute", minutes)
            insert(
                db,
                "predictions",
                _arrays(PREDICTION_COLUMNS, block.predictions),
                "model, prediction_id, id, cast(ts as timestamp), cast(received as timestamp), "
                "client, cast(generation as bigint), version, role, features, "
                "cast(answer as double[]), decision, flags, cast(latency_ms as double)",
            )
        if block.shadows:
            insert(
                db,
                "shadow_answers",
                _arrays(SHADOW_COLUMNS, block.shadows),
                "model, version, prediction_id, cast(answer as double[])",
            )
        if block.labels:
            labels.merge(store, db, block.labels)
        for segment, position in block.marks.items():
            db.execute("insert or replace into spool_marks values (?, ?)", [segment, position])


def marks(store: Store) -> dict[str, int]:
    """Return how far each segment of the spool has been loaded."""
    with store.read() as db:
        return dict(db.execute("select segment, position from spool_marks").fetchall())


def forget_marks(store: Store, segments: Sequence[str]) -> None:
    """Drop the marks of segments that no longer exist."""
    with store.write() as db:
        for segment in segments:
            db.execute("delete from spool_marks where segment = ?", [segment])


@dataclass(frozen=True, slots=True)
class Cohort:
    """Mature labelled answers: times, label texts, answers n x k, decisions."""

    times: Any
    labels: list[str]
    answers: Any


def cohort(
    store: Store, model: str, version: str | None, since: datetime, until: datetime
) -> Cohort:
    """Return labelled answers with since <= ts < until, of one version or as they were served."""
    with store.read() as db:
        found = db.execute(
            f"select ts, label, answer from ({JOINED}) "
            "where $version is null or version = $version order by ts, prediction_id",
            {
                "model": model,
                "version": version,
                "since": naive(since),
                "until": naive(until),
            },
        ).fetchnumpy()
    return Cohort(plain(found["ts"]), list(found["label"]), _matrix(found["answer"]))


@dataclass(frozen=True, slots=True)
class Answers:
    """Answered rows, labelled or not: label texts (None without one) and when each was known."""

    times: Any
    versions: Any
    labels: list[str | None]
    known: Any
    answers: Any


def by_window(
    store: Store, model: str, since: datetime, until: datetime, length_us: int
) -> dict[int, int]:
    """Return how many answers lie in each window of a length, by its number since 1970."""
    with store.read() as db:
        found = db.execute(
            "select epoch_us(ts) // $length as place, count(*) from predictions "
            "where model = $model and ts >= $since and ts < $until group by place",
            {
                "model": model,
                "since": naive(since),
                "until": naive(until),
                "length": length_us,
            },
        ).fetchall()
    return {int(place): int(n) for place, n in found}


def answered(store: Store, model: str, since: datetime, until: datetime, *, wide: bool) -> Answers:
    """Return the rows that clients asked with since <= ts < until, in order of time.

    `wide` answers have a number per class, others one.
    """
    answer = "answer" if wide else "answer[1] as answer"
    with store.read() as db:
        found = db.execute(
            f"select ts, version, label, label_ts, {answer} from ({ANSWERED}) "
            "where role <> 'shadow' order by ts, prediction_id",
            {"model": model, "since": naive(since), "until": naive(until)},
        ).fetchnumpy()
    answers = found["answer"]
    return Answers(
        plain(found["ts"]),
        plain(found["version"]),
        list(plain(found["label"])),
        plain(found["label_ts"]),
        _matrix(answers) if wide else plain(answers).reshape(-1, 1),
    )


def sliced(
    store: Store, model: str, version: str, columns: Sequence[str], since: datetime, until: datetime
) -> tuple[Cohort, dict[str, Any]]:
    """Return labelled answers of one version, and what clients sent in some columns, as text.

    None stands for null and for a column that was not sent.
    """
    shape = msgspec.json.encode(dict.fromkeys(columns, "VARCHAR")).decode()
    picked = ", ".join(f"f.{name_of(c)} as c{at}" for at, c in enumerate(columns))
    with store.read() as db:
        found = db.execute(
            f"select ts, label, answer, {picked} from (select *, json_transform(features, $shape) "
            f"as f from ({JOINED}) where version = $version) "
            "order by ts, prediction_id",
            {
                "shape": shape,
                "model": model,
                "version": version,
                "since": naive(since),
                "until": naive(until),
            },
        ).fetchnumpy()
    values = {c: plain(found[f"c{at}"]) for at, c in enumerate(columns)}
    return Cohort(plain(found["ts"]), list(found["label"]), _matrix(found["answer"])), values


@dataclass(frozen=True, slots=True)
class Asked:
    """Mature labelled rows as clients asked them, with what was answered."""

    times: Any
    labels: list[str]
    features: list[str]
    answers: Any


def asked(store: Store, model: str, version: str, since: datetime, until: datetime) -> Asked:
    """Return the rows that a version answered, with their features as JSON text."""
    with store.read() as db:
        found = db.execute(
            f"select ts, label, features, answer from ({JOINED}) where version = $version "
            "order by ts, prediction_id",
            {"model": model, "version": version, "since": naive(since), "until": naive(until)},
        ).fetchnumpy()
    return Asked(
        plain(found["ts"]),
        list(found["label"]),
        list(found["features"]),
        _matrix(found["answer"]),
    )


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows that champion and shadow both answered and whose label is mature."""

    times: Any
    labels: list[str]
    champion: Any
    shadow: Any


def pairs(
    store: Store, model: str, champion: str, shadow: str, since: datetime, until: datetime
) -> Pairs:
    """Return what a champion and its shadow said of the same mature rows, in order of time."""
    with store.read() as db:
        found = db.execute(
            f"select j.ts, j.label, j.answer, s.answer as shadow from ({JOINED}) j "
            "join shadow_answers s on s.model = $model and s.version = $shadow "
            "and s.prediction_id = j.prediction_id "
            "where j.version = $champion "
            "order by j.ts, j.prediction_id",
            {
                "model": model,
                "champion": champion,
                "shadow": shadow,
                "since": naive(since),
                "until": naive(until),
            },
        ).fetchnumpy()
    return Pairs(
        plain(found["ts"]),
        list(found["label"]),
        _matrix(found["answer"]),
        _matrix(found["shadow"]),
    )


def label_counts(
    store: Store, model: str, since: datetime, until: datetime
) -> list[tuple[str, int]]:
    """Return how many rows predicted with since <= ts < until have each label, as JSON text.

    A row that several versions answered counts once.
    """
    with store.read() as db:
        return db.execute(
            f"select label, count(distinct id) from ({JOINED}) group by label order by label",
            {"model": model, "since": naive(since), "until": naive(until)},
        ).fetchall()


@dataclass(frozen=True, slots=True)
class Asking:
    """One row of the log as its client sent it; `odd` is out of range or of an unseen category."""

    row: int
    client: str
    features: str
    decision: str | None
    ts: datetime
    odd: bool


def last_row(store: Store) -> int:
    """Return the place of the newest row of the log, -1 where it is empty."""
    with store.read() as db:
        last = db.execute("select max(rowid) from predictions").fetchone()
    return int(last[0]) + _shift(store) if last and last[0] is not None else -1


def asked_after(store: Store, model: str, row: int, n: int) -> list[Asking]:
    """Return the first n rows of a model after a place of the log, in order."""
    with store.read() as db:
        found = db.execute(
            "select rowid, coalesce(client, ''), features, decision, ts, flags from predictions "
            "where rowid > ? and model = ? and client is distinct from 'cdml-probe' "
            "order by rowid limit ?",
            [row - _shift(store), model, n],
        ).fetchall()
    return [
        Asking(place + _shift(store), client, sent, decision, ts.replace(tzinfo=UTC), _odd(flags))
        for place, client, sent, decision, ts, flags in found
    ]


def _shift(store: Store) -> int:
    """Return what a rowid lacks to be a place."""
    return store.shifts.get("predictions", 0)


def _odd(flags: str) -> bool:
    return "range:" in flags or "unseen:" in flags


def newest_features(store: Store, model: str, n: int) -> tuple[list[str], int]:
    """Return the features of the newest rows that clients sent, as JSON text, newest first.

    Beside them the generation that answered the newest, -1 where there is none. Looks at the end of
    the log only: to sort all of it would take more memory than the store may have.
    """
    with store.read() as db:
        last = db.execute("select max(rowid) from predictions").fetchone()
        found = db.execute(
            "select features, generation from predictions where rowid > ? and model = ? "
            "and client is distinct from 'cdml-probe' order by rowid desc limit ?",
            [(last[0] if last and last[0] is not None else 0) - NEWEST, model, n],
        ).fetchall()
    return [row[0] for row in found], (found[0][1] if found else -1)


def count(store: Store, model: str, version: str, since: datetime | None = None) -> int:
    """Return how many answers a version gave."""
    with store.read() as db:
        row = db.execute(
            "select count(*) from predictions where model = $model and version = $version "
            "and ($since is null or ts >= $since) and client is distinct from 'cdml-probe'",
            {"model": model, "version": version, "since": naive(since) if since else None},
        ).fetchone()
    return int(row[0]) if row else 0


def _arrays(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    columns = zip(*rows, strict=True)
    return {
        name: np.array(column, dtype=object) for name, column in zip(names, columns, strict=True)
    }


def _matrix(column: Any) -> Any:
    return (
        np.array([list(a) for a in column], dtype=np.float64) if len(column) else np.empty((0, 1))
    )
