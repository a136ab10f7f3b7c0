"""Incidents in the ledger: one open at a time per model, and the notes that gather on each."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from engine.errors import UnavailableError
from engine.wire import IncidentNote, IncidentRow

LONGEST = 2000


class Incidents:
    """The two tables of incidents, over the ledger's own connection and lock."""

    def __init__(self, db: sqlite3.Connection, lock: RLock) -> None:
        self._db = db
        self._lock = lock

    def open(self, model: str, title: str, version: str | None, now: str) -> tuple[int, bool]:
        """Return the number of a model's open incident and whether it was opened just now."""
        with self._writing():
            made = self._db.execute(
                "insert into incidents (model, version, title, opened, seq) "
                "select ?, ?, ?, ?, coalesce((select max(seq) from audit), 0) "
                "where not exists (select 1 from incidents where model = ? and closed is null)",
                (model, version, inert(title), now, model),
            ).rowcount
            found = self.standing(model)
        assert found is not None
        return found.number, made == 1

    def standing(self, model: str) -> IncidentRow | None:
        """Return the open incident of a model, or None."""
        return self._first("where model = ? and closed is null order by id desc", model)

    def of_number(self, number: int) -> IncidentRow | None:
        """Return one incident, or None."""
        return self._first("where id = ?", number)

    def newest(self, limit: int = 100) -> list[IncidentRow]:
        """Return the newest incidents, newest first."""
        with self._lock:
            rows = self._db.execute("select * from incidents order by id desc limit ?", (limit,))
            return [_row(r) for r in rows.fetchall()]

    def close(self, number: int, now: str) -> bool:
        """Close an incident; say whether it was open."""
        with self._writing():
            sql = "update incidents set closed = ? where id = ? and closed is null"
            return self._db.execute(sql, (now, number)).rowcount == 1

    def note(self, number: int, now: str, author: str, kind: str, text: str) -> None:
        """Add to the timeline of an incident."""
        with self._writing():
            self._db.execute(
                "insert into incident_notes (incident, time, author, kind, text) "
                "values (?, ?, ?, ?, ?)",
                (number, now, inert(author), kind, inert(text)),
            )

    def notes(self, number: int) -> list[IncidentNote]:
        """Return the timeline of an incident, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "select * from incident_notes where incident = ? order by id", (number,)
            ).fetchall()
        return [IncidentNote(r["time"], r["author"], r["kind"], r["text"]) for r in rows]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.OperationalError as e:
                raise UnavailableError(
                    f'Writing on an incident: SQLite says "{e}". Nothing was written. Free disk '
                    "space and say it again.",
                    code="ledger_unavailable",
                ) from e

    def _first(self, tail: str, *values: object) -> IncidentRow | None:
        with self._lock:
            row = self._db.execute(f"select * from incidents {tail} limit 1", values).fetchone()
        return _row(row) if row else None


def gather(db: sqlite3.Connection, model: str | None, now: str, author: str, text: str) -> None:
    """Add a change to the open incident of its model, in the change's own transaction.

    A change of the whole engine concerns every open one.
    """
    db.execute(
        "insert into incident_notes (incident, time, author, kind, text) "
        "select id, ?, ?, 'action', ? from incidents "
        "where closed is null and (model = ? or ? = '*')",
        (now, author, inert(text), model, model),
    )


def inert(text: str) -> str:
    """Return a text on one line without control characters, not longer than is read."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(plain.split())[:LONGEST]


def _row(row: sqlite3.Row) -> IncidentRow:
    return IncidentRow(
        row["id"],
        row["model"],
        row["version"],
        row["title"],
        row["opened"],
        row["closed"],
        row["seq"],
    )
