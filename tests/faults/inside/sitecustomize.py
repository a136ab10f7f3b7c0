"""Loaded by every Python process of a workspace under test: notes what it does, strikes when told.

CDML_INSIDE names a folder: `noted` gets a line a thing done, `plan` says where to strike. Without
that variable nothing happens; the project's own code knows of none of this.
"""

import contextlib
import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import moved

ROOT = str(Path(__file__).parents[3])
ENGINE = ROOT + "/engine/"
CALLS = ("fsync", "fdatasync", "rename", "replace", "unlink", "open", "write", "mkdir", "link")
POINTS = ("fsync", "fdatasync", "rename", "replace", "unlink")
WRITES = ("insert", "update", "delete", "replace")


def site(depth: int) -> str:
    """Name the two functions of the engine that are nearest to the call."""
    frame, names = sys._getframe(depth), []
    while frame is not None and len(names) < 2:
        file = frame.f_code.co_filename
        if file.startswith(ENGINE):
            name = f"{file[len(ENGINE) : -3]}.{frame.f_code.co_name}"
            if name not in names:
                names.append(name)
        frame = frame.f_back  # type: ignore[assignment]
    return " < ".join(names)


class Inside:
    """What one process notes, and where it is struck."""

    def __init__(self, folder: str, verb: str) -> None:
        self.verb = verb
        self.plan = f"{folder}/plan"
        self._noted = os.open(f"{folder}/noted", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        self._seen: set[str] = set()
        self._counted: dict[str, int] = {}
        self.open, self.read, self.close = os.open, os.read, os.close
        self.write, self.rename = os.write, os.rename

    def note(self, *words: object) -> None:
        """Write a line, once for each that says something new."""
        line = "\t".join(str(word) for word in words)
        if line not in self._seen:
            self._seen.add(line)
            self.write(self._noted, f"{self.verb}\t{line}\n".encode())

    def synced(self, path: str, size: int) -> None:
        """Note that so much of a file is on the disk now, or that a folder's names are."""
        self.write(self._noted, f"{self.verb}\tsynced\t{path}\t{size}\n".encode())

    def at(self, when: str, call: str, place: str) -> str | None:
        """Note a point; where the plan says so, die here or return how the call is to fail."""
        if not place:
            return None
        point = f"{self.verb} {when} {call} {place}"
        if call in POINTS or call.startswith("commit"):
            self.note("point", point)
        try:
            handle = self.open(self.plan, os.O_RDONLY)
        except OSError:
            return None
        text = self.read(handle, 4096)
        self.close(handle)
        plan = json.loads(text) if text else {}
        if not plan or not self._is_meant(plan, when, call, point):
            return None
        count = self._counted[plan["id"]] = self._counted.get(plan["id"], 0) + 1
        if count < plan["n"]:
            return None
        with contextlib.suppress(OSError):
            self.rename(self.plan, f"{self.plan}.struck")
            self.write(self._noted, f"{self.verb}\tstruck\t{point}\n".encode())
            if plan["act"] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if plan["act"] == "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
                return None
            return str(plan["act"])
        return None

    def _is_meant(self, plan: dict[str, Any], when: str, call: str, point: str) -> bool:
        if "point" in plan:
            return bool(plan["point"] == point)
        return plan["verb"] == self.verb and when == "before" and call in plan["calls"]


def wrapped(inside: Inside, call: str, real: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of os with a point before and one after it."""

    def done(*given: Any, **named: Any) -> Any:
        place = site(2)
        if act := inside.at("before", call, place):
            raise OSError(getattr(errno, act), os.strerror(getattr(errno, act)), *given[:1])
        syncs = call in ("fsync", "fdatasync") and place
        size = os.fstat(given[0]).st_size if syncs else 0  # what comes meanwhile is of the next one
        found = real(*given, **named)
        if syncs:
            inside.synced(os.readlink(f"/proc/self/fd/{given[0]}"), size)
        elif call in ("rename", "replace") and place:
            inside.note("renamed", os.path.abspath(given[0]), os.path.abspath(given[1]))
        inside.at("after", call, place)
        return found

    return done


def watch_sqlite(inside: Inside) -> None:
    """Have a point before and after each commit of the ledger."""
    import sqlite3

    connect = sqlite3.connect

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
            first = sql.lstrip()[:8].lower()
            commits = first == "commit" or (first.startswith(WRITES) and not self.in_transaction)
            if not commits:
                return super().execute(sql, *given)
            place = site(2)
            if act := inside.at("before", "commit ledger", place):
                said = "disk I/O error" if act == "EIO" else "database or disk is full"
                raise sqlite3.OperationalError(said)
            found = super().execute(sql, *given)
            inside.at("after", "commit ledger", place)
            return found

    def watched(*given: Any, **named: Any) -> sqlite3.Connection:
        return connect(*given, **{"factory": Watched, **named})

    sqlite3.connect = watched  # type: ignore[assignment]


def watch_duckdb(inside: Inside) -> None:
    """Have a point before and after each commit and checkpoint of the metric store."""
    import duckdb

    execute = duckdb.DuckDBPyConnection.execute

    def watched(self: Any, sql: Any, *given: Any, **named: Any) -> Any:
        if sql not in ("commit", "checkpoint"):
            return execute(self, sql, *given, **named)
        place, call = site(2), f"commit store ({sql})" if sql != "commit" else "commit store"
        if act := inside.at("before", call, place):
            raise duckdb.IOException(f"IO Error: {act} where the test wants it")
        found = execute(self, sql, *given, **named)
        inside.note_log_size()
        inside.at("after", call, place)
        return found

    duckdb.DuckDBPyConnection.execute = watched  # type: ignore[method-assign]


def watch_what_is_touched(inside: Inside, workspace: str) -> None:
    """Note files opened outside the workspace and the program, addresses called, and unpickling."""
    homes = [workspace, ROOT, sys.prefix, sys.base_prefix, "/proc/", "/dev/", "/sys/"]
    homes += [os.path.realpath(home) for home in (sys.prefix, ROOT, *sys.path) if home]
    homes += [os.path.dirname(inside.plan), "/usr/lib/", "/etc/localtime", "/usr/share/zoneinfo"]

    def heard(event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(given[0], str | bytes):
            path = os.path.abspath(os.fsdecode(given[0]))
            if not path.startswith(tuple(homes)):
                inside.note("opened", path)
        elif event in ("socket.connect", "socket.sendto") and not isinstance(given[1], str | bytes):
            inside.note("called", given[1])
        elif event in ("socket.getaddrinfo", "socket.gethostbyname", "pickle.find_class"):
            inside.note(event, given)
        elif event in ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen"):
            inside.note("started", given[0])

    sys.addaudithook(heard)


def keep_inside() -> None:
    """Load what stands in every process's way: of two files of this name one is found by itself."""
    spec = spec_from_file_location("fence", f"{ROOT}/tests/fence/sitecustomize.py")
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


def begin() -> None:
    folder, words = os.environ.get("CDML_INSIDE", ""), sys.orig_argv
    if not folder or "engine" not in words[:-1]:
        return
    inside = Inside(folder, words[words.index("engine") + 1])
    if os.path.exists(f"{folder}/clock"):
        moved.move(f"{folder}/clock")
    if inside.verb == "run":
        moved.stall_when_told()
        moved.say_alarms_when_told(folder)
    workspace = words[words.index("-w") + 1] if "-w" in words else ""
    if inside.verb == "job":
        workspace = str(Path(words[words.index("job") + 1]).parents[1])
    log = f"{workspace}/metrics.duckdb.wal"

    def note_log_size() -> None:
        with contextlib.suppress(OSError):
            inside.synced(log, os.stat(log).st_size)

    inside.note_log_size = note_log_size  # type: ignore[attr-defined]
    if os.environ.get("CDML_INSIDE_TOUCHED"):
        watch_what_is_touched(inside, workspace or os.getcwd())
    for call in CALLS:
        setattr(os, call, wrapped(inside, call, getattr(os, call)))
    watch_sqlite(inside)
    if inside.verb == "run":
        watch_duckdb(inside)


keep_inside()
begin()
