"""A raw file to a typed, immutable snapshot: Parquet by its own digest. Reads, never decides."""

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import get_ident
from typing import Any

import duckdb

from engine.durable import sync_folder
from engine.errors import InvalidError, UnavailableError
from engine.store import times
from engine.store.confined import connect
from engine.store.connection import zoned
from engine.store.files import check_packed, ending, literal, name_of, reader, text

OTHER = "OTHER"
EMPTY = "EMPTY"
_ZONE = r"(Z|[+-]\d{2}(:?\d{2})?)$"
NUMERIC = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
NUMERIC |= {"UBIGINT", "HUGEINT", "FLOAT", "DOUBLE"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was written: its digest, how many rows, from when to when.

    Of the file as it came: the share of rows dated before the row above them, and how many times of
    a text name their zone, and do not.
    """

    batch: str
    rows: int
    time_from: datetime | None
    time_to: datetime | None
    unordered: float = 0.0
    zoned: int = 0
    zoneless: int = 0


def source_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def columns(path: Path) -> dict[str, str]:
    """Return the columns of a file as name -> BIGINT, DOUBLE, BOOLEAN, VARCHAR or TIMESTAMP.

    What is none of these (a time of day, a list) is OTHER: no model can take it. A text column
    without a single value is EMPTY: a file cannot say what it would have held.
    """
    if path.stat().st_size == 0:
        raise InvalidError(
            f'Reading "{path.name}": it is empty, 0 bytes. Nothing was taken in. Deliver the file '
            "again, whole.",
            code="unreadable_file",
        )
    check_packed(path)
    with connect(memory_limit="1GB") as db:
        found = {r[0]: plain(r[1]) for r in _query(db, path, f"describe from {reader(path)}")}
        texts = [name for name, kind in found.items() if kind == "VARCHAR"]
        if texts:
            counts = ", ".join(f"count({name_of(name)})" for name in texts)
            filled = _query(db, path, f"select {counts} from {reader(path)}")[0]
            found |= {name: EMPTY for name, n in zip(texts, filled, strict=True) if n == 0}
    return found


def snapshot(
    path: Path,
    types: dict[str, str],
    time: str,
    timezone: str,
    folder: Path,
) -> Snapshot:
    """Write the named columns of a file, cast and in order of time, into `folder`.

    InvalidError where there are no rows, or rows without a time.
    """
    part = folder / f".{os.getpid()}-{get_ident()}.part"
    try:
        rows, *order = _write(path, part, types, time, timezone)
        with part.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        part.chmod(0o440)
        part.rename(folder / f"{digest}.parquet")
        sync_folder(folder)
    finally:
        part.unlink(missing_ok=True)
    return Snapshot(digest, rows[0], zoned(rows[1]), zoned(rows[2]), *order)


def _write(path: Path, part: Path, types: dict[str, str], time: str, timezone: str) -> Any:
    """Write the snapshot to `part`; return its rows, first and last time, and its order."""
    with connect(memory_limit="1GB") as db:
        db.execute(f"set TimeZone = '{timezone}'")
        db.execute(f"set temp_directory = '{text(part.parent)}'")
        found = {r[0]: r[1] for r in _query(db, path, f"describe from {reader(path)}")}
        picked = ", ".join(cast(n, k, timezone, found.get(n, "")) for n, k in types.items())
        body = f"select {picked} from {reader(path)} order by {name_of(time)}"
        _query(db, path, f"copy ({body}) to '{text(part)}' (format parquet, compression zstd)")
        *rows, timeless = _query(
            db,
            path,
            f"select count(*), min({name_of(time)}), max({name_of(time)}), "
            f"count(*) filter ({name_of(time)} is null) from read_parquet('{literal(part)}')",
        )[0]
        unordered = _unordered(db, path, time)
        zones = _zones(db, path, time)
    if timeless or not rows[0]:
        what = f'{timeless} rows have no "{time}"' if timeless else "it has no rows"
        raise InvalidError(
            f'Reading "{path.name}": {what}. Nothing was taken in. Deliver the file again, whole.',
            code="unreadable_file",
        )
    return rows, unordered, *zones


def _unordered(db: duckdb.DuckDBPyConnection, path: Path, time: str) -> float:
    quoted = name_of(time)
    rows = _query(
        db,
        path,
        f"select avg((t < before)::int) from (select {quoted} t, lag({quoted}) over () before "
        f"from {reader(path)})",
    )
    return float(rows[0][0] or 0.0)


def _zones(db: duckdb.DuckDBPyConnection, path: Path, time: str) -> tuple[int, int]:
    """Count the times of a file of text that name their zone, and those that do not."""
    if ending(path) not in (".csv", ".tsv"):
        return 0, 0
    zoned = f"regexp_matches(trim({name_of(time)}), '{_ZONE}')"
    rows = _query(
        db,
        path,
        f"select count(*) filter ({zoned}), count(*) filter (not {zoned}) "
        f"from {reader(path, [time])}",
    )
    return int(rows[0][0]), int(rows[0][1])


def cast(name: str, kind: str, timezone: str, found: str) -> str:
    """Return one column cast to its kind; a time without a zone is read in `timezone`."""
    quoted = name_of(name)
    if kind != "TIMESTAMP":
        return f"cast({quoted} as {kind}) as {quoted}"
    return f"timezone('UTC', {times.moment(quoted, found, timezone)}) as {quoted}"


def plain(kind: str) -> str:
    """Return the kind of a DuckDB type: BIGINT, DOUBLE, BOOLEAN, VARCHAR, TIMESTAMP or OTHER."""
    if kind.endswith("]"):
        return OTHER
    head = kind.split("(", maxsplit=1)[0]
    if head in NUMERIC or head == "DECIMAL":
        return "DOUBLE" if head in {"FLOAT", "DOUBLE", "DECIMAL"} else "BIGINT"
    if head == "BOOLEAN":
        return "BOOLEAN"
    if head in {"VARCHAR", "ENUM"}:
        return "VARCHAR"
    if head.startswith("TIMESTAMP") or head == "DATE":
        return "TIMESTAMP"
    return OTHER


def _query(db: duckdb.DuckDBPyConnection, path: Path, sql: str) -> list[tuple[Any, ...]]:
    try:
        return db.execute(sql).fetchall()
    except duckdb.Error as e:
        if "No space left" in str(e) or isinstance(e, duckdb.OutOfMemoryException):
            raise UnavailableError(
                f'Reading "{path.name}": there is no room for it, on disk or in memory. Nothing '
                "was taken in. Free some and deliver it again.",
                code="no_space",
            ) from e
        line = str(e).splitlines()[0][:300].replace(str(path.parent) + "/", "")
        raise InvalidError(
            f'Reading "{path.name}": {line}. Nothing was taken in. Deliver the file again, whole.',
            code="unreadable_file",
        ) from e


def values(path: Path, names: list[str], time: str | None, timezone: str) -> list[tuple[Any, ...]]:
    """Return the named columns of a file as rows, the time last; for files of labels."""
    with connect() as db:
        db.execute(f"set TimeZone = '{timezone}'")
        found = {r[0]: r[1] for r in _query(db, path, f"describe from {reader(path)}")}
        picked = ", ".join(name_of(n) for n in names)
        if time is not None:
            picked += f", {cast(time, 'TIMESTAMP', timezone, found.get(time, ''))}"
        return _query(db, path, f"select {picked} from {reader(path)}")
