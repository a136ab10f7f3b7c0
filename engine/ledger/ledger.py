"""Control truth: versions, roles, locks, due times, events. Decides nothing.

Every change is one transaction with its audit entry (change.py).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
from engine.ledger.alerts import Alerts
from engine.ledger.change import Actor, Change
from engine.ledger.connection import connect, damage, reading
from engine.ledger.incidents import Incidents, inert
from engine.ledger.past import rewound
from engine.ledger.rollbacks import Rollbacks
from engine.ledger.rows import entry_of, read_locks, read_roles
from engine.ledger.suppressed import Suppressions
from engine.ledger.taints import Taints
from engine.upgrading import Before
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

    def __init__(
        self,
        place: Path | sqlite3.Connection,
        *,
        readonly: bool = False,
        before: Before | None = None,
    ) -> None:
        self._db: sqlite3.Connection = (
            connect(place, readonly=readonly, before=before) if isinstance(place, Path) else place
        )
        self._lock = RLock()
        self.alerts = Alerts(self._db, self._lock)
        self.incidents = Incidents(self._db, self._lock)
        self.rollbacks = Rollbacks(self._db, self._lock)
        self.suppressed = Suppressions(self._db, self._lock)
        self.taints = Taints(self._db, self._lock)

    def as_of(self, moment: datetime) -> "Ledger":
        """Return the ledger as it stood at a moment, a copy that can only be read."""
        with self._lock:
            return Ledger(rewound(self._db, moment))

    def copy_to(self, path: Path) -> None:
        """Copy the ledger as it stands into a file of its own, which no engine has open."""
        with self._lock, closing(sqlite3.connect(path)) as copy:
            self._db.backup(copy)
            with copy:
                copy.execute("insert or replace into meta values ('engine', '')")

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
        row = self._one("select entry from audit where key = ?", key)
        return msgspec.json.decode(row["entry"]).get("answer") if row else None

    def first_use(self, key: str) -> AuditEntry | None:
        """Return the entry of the change that an idempotency key was used for."""
        row = self._one("select * from audit where key = ?", key)
        return entry_of(row) if row else None

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

    def swap_meta(self, key: str, old: str, new: str) -> bool:
        """Replace a fact only where it still is the old one; say whether it was."""
        with self._lock:
            try:
                sql = "update meta set value = ? where key = ? and value = ?"
                return old == new or self._db.execute(sql, (new, key, old)).rowcount == 1
            except sqlite3.OperationalError as e:
                raise _unwritable(e) from e

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
        """Write one fact for people: on one line, with nothing in it that a terminal obeys."""
        text = inert(text)
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

    def forget_events(self, before: datetime) -> int:
        """Delete the events before a moment; return how many. The audit chain keeps all changes."""
        row = self._one("select count(*) as n from events where time < ?", iso(before))
        self._write("delete from events where time < ?", iso(before))
        return row["n"] if row else 0

    def last_event(self) -> int:
        """Return the id of the newest event, 0 where there is none."""
        row = self._one("select max(id) as id from events")
        return (row["id"] or 0) if row else 0

    # -- audit

    def audit_entries(self, *, limit: int = 100) -> list[AuditEntry]:
        """Return the newest entries, oldest first."""
        rows = self._all("select * from audit order by seq desc limit ?", limit)
        return [entry_of(r) for r in reversed(rows)]

    def last_change(self, model: str) -> AuditEntry | None:
        """Return the newest entry that moved a model's roles or locks, or tainted something."""
        row = self._one(
            "select * from audit where json_extract(entry, '$.model') = ? and ("
            "json_extract(entry, '$.generation_after') > json_extract(entry, '$.generation_before')"
            " or json_extract(entry, '$.detail.locks_after') is not "
            "json_extract(entry, '$.detail.locks_before') "
            "or json_extract(entry, '$.action') in ('taint', 'lift')) order by seq desc limit 1",
            model,
        )
        return entry_of(row) if row else None

    def judged(self, model: str, version: str) -> AuditEntry | None:
        """Return the newest entry that judged a version."""
        row = self._one(
            "select * from audit where json_extract(entry, '$.model') = ? "
            "and json_extract(entry, '$.detail.report') is not null "
            "and json_extract(entry, '$.detail.fitness.\"' || ? || '\"') is not null "
            "order by seq desc limit 1",
            model,
            version,
        )
        return entry_of(row) if row else None

    def last_move(self, model: str) -> AuditEntry | None:
        """Return the entry that made the present champion so."""
        row = self._one(
            "select * from audit where json_extract(entry, '$.model') = ? "
            "and json_extract(entry, '$.to_version') is not json_extract(entry, '$.from_version') "
            "order by seq desc limit 1",
            model,
        )
        return entry_of(row) if row else None

    def automatic_actions(self, model: str, since: datetime) -> int:
        """Return how often nobody but the engine moved who answers a model since then."""
        row = self._one(
            "select count(*) as n from audit where json_extract(entry, '$.model') = ? "
            "and json_extract(entry, '$.action') in ('canary', 'promote', 'rollback', 'abort') "
            "and json_extract(entry, '$.detail.actor.kind') <> 'human' "
            "and json_extract(entry, '$.time') > ?",
            model,
            iso(since),
        )
        return int(row["n"]) if row else 0

    def damage(self) -> str:
        """Return what is wrong with the file itself, an empty text where nothing is."""
        with self._lock:
            return damage(self._db)

    def audit_fault(self) -> str | None:
        """Verify the whole chain, its remembered head, and that it adds up to the present state.

        Return what is wrong, or None.
        """
        with self._lock:
            rows = self._all("select * from audit order by seq")
            columns = ("seq", "entry", "prev_hash", "hash", "key", "answer")
            found = audit.fault(tuple(r[c] for c in columns) for r in rows)
            if found is None and (self.meta("audit_head") or audit.GENESIS) != self.audit_head():
                return "entries at the end are missing: the last hash is not the remembered head"
            return found or self._state_fault(audit.folded(r["entry"] for r in rows))

    def _state_fault(self, chain: dict[str, audit.Folded]) -> str | None:
        """Return where the tables say something else than the chain adds up to, or None."""
        locked = {r["model"] for r in self._all("select distinct model from locks")}
        for model in sorted({*chain, *self.models(), *locked}):
            told = chain.get(model, audit.Folded())
            roles, locks = self.roles(model), self.locks(model)
            fitness = {v.version: v.fitness.value for v in self.versions(model)}
            if msgspec.convert(told.roles, type=Roles) != roles:
                found, said = f"its champion is {roles.champion}", told.roles.get("champion")
                return (
                    f"{model} is not as the chain says: {found}, generation {roles.generation}; "
                    f"the chain leads to {said}, generation {told.roles.get('generation', 0)}"
                )
            if msgspec.convert(told.locks, type=list[Lock]) != locks:
                return f"the locks of {model} are not those that the chain leads to"
            wrong = [v for v in {*fitness, *told.fitness} if fitness.get(v) != told.fitness.get(v)]
            if wrong:
                return f"the fitness of {min(wrong)} of {model} is not as the chain says"
        return None

    def entries(self) -> list[AuditEntry]:
        """Return the whole audit, oldest first."""
        return [entry_of(r) for r in self._all("select * from audit order by seq")]

    def entries_after(self, seq: int, limit: int) -> list[AuditEntry]:
        """Return the first entries after one, oldest first."""
        rows = self._all("select * from audit where seq > ? order by seq limit ?", seq, limit)
        return [entry_of(r) for r in rows]

    def audit_head(self) -> str:
        """Return the hash of the newest entry."""
        row = self._one("select hash from audit order by seq desc limit 1")
        return row["hash"] if row else audit.GENESIS

    # -- plumbing

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        with self._lock, reading():
            row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
            return row

    def _all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self._lock, reading():
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
