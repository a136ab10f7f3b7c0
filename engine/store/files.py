"""Files of rows as people deliver them: how DuckDB is told to read one, and what a name means."""

import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from engine.errors import InvalidError
from engine.store import dialect

_CSV = "read_csv('{}', header = true, sample_size = -1, hive_partitioning = false)"
_PARQUET = "read_parquet('{}', hive_partitioning = false)"
_JSON = "read_json('{}', sample_size = -1, maximum_depth = 2, hive_partitioning = false)"
READERS = {
    ".csv": _CSV,
    ".tsv": _CSV,
    ".parquet": _PARQUET,
    ".pq": _PARQUET,
    ".jsonl": _JSON,
    ".ndjson": _JSON,
    ".json": _JSON,
}
PACKED = (".gz", ".zst")
# What unpacks to more than this, and to so many times its size, is a bomb.
MOST_UNPACKED = 64 * 2**20
MOST_RATIO = 100
_PIECE = 2**20
_WILD = re.compile(r"[*?\[]")


def reader(path: Path, texts: Sequence[str] = ()) -> str:
    """Return the table function that reads a file; InvalidError where its ending says nothing.

    `texts` are columns of a CSV file that stay as they are written, like 007.
    """
    found = READERS.get(ending(path))
    if found is None:
        raise InvalidError(
            f'Reading "{path.name}": its name ends in "{path.suffix}", which says no known format. '
            f"Name it one of: {', '.join(READERS)} (text may be compressed: .csv.gz).",
            code="unknown_format",
            field=path.name,
        )
    function = found.format(literal(path))
    if found != _CSV:
        return function
    function = f"{function[:-1]}{dialect.options(path)})"
    if not texts:
        return function
    types = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in texts)
    return f"{function[:-1]}, types = {{{types}}})"


def check_packed(path: Path) -> None:
    """Refuse a bomb: text as .gz that would keep a reader busy for hours; what is broken is not."""
    if path.suffix.lower() != ".gz":
        return
    most, found = max(MOST_UNPACKED, MOST_RATIO * path.stat().st_size), 0
    try:
        with gzip.open(path, "rb") as file:
            while found <= most and (piece := file.read(_PIECE)):
                found += len(piece)
    except (OSError, EOFError, zlib.error):
        return  # its reader says so in its own words
    if found > most:
        raise InvalidError(
            f'Reading "{path.name}": it unpacks to more than {MOST_RATIO} times its size. Nothing '
            "was taken in. Deliver it unpacked, or as Parquet.",
            code="unpacks_to_too_much",
            field=path.name,
        )


def ending(path: Path) -> str:
    """Return the ending that names the format, in lower case, without that of a compression."""
    packed = path.suffix.lower() in PACKED
    return (Path(path.stem).suffix if packed else path.suffix).lower()


def is_parquet(path: Path) -> bool:
    """Say whether a file is read in place; a text is read whole."""
    return READERS.get(ending(path)) == _PARQUET


def literal(path: Path) -> str:
    """Return a path as the inside of SQL text in which no sign is a wildcard."""
    return _WILD.sub(r"[\g<0>]", text(path))


def text(path: Path) -> str:
    """Return a path as the inside of SQL text, for a file that is written."""
    return str(path.absolute()).replace("'", "''")


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


def name_of(column: str) -> str:
    """Quote a column's name for SQL."""
    return '"' + column.replace('"', '""') + '"'
