"""What the processes write into logs/: a JSON object a line, of bounded size, nothing secret.

Of an error that no code of ours raised only its type and place are written: its text may hold a
row that somebody sent.
"""

import contextlib
import json
import logging
import os
import shutil
import traceback
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.errors import CdmlError

MOST_BYTES = 8 * 2**20
KEPT = 4
# What a line may carry besides its text: whom or what it is about.
IDS = ("run", "model", "version", "request", "kind")
# Libraries that tell of each of their own steps.
_TALKATIVE = ("apscheduler", "uvicorn", "httpx", "watchfiles")
_SAYABLE = (CdmlError, OSError)
_LONGEST = 4000


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; what has not the right form is written as its text."""
        found: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "of": record.name,
            "text": record.getMessage()[:_LONGEST],
        }
        found["time"] = found["time"].replace("+00:00", "Z")
        found |= {name: value for name in IDS if (value := getattr(record, name, None))}
        if record.exc_info and record.exc_info[0] is not None:
            found |= _error(*record.exc_info)
        return as_line(found)


def as_line(found: dict[str, Any]) -> str:
    """Return JSON in which what a terminal might obey is escaped, and letters are not."""
    text = json.dumps(found, ensure_ascii=False, default=str)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _error(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> dict[str, Any]:
    frames = traceback.extract_tb(trace)
    where = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames[-12:]]
    said = str(error)[:_LONGEST] if isinstance(error, _SAYABLE) else ""
    return {"error": kind.__name__, **({"said": said} if said else {}), "where": where}


def into_file(path: Path) -> None:
    """Have this process log into a file that is renamed and begun anew when it grows too large."""
    _begin(RotatingFileHandler(path, maxBytes=MOST_BYTES, backupCount=KEPT, encoding="utf-8"))


def onto_stderr() -> None:
    """Have this process log onto its standard error, a file that somebody else keeps small."""
    _begin(logging.StreamHandler(), logging.WARNING)
    logging.getLogger("cdml").setLevel(logging.INFO)


def _begin(handler: logging.Handler, level: int = logging.INFO) -> None:
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def keep_small(path: Path) -> bool:
    """Set a file aside that other processes append to, and empty it, where it is too large.

    They go on in the emptied file; what is written in the instant between may be lost.
    """
    try:
        if path.stat().st_size <= MOST_BYTES:
            return False
        for number in range(KEPT, 1, -1):
            with contextlib.suppress(FileNotFoundError):
                _numbered(path, number - 1).rename(_numbered(path, number))
        shutil.copyfile(path, _numbered(path, 1))
        os.truncate(path, 0)
    except OSError:
        return False  # on a full disk too: the next look tries again
    return True


def text_of(line: str) -> str:
    """Return the text of a line; one that a crash or a library wrote itself is its own text."""
    return str(read(line)["text"])


def read(line: str) -> dict[str, Any]:
    """Return a line as an object; one that a crash or a library wrote itself has a text alone."""
    with contextlib.suppress(json.JSONDecodeError):
        found = json.loads(line)
        if isinstance(found, dict) and "text" in found:
            return found
    return {"text": line}


def files(path: Path) -> list[Path]:
    """Return a log and what was set aside of it, oldest first."""
    older = [_numbered(path, number) for number in range(KEPT, 0, -1)]
    return [file for file in (*older, path) if file.is_file()]


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
