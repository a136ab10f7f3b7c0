"""What was delivered: batches with their digests and verdicts, and the columns of a model."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from engine.durable import replace_whole
from engine.store.connection import Store, naive, zoned
from engine.wire import BatchFinding

NOTE = ".batch.json"


@dataclass(frozen=True, slots=True)
class Batch:
    """One delivered file. `batch` is the snapshot's digest, `source` the file's own.

    A file of labels stands here only while or after it was set aside.
    """

    batch: str
    model: str
    file: str
    source: str
    received: datetime
    rows: int
    time_from: datetime | None
    time_to: datetime | None
    verdict: str
    reasons: list[str]
    findings: list[BatchFinding] = field(default_factory=list)
    kind: Literal["rows", "labels"] = "rows"


class _Note(msgspec.Struct, frozen=True):
    """A batch as it is noted beside its rows, where damage to the store does not reach."""

    batch: Batch
    columns: dict[str, str]
    query: str = ""


def add(store: Store, batch: Batch, columns: dict[str, str], query: str = "") -> None:
    """Remember a batch and the query it came from; the first one also fixes the model's columns."""
    note(store, batch, columns, query)
    _insert(store, batch, columns, query)


def note(store: Store, batch: Batch, columns: dict[str, str], query: str) -> None:
    """Note a batch beside its rows."""
    text = msgspec.json.encode(_Note(batch, columns, query))
    replace_whole(_place(store, batch), text)


def is_noted(store: Store, batch: Batch) -> bool:
    """Say whether a batch stands beside its rows as it is known."""
    found = _read(_place(store, batch))
    return found is not None and found.batch == batch


def restored(store: Store) -> int:
    """Remember again the batches noted beside their rows that are not known; return how many."""
    with store.read() as db:
        there = set(db.execute("select model, batch from batches").fetchall())
        fixed = {model for (model,) in db.execute("select model from columns").fetchall()}
    notes = [n for path in store.batches.glob(f"*{NOTE}") if (n := _read(path)) is not None]
    lost = [n for n in notes if (n.batch.model, n.batch.batch) not in there]
    for found in sorted(lost, key=lambda n: n.batch.received):
        columns = {} if found.batch.model in fixed else found.columns
        _insert(store, found.batch, columns, found.query)
    return len(lost)


def _place(store: Store, batch: Batch) -> Path:
    # Two models may have been handed the same rows, each with a note of its own.
    return store.batches / f"{batch.model}-{batch.batch}{NOTE}"


def _read(path: Path) -> _Note | None:
    """Return a note, None where it is gone or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Note)
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError):
        return None


def _insert(store: Store, batch: Batch, columns: dict[str, str], query: str) -> None:
    with store.write() as db:
        db.execute(
            "insert into batches values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                batch.batch,
                batch.model,
                batch.file,
                batch.source,
                naive(batch.received),
                batch.rows,
                naive(batch.time_from) if batch.time_from else None,
                naive(batch.time_to) if batch.time_to else None,
                batch.verdict,
                msgspec.json.encode(batch.reasons).decode(),
                msgspec.json.encode(batch.findings).decode(),
                batch.kind,
            ],
        )
        for name, kind in columns.items():
            db.execute("insert into columns values (?, ?, ?)", [batch.model, name, kind])
        if query:
            db.execute(
                "insert or replace into batch_queries values (?, ?, ?)",
                [batch.model, batch.batch, query],
            )


def queries(store: Store, model: str) -> dict[str, str]:
    """Return the queries that batches of a model came from, by batch."""
    with store.read() as db:
        found = db.execute(
            "select batch, query from batch_queries where model = ?", [model]
        ).fetchall()
    return dict(found)


def resolve(store: Store, model: str, batch: str, verdict: str) -> None:
    """Write down what became of a file that stood in quarantine."""
    with store.write() as db:
        db.execute(
            "update batches set verdict = ? where model = ? and batch = ? "
            "and verdict = 'quarantined'",
            [verdict, model, batch],
        )


def columns(store: Store, model: str) -> dict[str, str]:
    """Return the columns of a model, in order; empty before its first batch."""
    with store.read() as db:
        found = db.execute("select name, type from columns where model = ?", [model]).fetchall()
    return dict(found)


def known(store: Store, model: str) -> list[Batch]:
    """Return every batch of a model, oldest first."""
    with store.read() as db:
        found = db.execute(
            "select * from batches where model = ? order by received, rowid", [model]
        ).fetchall()
    return [
        Batch(
            r[0],
            r[1],
            r[2],
            r[3],
            zoned(r[4]) or r[4],
            r[5],
            zoned(r[6]),
            zoned(r[7]),
            r[8],
            msgspec.json.decode(r[9]),
            msgspec.json.decode(r[10], type=list[BatchFinding]),
            r[11],
        )
        for r in found
    ]
