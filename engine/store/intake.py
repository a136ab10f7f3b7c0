"""A raw file to a typed, immutable snapshot: Parquet by its own digest. Reads, never decides."""

import hashlib
import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from engine.errors import InvalidError
from engine.store.connection import zoned

OTHER = "OTHER"
_WILD = re.compile(r"[*?\[]")
NUMERIC = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
NUMERIC |= {"UBIGINT", "HUGEINT", "FLOAT", "DOUBLE"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was written: its digest, how many rows, from when to when, how many without a time."""

    batch: str
    rows: int
    time_from: datetime | None
    time_to: datetime | None
    timeless: int


def source_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def columns(path: Path) -> dict[str, str]:
    """Return the columns of a file as name -> BIGINT, DOUBLE, BOOLEAN, VARCHAR or TIMESTAMP.

    What is none of these (a time of day, a list) is OTHER: no model can take it.
    """
    with duckdb.connect() as db:
        found = _query(db, path, f"describe select * from {_reader(path)}")
    return {row[0]: _plain(row[1]) for row in found}


def snapshot(
    path: Path,
    types: dict[str, str],
    time: str,
    timezone: str,
    folder: Path,
) -> Snapshot:
    """Write the named columns of a file, cast and in order of time, into `folder`."""
    picked = ", ".join(_cast(name, kind, timezone) for name, kind in types.items())
    part = folder / f".{path.name}.{os.getpid()}.part"
    with duckdb.connect(config={"threads": 1, "memory_limit": "1GB"}) as db:
        db.execute("set TimeZone = 'UTC'")
        body = f"select {picked} from {_reader(path)} order by {name_of(time)}"
        _query(db, path, f"copy ({body}) to '{_text(part)}' (format parquet, compression zstd)")
        rows = db.execute(
            f"select count(*), min({name_of(time)}), max({name_of(time)}), "
            f"count(*) filter ({name_of(time)} is null) from read_parquet(?)",
            [str(part)],
        ).fetchone()
    assert rows is not None
    with part.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    part.chmod(0o440)
    part.rename(folder / f"{digest}.parquet")
    return Snapshot(digest, rows[0], zoned(rows[1]), zoned(rows[2]), rows[3])


def name_of(column: str) -> str:
    """Quote a column's name for SQL."""
    return '"' + column.replace('"', '""') + '"'


def _cast(name: str, kind: str, timezone: str) -> str:
    quoted = name_of(name)
    if kind != "TIMESTAMP":
        return f"cast({quoted} as {kind}) as {quoted}"
    if timezone == "UTC":
        return f"cast({quoted} as timestamp) as {quoted}"
    local = f"timezone('{timezone}', cast({quoted} as timestamp))"
    return f"cast({local} as timestamp) as {quoted}"


def _plain(kind: str) -> str:
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


def _reader(path: Path) -> str:
    name = path.name.lower()
    literal = _WILD.sub(r"[\g<0>]", _text(path))
    if name.endswith(".parquet"):
        return f"read_parquet('{literal}')"
    if name.endswith((".csv", ".csv.gz", ".tsv", ".csv.zst")):
        return f"read_csv('{literal}', header = true, sample_size = -1)"
    if name.endswith((".jsonl", ".ndjson", ".jsonl.gz", ".json")):
        return f"read_json_auto('{literal}')"
    raise InvalidError(
        f'Reading "{path.name}": its ending is not one of .parquet, .csv, .tsv, .jsonl, .json '
        "(.csv and .jsonl may be compressed with .gz). Rename or convert it.",
        code="unknown_format",
    )


def _query(db: duckdb.DuckDBPyConnection, path: Path, sql: str) -> list[tuple[Any, ...]]:
    try:
        return db.execute(sql).fetchall()
    except duckdb.Error as e:
        line = str(e).splitlines()[0][:300].replace(str(path.parent) + "/", "")
        raise InvalidError(
            f'Reading "{path.name}": {line}. Nothing was taken in. Deliver the file again, whole.',
            code="unreadable_file",
        ) from e


def _text(path: Path) -> str:
    return str(path.absolute()).replace("'", "''")


def values(path: Path, names: list[str]) -> list[tuple[Any, ...]]:
    """Return the named columns of a file as rows; for files of labels, which are small."""
    picked = ", ".join(name_of(n) for n in names)
    with duckdb.connect(config={"threads": 1}) as db:
        db.execute("set TimeZone = 'UTC'")
        return _query(db, path, f"select {picked} from {_reader(path)}")
