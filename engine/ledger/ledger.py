"""Control truth: versions, roles, locks, due times, events. Decides nothing.

Every change is one transaction with its audit entry (change.py).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any

import msgspec

from engine.clock import iso, parse_time
from engine.domain.lifecycle import Fitness
from engine.domain.roles import Roles
from engine.errors import UnavailableError, UnknownError
from engine.ledger import audit
from engine.ledger.change import Actor, Change
from engine.ledger.connection import connect
from engine.ledger.rows import read_locks, read_roles
from engine.wire import AuditEntry, EventRow, GateReport, Lock


@dataclass(frozen=True, slots=True)
class Version:
    """One version as the ledger keeps it; `manifest` is the digest of its signed manifest."""

    model: str
    version: str
    fitness: Fitness
    manifest: str | None
    trained_from: str | None
    trained_to: str | None
    created_at: str
    run: str
    verdict: str | None
    report: GateReport | None
    generation: int
    safe_mode: bool


class Ledger:
    """One connection under one lock: a read takes microseconds, a commit under 1 ms."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self._db = connect(path, readonly=readonly)
        self._lock = RLock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    # -- changes

    @contextmanager
    def change(
        self,
        actor: Actor,
        action: str,
        model: str | None,
        *,
        now: datetime,
        wall: datetime,
        reason: str = "",
        key: str | None = None,
    ) -> Iterator[Change]:
        """Open the one transaction of a change; its audit entry is written on leaving it.

        An exception rolls everything back, the entry included; so does `Change.drop`.
        """
        with self._lock:
            try:
                self._db.execute("begin immediate")
                change = Change(
                    self._db, actor, action, model, iso(now), iso(wall), reason, key or None
                )
                yield change
                if change.dropped:
                    self._db.execute("rollback")
                    return
                change.seal()
                self._db.execute("commit")
            except BaseException as e:
                # A full disk has SQLite roll back by itself.
                if self._db.in_transaction:
                    self._db.execute("rollback")
                if isinstance(e, sqlite3.OperationalError):
                    raise _unwritable(e) from e
                raise

    def answered(self, key: str) -> Any | None:
        """Return the answer already given to an idempotency key, or None."""
        row = self._one("select answer from audit where key = ?", key)
        return msgspec.json.decode(row["answer"]) if row and row["answer"] else None

    # -- models and versions

    def models(self) -> list[str]:
        """Return the models that the ledger knows."""
        return [r["model"] for r in self._all("select model from models order by model")]

    def roles(self, model: str) -> Roles:
        """Return who serves what."""
        with self._lock:
            return read_roles(self._db, model)

    def generations(self) -> dict[str, int]:
        """Return the generation of every model."""
        return {r["model"]: r["generation"] for r in self._all("select * from models")}

    def version(self, model: str, version: str) -> Version:
        """Return one version; UnknownError where there is none of that name."""
        row = self._one("select * from versions where model = ? and version = ?", model, version)
        if row is None:
            known = ", ".join(v.version for v in self.versions(model)) or "none yet"
            raise UnknownError(
                f'Looking for version "{version[:40]}" of {model}: there is none. Known: {known}.',
                code="unknown_version",
                field="version",
            )
        return _version(row)

    def versions(self, model: str) -> list[Version]:
        """Return all versions of a model, oldest first."""
        rows = self._all("select * from versions where model = ? order by rowid", model)
        return [_version(r) for r in rows]

    def locks(self, model: str) -> list[Lock]:
        """Return the locks that stand on a model."""
        with self._lock:
            return read_locks(self._db, model)

    # -- due times, processes, meta: facts the engine keeps for itself

    def last_due(self, model: str, job: str) -> datetime | None:
        """Return when a schedule was last due and taken."""
        row = self._one("select last_due from due where model = ? and job = ?", model, job)
        return parse_time(row["last_due"]) if row else None

    def set_last_due(self, model: str, job: str, moment: datetime) -> None:
        """Remember that a schedule's due time was taken."""
        self._write("insert or replace into due values (?, ?, ?)", model, job, iso(moment))

    def meta(self, key: str) -> str | None:
        """Return one of the engine's own facts."""
        row = self._one("select value from meta where key = ?", key)
        return row["value"] if row else None

    def set_meta(self, key: str, value: str) -> None:
        """Remember one of the engine's own facts."""
        self._write("insert or replace into meta values (?, ?)", key, value)

    def processes(self) -> dict[str, tuple[int, str]]:
        """Return run -> (pid, start time) of the job processes not yet seen to end."""
        rows = self._all("select * from processes")
        return {r["run"]: (r["pid"], r["started"]) for r in rows}

    def process_began(self, run: str, pid: int, started: str) -> None:
        """Remember a job process so that an orphan can be swept."""
        self._write("insert or replace into processes values (?, ?, ?)", run, pid, started)

    def process_ended(self, run: str) -> None:
        """Forget a job process."""
        self._write("delete from processes where run = ?", run)

    # -- events

    def tell(self, now: datetime, level: str, kind: str, model: str | None, text: str) -> EventRow:
        """Write one fact for people."""
        sql = "insert into events (time, level, kind, model, text) values (?, ?, ?, ?, ?)"
        number = self._write(sql, iso(now), level, kind, model, text)
        return EventRow(number, iso(now), level, kind, model, text)  # type: ignore[arg-type]

    def events(self, *, after: int = 0, limit: int = 200) -> list[EventRow]:
        """Return the newest `limit` events after an id, oldest first."""
        rows = self._all(
            "select * from (select * from events where id > ? order by id desc limit ?) "
            "order by id",
            after,
            limit,
        )
        return [EventRow(**dict(r)) for r in rows]

    def events_after(self, after: int, limit: int) -> list[EventRow]:
        """Return the first `limit` events after an id, so that a reader who goes on misses none."""
        rows = self._all("select * from events where id > ? order by id limit ?", after, limit)
        return [EventRow(**dict(r)) for r in rows]

    def last_event(self) -> int:
        """Return the id of the newest event, 0 where there is none."""
        row = self._one("select max(id) as id from events")
        return (row["id"] or 0) if row else 0

    # -- audit

    def audit_entries(self, *, limit: int = 100) -> list[AuditEntry]:
        """Return the newest entries, oldest first."""
        rows = self._all("select * from audit order by seq desc limit ?", limit)
        return [_entry(r) for r in reversed(rows)]

    def last_change(self, model: str) -> AuditEntry | None:
        """Return the newest entry that moved a model's roles or locks."""
        row = self._one(
            "select * from audit where json_extract(entry, '$.model') = ? "
            "and json_extract(entry, '$.action') not in ('register', 'validate', 'judge', 'prove') "
            "order by seq desc limit 1",
            model,
        )
        return _entry(row) if row else None

    def last_move(self, model: str) -> AuditEntry | None:
        """Return the entry that made the present champion so."""
        row = self._one(
            "select * from audit where json_extract(entry, '$.model') = ? "
            "and json_extract(entry, '$.to_version') is not json_extract(entry, '$.from_version') "
            "order by seq desc limit 1",
            model,
        )
        return _entry(row) if row else None

    def audit_fault(self) -> str | None:
        """Verify the whole chain against its remembered head; return what is wrong, or None."""
        rows = self._all("select seq, entry, prev_hash, hash from audit order by seq")
        chain = [(r["seq"], r["entry"], r["prev_hash"], r["hash"]) for r in rows]
        found = audit.fault(chain)
        if found is None and (self.meta("audit_head") or audit.GENESIS) != self.audit_head():
            return "entries at the end are missing: the last hash is not the remembered head"
        return found

    def audit_head(self) -> str:
        """Return the hash of the newest entry."""
        row = self._one("select hash from audit order by seq desc limit 1")
        return row["hash"] if row else audit.GENESIS

    # -- plumbing

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        with self._lock:
            row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
            return row

    def _all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _write(self, sql: str, *values: object) -> int:
        with self._lock:
            try:
                return self._db.execute(sql, values).lastrowid or 0
            except sqlite3.OperationalError as e:
                raise _unwritable(e) from e


def _unwritable(fault: sqlite3.OperationalError) -> UnavailableError:
    return UnavailableError(
        f'Writing to the ledger: SQLite says "{fault}". Nothing was changed. Free disk space, or '
        "end the program that holds ledger.sqlite, and ask again.",
        code="ledger_unavailable",
    )


def _version(row: sqlite3.Row) -> Version:
    report = row["report"]
    return Version(
        row["model"],
        row["version"],
        Fitness(row["fitness"]),
        row["manifest"],
        row["trained_from"],
        row["trained_to"],
        row["created_at"],
        row["run"],
        row["verdict"],
        msgspec.json.decode(report, type=GateReport) if report else None,
        row["generation"],
        bool(row["safe_mode"]),
    )


def _entry(row: sqlite3.Row) -> AuditEntry:
    fields = msgspec.json.decode(row["entry"], type=dict[str, Any])
    return msgspec.convert(
        fields | {"seq": row["seq"], "prev_hash": row["prev_hash"], "hash": row["hash"]},
        type=AuditEntry,
    )
