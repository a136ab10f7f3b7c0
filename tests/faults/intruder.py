"""Paths that lead elsewhere, asked for over every route of both ports, and a bait they lead to."""

import ctypes
import http.client
import json
import os
import socket
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.box import Box

LIBC = ctypes.CDLL(None, use_errno=True)
IN_OPEN = 0x20
SECRET = "the-bait-was-read"
# With a right name they end, move or take long of what runs: only their own holes are tried.
BUSY = ("stop", "clock", "events", "train", "validate", "monitor", "pull", "backup", "reproduction")


def corpus(bait: Path, link: str) -> list[str]:
    """Return names that lead to a bait, as they stand in a request's path; the worst come first."""
    up, absolute = "../" * 6 + bait.name, str(bait)
    quoted = [w.replace("/", "%2f") for w in (f"../{bait.name}", absolute, up)]
    return [
        *(quoted[0], quoted[1], link, quoted[0].replace(".", "%2e").replace("%", "%25")),
        *(f"..%5c..%5c{bait.name}", f"..%2f{bait.name}%00.json", "a" * 5000, "%1b]0;x%07"),
        *(w.replace(".", "%2e") for w in quoted),
        *(w.replace("%", "%25") for w in quoted),
        *(quoted[2], f"....%2f%2f....%2f%2f{bait.name}", f"%c0%ae%c0%ae%2f{bait.name}"),
        *("file:%2f%2f" + quoted[1], "..%2f..%2fetc%2fpasswd", "%00", "..", ".", "~"),
        *("'%20or%201=1--", "[red]x", "http:%2f%2f127.0.0.1:9%2fx", "s3:%2f%2fx%2fy"),
    ]


class Bait:
    """A file outside that nobody has any business with; the kernel says whether it is opened."""

    def __init__(self, path: Path) -> None:
        path.write_text(SECRET, encoding="utf-8")
        self.path = path
        self._watch = LIBC.inotify_init1(os.O_NONBLOCK)
        assert LIBC.inotify_add_watch(self._watch, bytes(path), IN_OPEN) >= 0

    def opened(self) -> bool:
        """Say whether anybody opened it since it was laid."""
        try:
            return bool(os.read(self._watch, 4096))
        except BlockingIOError:
            return False

    def take_away(self) -> None:
        """Look no more."""
        os.close(self._watch)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("engine", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))


def routes(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return method and path of every operation of an OpenAPI document."""
    return [
        (method.upper(), path) for path, found in document["paths"].items() for method in found
        if method in ("get", "post", "put", "delete", "patch")
    ]  # fmt: skip


def filled(path: str, words: dict[str, str]) -> str:
    """Put words into the holes of a path; `models` is what stands for every other hole."""
    parts = []
    for part in path.split("/"):
        hole = part.startswith("{")
        parts.append(words.get(part.strip("{}").split(":")[0], words["*"]) if hole else part)
    return "/".join(parts)


def ask(
    link: http.client.HTTPConnection, method: str, target: str, body: bytes
) -> tuple[int, bytes]:
    """Send one request as it is and return status and body; the link is a new one each time."""
    link.putrequest(method, target, skip_accept_encoding=True)
    link.putheader("content-type", "application/json")
    link.putheader("content-length", str(len(body)))
    link.endheaders(body)
    answer = link.getresponse()
    return answer.status, answer.read()


def asked(path: str, names: list[str]) -> Iterator[tuple[str, bytes, bool]]:
    """Yield targets and bodies with a bad name in each hole of a path, each query, each field.

    The last says whether it is a name in the path, which nothing has: 400 or 404 it must be.
    """
    holes = [part for part in path.split("/") if part.startswith("{")]
    right = {"*": "1", "model": "late", "name": "late", "version": "v1", "run": "r1"}
    for name in names:
        for hole in holes:
            yield filled(path, {**right, hole.strip("{}").split(":")[0]: name}), b"{}", True
    if path.rpartition("/")[2] in BUSY:
        return
    for name in names[:2]:
        words = ("name", "part", "column", "a", "b", "at", "since", "until", "file", "from", "to")
        query = "&".join(f"{word}={name}" for word in (*words, "model", "version", "target"))
        yield f"{filled(path, right)}?{query}", b"{}", False
        fields = ("to", "expect", "version", "batch", "before", "path", "uri", "source", "run")
        bad = urllib.parse.unquote(name)
        body = {"idempotency_key": f"{path} {name}", "reason": bad, **dict.fromkeys(fields, bad)}
        yield filled(path, right), json.dumps(body).encode(), False


def lured(box: Box, names: list[str]) -> tuple[list[str], int]:
    """Ask every route of both ports for every name; return what was no plain refusal or look."""
    wrong = []
    with Both(box) as both:
        for side, method, path in both.operations():
            for target, body, named in asked(path, names):
                status, content = both.ask(side, method, target, b"" if method == "GET" else body)
                plain = status in (400, 404) if named else status < 500
                if not plain or SECRET.encode() in content or b"root:x:" in content:
                    wrong.append(f"{method} {target[:200]}: {status} {content[:200]!r}")
        return wrong, both.count


class Both:
    """Both ports of a workspace, each with a connection that is made anew when it was closed."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._links: dict[str, http.client.HTTPConnection] = {}
        self.count = 0

    def __enter__(self) -> "Both":
        self._links = {
            "control": UnixConnection(self._box.path / "run" / "engine.sock"),
            "port": http.client.HTTPConnection("127.0.0.1", self._box.port, timeout=30),
        }
        return self

    def __exit__(self, *_: object) -> None:
        for link in self._links.values():
            link.close()

    def operations(self) -> list[tuple[str, str, str]]:
        """Return side, method and path of every route there is."""
        found = []
        for side, where in (("control", "/api/v1/openapi.json"), ("port", "/openapi.json")):
            document = json.loads(self.ask(side, "GET", where, b"")[1])
            found += [(side, method, path) for method, path in routes(document)]
        return found

    def ask(self, side: str, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Ask one side; a connection that the other end closed is opened again."""
        self.count += 1
        link = self._links[side]
        try:
            return ask(link, method, target, body)
        except (http.client.HTTPException, OSError):
            link.close()
            return ask(link, method, target, body)
