"""A user's query over the files and the one database it was given; nothing else can be reached."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import duckdb

from engine.errors import InvalidError, UnavailableError
from engine.store.confined import connect
from engine.store.connection import naive
from engine.store.files import name_of, reader, text

MEMORY = "512MB"


def query(
    sql: str,
    files: Mapping[str, Sequence[Path]],
    database: Path | None,
    since: datetime | None,
    into: Path,
) -> int:
    """Write what a query returns as Parquet and return the number of rows; run in a job.

    A file's name is a table; `getvariable('since')` is the time of the newest row known so far.
    `into` lies in a folder of its own, the only one that may be written.
    """
    with connect(memory_limit=MEMORY) as db:
        try:
            _given(db, files, database, into.parent)
            db.execute("set variable since = cast(? as timestamp)", [since and naive(since)])
            db.execute("set enable_external_access = false")
            db.execute("set lock_configuration = true")
            # Only the first statement was looked at, and there is no second: no text can end it.
            db.execute(f"create temp view asked_rows as {_one(db, sql)}")
            found = db.execute(
                f"copy (select * from asked_rows) to '{text(into)}' (format parquet)"
            ).fetchone()
        except duckdb.IOException as e:
            raise UnavailableError(_said(e, "Make it readable"), code="source_unreadable") from e
        except duckdb.Error as e:
            raise InvalidError(
                _said(e, "Mend source.sql in cdml.toml"), code="bad_source", field="source.sql"
            ) from e
    return int(found[0]) if found else 0


def _given(
    db: duckdb.DuckDBPyConnection,
    files: Mapping[str, Sequence[Path]],
    database: Path | None,
    folder: Path,
) -> None:
    """Open what was named, and let nothing else be opened later."""
    if database is not None:
        db.execute(f"attach '{text(database)}' as source (read_only)")
    for name, paths in files.items():
        parts = " union all by name ".join(f"select * from {reader(p)}" for p in paths)
        db.execute(f"create view {name_of(name)} as {parts}")
    named = ", ".join(f"'{text(p)}'" for paths in files.values() for p in paths)
    db.execute(f"set allowed_paths = [{named}]")
    # What the query spills goes where its result goes: another folder would become readable.
    db.execute(f"set temp_directory = '{text(folder)}'")
    db.execute(f"set allowed_directories = ['{text(folder)}/']")


def _one(db: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return the one SELECT that a text holds."""
    statements = db.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        kinds = ", ".join(s.type.name for s in statements) or "nothing"
        raise InvalidError(
            f"Asking the source: one SELECT is expected, found {kinds}. Nothing was asked. Mend "
            "source.sql in cdml.toml.",
            code="bad_source",
            field="source.sql",
        )
    return statements[0].query


def _said(e: duckdb.Error, after: str) -> str:
    line = str(e).splitlines()[0][:300] if str(e) else type(e).__name__
    return f'Asking the source: DuckDB says "{line}". Nothing was taken in. {after}.'
