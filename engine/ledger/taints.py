"""Taints in the ledger: what is not trusted, by whom and why, and when it was lifted."""

import sqlite3
from threading import RLock

from engine.wire import Taint


class Taints:
    """The table of taints, over the ledger's own connection and lock."""

    def __init__(self, db: sqlite3.Connection, lock: RLock) -> None:
        self._db = db
        self._lock = lock

    def all(self, model: str) -> list[Taint]:
        """Return every taint of a model, the lifted ones too, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "select * from taints where model = ? order by id", (model,)
            ).fetchall()
        return [
            Taint(
                number=r["id"],
                model=model,
                owner=r["owner"],
                reason=r["reason"],
                since=r["since"],
                from_=r["time_from"],
                to=r["time_to"],
                batch=r["batch"],
                version=r["version"],
                lifted=r["lifted"],
            )
            for r in rows
        ]

    def standing(self, model: str) -> list[Taint]:
        """Return the taints that nobody lifted, oldest first."""
        return [t for t in self.all(model) if t.lifted is None]

    def add(self, taint: Taint) -> int:
        """Write a taint and return its number; only inside a change."""
        with self._lock:
            number = self._db.execute(
                "insert into taints (model, time_from, time_to, batch, version, owner, reason, "
                "since) values (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    taint.model,
                    taint.from_,
                    taint.to,
                    taint.batch,
                    taint.version,
                    taint.owner,
                    taint.reason,
                    taint.since,
                ),
            ).lastrowid
        return number or 0

    def lift(self, number: int, now: str | None) -> None:
        """Mark a taint as lifted; only inside a change."""
        with self._lock:
            self._db.execute("update taints set lifted = ? where id = ?", (now, number))
