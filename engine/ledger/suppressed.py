"""What locks have stopped, counted until the lock is lifted."""

import sqlite3
from contextlib import suppress
from threading import RLock

from engine.wire import Suppressed


class Suppressions:
    """The table of what locks stopped, over the ledger's own connection and lock."""

    def __init__(self, db: sqlite3.Connection, lock: RLock) -> None:
        self._db = db
        self._lock = lock

    def count(self, model: str, lock: str, action: str, now: str) -> None:
        """Count an action that a lock stopped; on a full disk the count is lost, nothing else."""
        with self._lock, suppress(sqlite3.OperationalError):
            self._db.execute(
                "insert into suppressed values (?, ?, ?, 1, ?, ?) on conflict do update set "
                "count = count + 1, last = excluded.last",
                (model, lock, action, now, now),
            )

    def by(self, model: str, lock: str) -> list[Suppressed]:
        """Return what a kind of lock has stopped for a model, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "select * from suppressed where model = ? and lock = ? order by first, action",
                (model, lock),
            ).fetchall()
        return [Suppressed(r["action"], r["count"], r["first"], r["last"]) for r in rows]

    def forget(self, model: str, lock: str, actions: list[str]) -> None:
        """Forget what was stopped: the lock is lifted, or it was made up for."""
        with self._lock:
            self._db.executemany(
                "delete from suppressed where model = ? and lock = ? and action = ?",
                [(model, lock, action) for action in actions],
            )
