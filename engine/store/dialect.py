"""How a text of rows is written: its encoding, and the signs inside its numbers.

Read from the text itself, so that every file of a model is understood without a setting.
"""

import codecs
import csv
import gzip
import io
import re
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

_CHUNK = 1 << 20
_SEPARATORS = ",;\t|"
_POINT_THOUSANDS = re.compile(r"-?\d{1,3}(\.\d{3})+(,\d+)?")
_COMMA_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")
_COMMA = re.compile(r"-?\d+(\.\d{3})*,\d+")
_POINT = re.compile(r"-?\d+\.\d+")


def options(path: Path) -> str:
    """Return what DuckDB's CSV reader is told of a file, empty for UTF-8 and decimal points."""
    try:
        state = path.stat()
    except OSError:
        return ""
    return _options(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _options(path: Path, _changed: int, _size: int) -> str:
    try:
        encoding, head = _read(path)
    except (OSError, EOFError):
        return ""  # what it is, DuckDB says in its own words
    text = head.decode(encoding, errors="ignore")
    told = "" if encoding == "utf-8" else f", encoding = '{encoding}'"
    return told + _numbers(text)


def said(path: Path) -> list[str]:
    """Return in words for people what `options` sees in a file."""
    told = options(path)
    words = {
        "'latin-1'": "it is not UTF-8; read as Latin-1 (Windows-1252)",
        "'utf-16'": "read as UTF-16",
        "decimal_separator = ','": "a comma is its decimal point, like 1.234,5",
        ", thousands = ','": "commas part its thousands, like 1,234,567",
    }
    return [word for sign, word in words.items() if sign in told]


def _read(path: Path) -> tuple[str, bytes]:
    """Return the encoding of a whole file and its first part."""
    if path.suffix.lower() == ".zst":
        return "utf-8", b""
    with _opened(path) as file:
        head = chunk = file.read(_CHUNK)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16", head
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while chunk:
                decoder.decode(chunk)
                chunk = file.read(_CHUNK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1", head
    return "utf-8", head


def _opened(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")


def _numbers(text: str) -> str:
    """Return the signs inside numbers where a text writes 1.234,5 or 1,234.5 and nothing else."""
    header, _, _ = text.partition("\n")
    separator = max(_SEPARATORS, key=header.count)
    whole, _, _ = text.rpartition("\n")
    try:
        rows = list(csv.reader(io.StringIO(whole), delimiter=separator))[1:]
    except csv.Error:
        return ""
    cells = {cell.strip() for row in rows for cell in row if "," in cell or "." in cell}
    commas = {c for c in cells if _COMMA.fullmatch(c) or _COMMA_THOUSANDS.fullmatch(c)}
    points = [c for c in cells if _POINT.fullmatch(c) and not _POINT_THOUSANDS.fullmatch(c)]
    groups = {c for c in commas if _COMMA_THOUSANDS.fullmatch(c)}
    if commas and (groups < commas or separator != ",") and not points:
        grouped = any(_POINT_THOUSANDS.fullmatch(c) for c in cells)
        return ", decimal_separator = ','" + (", thousands = '.'" if grouped else "")
    return ", thousands = ','" if commas and groups == commas else ""
