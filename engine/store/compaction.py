"""The room that a store's file takes against what lives in it, and the copy that gives it back."""

import os
from collections.abc import Mapping
from pathlib import Path

import duckdb

# Tables whose rows are found again by their place; a copy numbers rows from nothing.
PLACED = ("predictions", "labels")


def blocks(db: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Return the bytes of the file and those of them that hold nothing."""
    found = db.execute(
        "select block_size * total_blocks, block_size * free_blocks from pragma_database_size() "
        "where database_name = current_database()"
    ).fetchall()
    total, free = found[0]
    return int(total), int(free)


def copied(db: duckdb.DuckDBPyConnection, to: Path, shifts: Mapping[str, int]) -> None:
    """Copy the open store to a new file, on the disk when this returns.

    The last row of a table keeps its place, and so do those before it that lie as close together.
    """
    name = str(to).replace("'", "''")
    (own,) = db.execute("select current_database()").fetchone() or ("",)
    db.execute(f"attach '{name}' as fresh")
    try:
        db.execute(f'copy from database "{own}" to fresh')
        for table in PLACED:
            before, after = (_last(db, f'"{one}".main.{table}') for one in (own, "fresh"))
            shift = shifts.get(table, 0) + before - after
            db.execute("insert or replace into fresh.main.shifts values (?, ?)", [table, shift])
        db.execute("checkpoint fresh")
    finally:
        db.execute("detach fresh")
    sync_file(to)


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
