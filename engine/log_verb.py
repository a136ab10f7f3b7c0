"""`cdml logs`: what the processes wrote, with and without a running engine."""

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from engine import logs
from engine.clock import SystemClock, parse_time
from engine.errors import InvalidError, UnknownError
from engine.exits import Arguments, guarded
from engine.quantities import duration
from engine.workspace import Workspace

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
PROCESSES = ("engine", "serving", "supervisor")
RUN_LOG = "log.txt"
LOOK_S = 0.2
Line = dict[str, Any]
Places = dict[Path, tuple[int, int]]


def main(argv: list[str]) -> int:
    """Run `cdml logs` and return its exit code."""
    return guarded(lambda: _run(argv), as_json="--json" in argv)


def _run(argv: list[str]) -> int:
    given = _parser().parse_args(argv)
    workspace = Workspace(Path(given.workspace)).require()
    wanted = _Wanted(
        _since(given.since) if given.since else "",
        LEVELS.index(given.level.upper()),
        {name: value for name in logs.IDS if (value := getattr(given, name, None))},
    )
    paths = _paths(workspace, given.what)
    run = "" if given.what in (*PROCESSES, "all") else given.what
    own = workspace.runs / run / RUN_LOG
    places: Places = {}
    lines: Iterable[tuple[Path, Line]] = _dated(_written_so_far(paths, places))
    if given.what == "all":
        lines = sorted(lines, key=lambda one: one[1].get("time", ""))
    news = _dated(_coming(paths, places)) if given.follow else ()
    for path, line in chain(lines, news):
        if (run and path != own and line.get("run") != run) or not wanted.fits(line):
            continue
        shown = logs.as_line(line) if given.json else _said(line)
        sys.stdout.write(shown + "\n")
        sys.stdout.flush()
    return 0


def _parser() -> Arguments:
    parser = Arguments(prog="cdml logs", description="What engine, service or a run wrote.")
    parser.add_argument("-w", "--workspace", default=".", metavar="DIR")
    parser.add_argument(
        "what", nargs="?", default="engine", metavar="|".join((*PROCESSES, "all|RUN"))
    )
    parser.add_argument("--follow", action="store_true", help="go on as they come")
    parser.add_argument("--since", metavar="T", help="from a time on, or a duration back, like 2h")
    parser.add_argument("--level", choices=[level.lower() for level in LEVELS], default="debug",
                        help="this and louder")  # fmt: skip
    for name, says in (
        ("model", "of this model only"), ("version", "of this version only"),
        ("request", "of the request that its client named so"), ("kind", "facts of this kind only"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", help=says)
    parser.add_argument("--json", action="store_true", help="the lines as they were written")
    return parser


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which lines are shown: from a time on, so loud, about these."""

    since: str
    level: int
    about: dict[str, str]

    def fits(self, line: Line) -> bool:
        """Say whether a line is to be shown; a version may be named in its text alone."""
        level = line.get("level", "INFO")
        if level in LEVELS and LEVELS.index(level) < self.level:
            return False
        if self.since and line.get("time", "") < self.since:
            return False
        return all(
            line.get(name) == value
            or (name == "version" and re.search(rf"\b{re.escape(value)}\b", str(line["text"])))
            for name, value in self.about.items()
        )


def _dated(lines: Iterator[tuple[Path, str]]) -> Iterator[tuple[Path, Line]]:
    """Yield lines as objects. What a crash or a library wrote itself is an error of its moment."""
    times: dict[str, str] = {}
    for path, text in lines:
        line = logs.read(text)
        of = path.name.partition(".")[0]
        if "time" in line:
            times[of] = line["time"]
        elif path.name != RUN_LOG:
            line = {"time": times.get(of, ""), "level": "ERROR", "of": of, **line}
        yield path, line


def _since(text: str) -> str:
    try:
        moment = SystemClock().wall() - duration(text)
    except InvalidError:
        moment = parse_time(text)
    return _written(moment)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _paths(workspace: Workspace, what: str) -> list[Path]:
    if what in PROCESSES or what == "all":
        names = PROCESSES if what == "all" else (what,)
        return [path for name in names for path in logs.files(workspace.logs / f"{name}.log")]
    own = workspace.runs / what / RUN_LOG
    known = what.isalnum() and own.parent.is_dir()
    if not known:
        raise UnknownError(
            f'Looking for the log of "{what[:40]}": there is no such run. Name '
            f"{', '.join(PROCESSES)}, all, or a run of cdml jobs.",
            code="unknown_log",
            field="what",
        )
    return [*logs.files(workspace.logs / "engine.log"), *([own] if own.is_file() else [])]


def _written_so_far(paths: list[Path], places: Places) -> Iterator[tuple[Path, str]]:
    """Yield every line, and note how far that was; the last may still be half a line."""
    for path in paths:
        yield from _news(path, places)


def _coming(paths: list[Path], places: Places) -> Iterator[tuple[Path, str]]:
    """Yield lines as they come, also after a file was set aside and begun anew."""
    while True:
        time.sleep(LOOK_S)
        for path in paths:
            if not path.name[-1].isdigit():
                yield from _news(path, places)


def _news(path: Path, places: Places) -> Iterator[tuple[Path, str]]:
    inode, position = places.get(path, (0, 0))
    with suppress(FileNotFoundError), path.open("rb") as file:
        found = os.fstat(file.fileno())
        if inode and found.st_ino != inode:
            yield from _rest(path, inode, position)
        if found.st_ino != inode or found.st_size < position:
            position = 0
        file.seek(position)
        for raw in file:
            if not raw.endswith(b"\n"):
                break  # it is still being written
            position += len(raw)
            places[path] = (found.st_ino, position)
            yield path, _text(raw)
        places[path] = (found.st_ino, position)


def _rest(path: Path, inode: int, position: int) -> Iterator[tuple[Path, str]]:
    """Yield what was written to a file after the last look and before it was set aside."""
    for aside in logs.files(path)[:-1]:
        with suppress(FileNotFoundError), aside.open("rb") as file:
            if os.fstat(file.fileno()).st_ino == inode:
                file.seek(position)
                yield from ((path, _text(raw)) for raw in file)


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
