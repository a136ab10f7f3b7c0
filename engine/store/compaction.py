"""The room that a store's file takes against what lives in it, and the copy that gives it back."""

import os
from collections.abc import Mapping
from pathlib import Path

import duckdb

# Tables whose rows are found again by their place; a copy numbers rows from nothing.
PLACED = ("predictions", "labels")
# The bulk of a store. Rows of it only come, but for those that retention lets go of.
ANSWERS = "predictions"


def blocks(db: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Return the bytes of the file and those of them that hold nothing."""
    found = db.execute(
        "select block_size * total_blocks, block_size * free_blocks from pragma_database_size() "
        "where database_name = current_database()"
    ).fetchall()
    total, free = found[0]
    return int(total), int(free)


def begun(db: duckdb.DuckDBPyConnection, to: Path) -> int:
    """Attach a new file as `fresh` and copy the answers there are so far; return the last place.

    Others may write meanwhile: answers only come, and only retention, which asks for this, lets go
    of any.
    """
    name = str(to).replace("'", "''")
    db.execute(f"attach '{name}' as fresh")
    own = _own(db)
    db.execute(f'copy from database "{own}" to fresh (schema)')
    upto = _last(db, f'"{own}".main.{ANSWERS}')
    _answers(db, own, f"<= {upto}")
    db.execute("checkpoint fresh")
    return upto


def finished(db: duckdb.DuckDBPyConnection, to: Path, upto: int, shifts: Mapping[str, int]) -> None:
    """Copy all else while nobody writes; the new file is on the disk when this returns.

    The last row of a table keeps its place, and so do those before it that lie as close together.
    """
    own = _own(db)
    _answers(db, own, f"> {upto}")
    here, there = (_count(db, f'"{one}".main.{ANSWERS}') for one in (own, "fresh"))
    if here != there:  # answers were numbered anew meanwhile
        db.execute(f"delete from fresh.main.{ANSWERS}")
        _answers(db, own, ">= 0")
    tables = db.execute(
        "select table_name from duckdb_tables() where database_name = ? and table_name <> ?",
        [own, ANSWERS],
    ).fetchall()
    for (table,) in tables:
        db.execute(f'insert into fresh.main."{table}" select * from "{own}".main."{table}"')
    _count_on(db, own)
    for table in PLACED:
        before, after = (_last(db, f'"{one}".main.{table}') for one in (own, "fresh"))
        shift = shifts.get(table, 0) + before - after
        db.execute("insert or replace into fresh.main.shifts values (?, ?)", [table, shift])
    db.execute("checkpoint fresh")
    db.execute("detach fresh")
    sync_file(to)


def given_up(db: duckdb.DuckDBPyConnection) -> None:
    """Let go of a new file that was not finished."""
    db.execute("detach database if exists fresh")


def _own(db: duckdb.DuckDBPyConnection) -> str:
    (own,) = db.execute("select current_database()").fetchone() or ("",)
    return str(own)


def _answers(db: duckdb.DuckDBPyConnection, own: str, places: str) -> None:
    db.execute(
        f'insert into fresh.main.{ANSWERS} select * from "{own}".main.{ANSWERS} '
        f"where rowid {places}"
    )


def _count_on(db: duckdb.DuckDBPyConnection, own: str) -> None:
    """Have sequences of the new file go on where those of the old one are by now."""
    found = db.execute(
        "select a.sequence_name, coalesce(a.last_value, 0) - coalesce(b.last_value, 0) "
        "from duckdb_sequences() a join duckdb_sequences() b using (sequence_name) "
        "where a.database_name = ? and b.database_name = 'fresh'",
        [own],
    ).fetchall()
    for name, behind in found:
        db.execute(f"select max(nextval('fresh.main.{name}')) from range({int(behind)})")


def sync_file(path: Path) -> None:
    """Have a file's bytes on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _last(db: duckdb.DuckDBPyConnection, table: str) -> int:
    row = db.execute(f"select max(rowid) from {table}").fetchone()
    return -1 if row is None or row[0] is None else int(row[0])


def _count(db: duckdb.DuckDBPyConnection, table: str) -> int:
    row = db.execute(f"select count(*) from {table}").fetchone()
    return int(row[0]) if row else 0
