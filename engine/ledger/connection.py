"""Opening ledger.sqlite: WAL, synchronous=FULL, numbered migrations. Holds no rule."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from engine.errors import CorruptError, RefusedError, UnavailableError
from engine.upgrading import Before

MIGRATIONS = [
    """
    create table meta (key text primary key, value text not null) strict;
    create table models (
        model text primary key, generation integer not null, champion text, canary text,
        canary_share_pct real not null, shadow text, standby text not null, anchor text,
        salt text not null, last_version integer not null
    ) strict;
    create table versions (
        model text not null, version text not null, fitness text not null, manifest text,
        trained_from text, trained_to text, created_at text not null, run text not null,
        verdict text, report text, generation integer not null, safe_mode integer not null,
        primary key (model, version)
    ) strict;
    create table locks (
        model text not null, kind text not null, owner text not null, reason text not null,
        since text not null, primary key (model, kind)
    ) strict;
    create table due (
        model text not null, job text not null, last_due text not null,
        primary key (model, job)
    ) strict;
    create table audit (
        seq integer primary key, entry text not null, key text unique, answer text,
        prev_hash text not null, hash text not null
    ) strict;
    create table events (
        id integer primary key autoincrement, time text not null, level text not null,
        kind text not null, model text, text text not null
    ) strict;
    create table processes (run text primary key, pid integer not null, started text not null)
        strict;
    """,
    """
    alter table locks add column version text;
    create table suppressed (
        model text not null, lock text not null, action text not null, count integer not null,
        first text not null, last text not null, primary key (model, lock, action)
    ) strict;
    create table taints (
        id integer primary key autoincrement, model text not null, time_from text, time_to text,
        batch text, version text, owner text not null, reason text not null, since text not null,
        lifted text
    ) strict;
    create table incidents (
        id integer primary key autoincrement, model text not null, version text,
        title text not null, opened text not null, closed text, seq integer not null
    ) strict;
    create table incident_notes (
        id integer primary key autoincrement, incident integer not null, time text not null,
        author text not null, kind text not null, text text not null
    ) strict;
    """,
    """
    create table alerts (
        id integer primary key autoincrement, model text not null, kind text not null,
        name text not null, version text not null, severity text not null, since text not null,
        seen text not null, looks integer not null, opened text, ended text,
        why_ended text not null, told text, finding text not null, acked text, muted text,
        calm integer not null
    ) strict;
    create index alerts_standing on alerts (model) where ended is null;
    delete from meta where key like 'breach:%';
    """,
]


def connect(
    path: Path, *, readonly: bool = False, before: Before | None = None
) -> sqlite3.Connection:
    """Open the ledger, migrate it where allowed, and check that its format is ours.

    With `before`, a copy of a ledger of an older format is kept there first.
    """
    if readonly and not path.exists():
        raise UnavailableError(
            f'Opening the ledger "{path}": it is not there. Create the workspace with cdml init.',
            code="no_ledger",
        )
    if path.exists() and not os.access(path, os.R_OK):
        raise UnavailableError(
            f'Opening the ledger "{path}": Permission denied. Nothing was changed. Run it as the '
            "user of the workspace.",
            code="no_permission",
        )
    try:
        connection = sqlite3.connect(
            path, timeout=5.0, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("pragma busy_timeout = 5000")
        found = _format(connection, path)
        if readonly:
            connection.execute("pragma query_only = 1")
        else:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            if before is not None and 0 < found < len(MIGRATIONS):
                with closing(sqlite3.connect(before.place(path))) as copy:
                    connection.backup(copy)
            _migrate(connection, found)
    except sqlite3.DatabaseError as e:
        raise CorruptError(
            f'Opening the ledger "{path}": SQLite says "{e}". Nothing was changed. '
            "Restore it from a backup, or free the file if another program holds it.",
            code="ledger_unreadable",
        ) from e
    return connection


@contextmanager
def reading() -> Iterator[None]:
    """Say in our words that a page of an open ledger is damaged."""
    try:
        yield
    except sqlite3.DatabaseError as e:
        if type(e) is not sqlite3.DatabaseError:
            raise  # of a statement, not of the file
        raise CorruptError(
            f'Reading the ledger: SQLite says "{e}". Nothing was changed. Restore ledger.sqlite '
            "from a backup.",
            code="ledger_unreadable",
        ) from e


def damage(connection: sqlite3.Connection) -> str:
    """Return what SQLite finds wrong with the pages of a ledger; an empty text where nothing is."""
    try:
        (found,) = connection.execute("pragma quick_check(1)").fetchone()
    except sqlite3.DatabaseError as e:
        return str(e)
    return "" if found == "ok" else str(found)


def _format(connection: sqlite3.Connection, path: Path) -> int:
    """Return the format of the file before anything is written to it."""
    found: int = connection.execute("pragma user_version").fetchone()[0]
    if found > len(MIGRATIONS):
        connection.close()
        raise RefusedError(
            f'Opening the ledger "{path}": it has format {found}, this program knows up to '
            f"{len(MIGRATIONS)}. The workspace was made by a newer cdml: install that version. "
            "Nothing was changed. What was upgraded is not taken back: to use this version, "
            "restore a backup, or copy the files of the newest aside/*-upgrade over those of the "
            "workspace.",
            code="newer_workspace",
        )
    return found


def _migrate(connection: sqlite3.Connection, found: int) -> None:
    for number in range(found, len(MIGRATIONS)):
        connection.executescript(
            f"begin immediate; {MIGRATIONS[number]} pragma user_version = {number + 1}; commit;"
        )
