"""`cdml logs`: what the processes wrote, with and without a running engine."""

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from engine import logs
from engine.clock import SystemClock, parse_time
from engine.errors import InvalidError, UnknownError
from engine.exits import Arguments, guarded
from engine.quantities import duration
from engine.workspace import Workspace

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOOK_S = 0.2
Line = dict[str, Any]


def main(argv: list[str]) -> int:
    """Run `cdml logs` and return its exit code."""
    return guarded(lambda: _run(argv), as_json="--json" in argv)


def _run(argv: list[str]) -> int:
    parser = Arguments(prog="cdml logs", description="What engine, service or a run wrote.")
    parser.add_argument("-w", "--workspace", default=".", metavar="DIR")
    parser.add_argument("what", nargs="?", default="engine", metavar="engine|serving|RUN")
    parser.add_argument("--follow", action="store_true", help="go on as they come")
    parser.add_argument("--since", metavar="T", help="from a time on, or a duration back, like 2h")
    parser.add_argument("--level", choices=[level.lower() for level in LEVELS], default="debug",
                        help="this and louder")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="the lines as they were written")
    given = parser.parse_args(argv)
    workspace = Workspace(Path(given.workspace)).require()
    since = _since(given.since) if given.since else ""
    loud = LEVELS.index(given.level.upper())
    paths = _paths(workspace, given.what)
    own = {workspace.runs / given.what / "log.txt"}
    for path, text in _lines(paths, follow=given.follow):
        found = logs.read(text)
        others = path not in own and given.what not in ("engine", "serving")
        if others and found.get("run") != given.what:
            continue
        level = found.get("level", "INFO")
        if level in LEVELS and LEVELS.index(level) < loud:
            continue
        if since and found.get("time", "") < since:
            continue
        shown = logs.as_line(found) if given.json else _said(found)
        sys.stdout.write(shown + "\n")
        sys.stdout.flush()
    return 0


def _since(text: str) -> str:
    try:
        moment = SystemClock().wall() - duration(text)
    except InvalidError:
        moment = parse_time(text)
    return _written(moment)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _paths(workspace: Workspace, what: str) -> list[Path]:
    if what in ("engine", "serving"):
        return logs.files(workspace.logs / f"{what}.log")
    own = workspace.runs / what / "log.txt"
    known = what.isalnum() and own.parent.is_dir()
    if not known:
        raise UnknownError(
            f'Looking for the log of "{what[:40]}": there is no such run. Name engine, serving or '
            "a run of cdml jobs.",
            code="unknown_log",
            field="what",
        )
    return [*logs.files(workspace.logs / "engine.log"), *([own] if own.is_file() else [])]


def _lines(paths: list[Path], *, follow: bool) -> Iterator[tuple[Path, str]]:
    """Yield every line; with `follow` those that come, also after the file was begun anew."""
    places: dict[Path, tuple[int, int]] = {}
    for path in paths:
        with suppress(FileNotFoundError), path.open("rb") as file:
            inode = path.stat().st_ino
            yield from ((path, _text(raw)) for raw in file)
            places[path] = (inode, file.tell())
    while follow:
        time.sleep(LOOK_S)
        for path in paths[-2:]:
            if not path.name[-1].isdigit():
                yield from _news(path, places)


def _news(path: Path, places: dict[Path, tuple[int, int]]) -> Iterator[tuple[Path, str]]:
    inode, position = places.get(path, (0, 0))
    with suppress(FileNotFoundError), path.open("rb") as file:
        found = path.stat()
        if found.st_ino != inode or found.st_size < position:
            position = 0
        file.seek(position)
        for raw in file:
            if not raw.endswith(b"\n"):
                break  # it is still being written
            position += len(raw)
            yield path, _text(raw)
        places[path] = (found.st_ino, position)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").rstrip("\r\n")


def _said(line: Line) -> str:
    """Return a line for a person; control characters would move their cursor."""
    ids = " ".join(f"{name}={line[name]}" for name in logs.IDS if name in line)
    head = " ".join(filter(None, (line.get("time", ""), line.get("level", ""), line.get("of", ""))))
    error = " ".join(filter(None, (line.get("error", ""), line.get("said", ""))))
    where = " < ".join(line.get("where", []))
    text = "  ".join(filter(None, (head, str(line["text"]), ids, error, where)))
    return "".join(c if c.isprintable() else " " for c in text)
