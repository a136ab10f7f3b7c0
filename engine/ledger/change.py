"""One change of the ledger: what may be written inside its transaction, and its audit entry."""

import sqlite3
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from engine.domain.lifecycle import Event, Fitness, after
from engine.domain.roles import Roles, safe_mode_of
from engine.ledger import audit
from engine.ledger.incidents import gather
from engine.ledger.rows import read_locks, read_roles
from engine.wire import GateReport, Lock


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it: a person with the uid that the socket proved, or a part of the engine.

    `tty` is the person's terminal by the kernel's word, `ssh` the address by that of the caller.
    """

    kind: str
    name: str
    uid: int | None = None
    pid: int | None = None
    tty: str | None = None
    ssh: str | None = None

    def __str__(self) -> str:
        return self.name


ENGINE = Actor("engine", "engine")
# What changes neither roles nor locks; an incident gathers the rest.
_UNNOTED = (
    *("register", "validate", "judge", "prove", "verify", "assess"),
    *("upload", "upload_labels", "reload", "stop", "backup", "incident"),
)


class Change:
    """The inside of one transaction. `answer` is kept for whoever asks again by the same key."""

    def __init__(
        self,
        db: sqlite3.Connection,
        actor: Actor,
        action: str,
        model: str | None,
        now: str,
        wall: str,
        reason: str,
        key: str | None,
    ) -> None:
        self._db = db
        self._head = (actor, action, model, now, wall, reason)
        self._key = key
        self._model = model
        self.model = model
        self.now = now
        self.detail: dict[str, Any] = {}
        self.answer: Any = None
        self._fitness: dict[str, tuple[str, str]] = {}
        self.dropped = False
        self.roles = read_roles(db, model or "")
        self._before = (self.roles, read_locks(db, model or ""))
        row = db.execute("select max(seq) as seq from audit").fetchone()
        self.seq: int = (row["seq"] or 0) + 1

    def drop(self) -> None:
        """Leave the world as it was: nothing of this change is kept, no entry is written."""
        self.dropped = True

    def set_roles(self, roles: Roles) -> None:
        """Move all roles of the model at once."""
        self._db.execute(
            "insert into models values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0) on conflict (model) do "
            "update set generation = excluded.generation, champion = excluded.champion, "
            "canary = excluded.canary, canary_share_pct = excluded.canary_share_pct, "
            "shadow = excluded.shadow, standby = excluded.standby, anchor = excluded.anchor, "
            "salt = excluded.salt",
            (
                self._model,
                roles.generation,
                roles.champion,
                roles.canary,
                roles.canary_share_pct,
                roles.shadow,
                msgspec.json.encode(roles.standby).decode(),
                roles.anchor,
                roles.salt,
            ),
        )
        self.roles = roles

    def add_version(self, run: str, created_at: str, *, beside: str | None = None) -> str:
        """Begin a version of the model and return its name, v1, v2, ...

        The safe mode trained `beside` a version is named after it.
        """
        self.set_roles(self.roles)
        if beside is None:
            row = self._db.execute(
                "update models set last_version = last_version + 1 where model = ? "
                "returning last_version",
                (self._model,),
            ).fetchone()
        version = safe_mode_of(beside) if beside else f"v{row['last_version']}"
        self._db.execute(
            "insert into versions values (?, ?, ?, null, null, null, ?, ?, null, null, ?, 0)",
            (self._model, version, Fitness.BUILDING, created_at, run, self.roles.generation),
        )
        self._fitness[version] = ("", Fitness.BUILDING)
        return version

    def seal_version(
        self, version: str, manifest: str, trained_from: str, trained_to: str, *, safe_mode: bool
    ) -> None:
        """Name the signed manifest of a version; it is immutable from here on."""
        self._db.execute(
            "update versions set manifest = ?, trained_from = ?, trained_to = ?, safe_mode = ? "
            "where model = ? and version = ?",
            (manifest, trained_from, trained_to, safe_mode, self._model, version),
        )
        self.happened(version, Event.SEALED)

    def fitness_of(self, version: str) -> Fitness:
        """Return what the evidence says of a version now."""
        row = self._db.execute(
            "select fitness from versions where model = ? and version = ?", (self._model, version)
        ).fetchone()
        return Fitness(row["fitness"])

    def happened(self, version: str, event: Event) -> Fitness:
        """Apply a lifecycle event to a version and return its new fitness."""
        before = self.fitness_of(version)
        fitness = after(before, event)
        self._set_fitness(version, before, fitness)
        return fitness

    def restore_fitness(self, version: str, fitness: Fitness) -> None:
        """Put a fitness back as it was; only undo does this."""
        self._set_fitness(version, self.fitness_of(version), fitness)

    def _set_fitness(self, version: str, before: Fitness, fitness: Fitness) -> None:
        self._db.execute(
            "update versions set fitness = ? where model = ? and version = ?",
            (fitness, self._model, version),
        )
        first = self._fitness.get(version, (before.value, ""))[0]
        self._fitness[version] = (first, fitness.value)

    def judge(self, version: str, report: GateReport) -> None:
        """Keep a gate report with its version, and in the audit as the evidence it is."""
        self.detail["report"] = msgspec.to_builtins(report)
        self._db.execute(
            "update versions set verdict = ?, report = ? where model = ? and version = ?",
            (report.verdict, msgspec.json.encode(report).decode(), self._model, version),
        )

    def lock(self, lock: Lock) -> None:
        """Set a lock; one of the same kind is replaced."""
        self._db.execute(
            "insert or replace into locks values (?, ?, ?, ?, ?, ?)",
            (self._model, lock.kind, lock.owner, lock.reason, lock.since, lock.version),
        )

    def standing(self) -> list[Lock]:
        """Return the locks as they stand inside this transaction."""
        return read_locks(self._db, self._model or "")

    def unlock(self, kind: str) -> None:
        """Lift a lock."""
        self._db.execute("delete from locks where model = ? and kind = ?", (self._model, kind))

    def seal(self) -> None:
        """Write the audit entry: who, what, why, and the state before and after."""
        actor, action, model, now, wall, reason = self._head
        roles, locks = self.roles, self.standing()
        before, locks_before = self._before
        entry = {
            "time": now,
            "wall": wall,
            "actor": str(actor),
            "action": action,
            "model": model,
            "from_version": before.champion,
            "to_version": roles.champion,
            "generation_before": before.generation,
            "generation_after": roles.generation,
            "reason": reason,
            "key": self._key,
            "answer": None if self.answer is None else msgspec.to_builtins(self.answer),
            "detail": {
                "actor": asdict(actor),
                "roles_before": asdict(before),
                "roles_after": asdict(roles),
                "fitness": self._fitness,
                "locks_before": [msgspec.to_builtins(k) for k in locks_before],
                "locks_after": [msgspec.to_builtins(k) for k in locks],
                **self.detail,
            },
        }
        text = audit.canonical(entry)
        last = self._db.execute("select hash from audit order by seq desc limit 1").fetchone()
        prev_hash = last["hash"] if last else audit.GENESIS
        head = audit.link(prev_hash, text)
        # The key stands beside its entry only to be looked up; the answer is read from the entry.
        self._db.execute(
            "insert into audit values (?, ?, ?, null, ?, ?)",
            (self.seq, text, self._key, prev_hash, head),
        )
        self._db.execute("insert or replace into meta values ('audit_head', ?)", (head,))
        if action not in _UNNOTED:
            gather(self._db, model, now, str(actor), self._said())

    def _said(self) -> str:
        """Return the change in a line, as the timeline of an incident keeps it."""
        _, action, _, _, _, reason = self._head
        before, after = self._before[0].champion, self.roles.champion
        said = getattr(self.answer, "message", "")
        if before != after:
            said = f"{before or 'none'} -> {after or 'none'}"
        return f"{': '.join(filter(None, (action, said, reason)))} (audit {self.seq})"
