"""Rollbacks as the audit has them: how many, of which model, on whose behalf. Decides nothing."""

import sqlite3
from threading import RLock


class Rollbacks:
    """A view of the audit, over the ledger's own connection and lock."""

    def __init__(self, db: sqlite3.Connection, lock: RLock) -> None:
        self._db = db
        self._lock = lock

    def since(self, seq: int) -> tuple[int, list[tuple[str, str]]]:
        """Return the newest entry's number, and model and kind of actor of rollbacks after one."""
        with self._lock:
            last = self._db.execute("select max(seq) as seq from audit").fetchone()["seq"] or 0
            rows = self._db.execute(
                "select json_extract(entry, '$.model') as model, "
                "json_extract(entry, '$.detail.actor.kind') as cause from audit "
                "where seq > ? and seq <= ? and json_extract(entry, '$.action') = 'rollback'",
                (seq, last),
            ).fetchall()
        return last, [(row["model"], row["cause"] or "unknown") for row in rows]
