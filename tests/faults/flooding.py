"""A flood from a process of its own: requests leave when they are due, answered or not.

`python -m tests.faults.flooding PORT CONNECTIONS PER_SECOND SECONDS` takes one whole request on
stdin and writes what was offered and how it was answered as JSON. A connection that is closed is
opened again; nothing waits for an answer, so that a slow server is not spared.
"""

import errno
import json
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.box import ENVIRONMENT, ROOT

TICK_S = 0.01
LINGER_S = 1.0
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")


@dataclass(slots=True)
class Seen:
    """What a flood offered and what came of it."""

    offered: int = 0
    held: int = 0  # due while the server took nothing more from their connection
    connected: int = 0
    cut: int = 0  # connections that ended without an answer's last word
    statuses: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    ended: float = 0.0  # as `time.monotonic` has it, which every process of a machine shares


class Link:
    """One connection; what does not fit into it is held back and counted."""

    def __init__(self, port: int, request: bytes, seen: Seen) -> None:
        self._port, self._request, self._seen = port, request, seen
        self._rest = self._tail = b""
        self._open()

    def _open(self) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", self._port))
        self._rest = self._tail = b""
        self._seen.connected += 1

    def offer(self) -> None:
        """Send one request, or what is left of the last."""
        self._seen.offered += 1
        whole = self._rest or self._request
        if self._rest:
            self._seen.held += 1
        try:
            self._rest = whole[self.socket.send(whole) :]
        except BlockingIOError:
            self._seen.held += not self._rest
        except OSError as fault:
            # Not connected yet is no fault; what broke is seen where it is read.
            self._seen.held += fault.errno == errno.ENOTCONN

    def hear(self) -> bool:
        """Take what was answered; return False where the connection ended."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            self._seen.cut += 1
            return False
        text = self._tail + data
        last = 0
        for found in _STATUS.finditer(text):
            status = found[1].decode()
            self._seen.statuses[status] = self._seen.statuses.get(status, 0) + 1
            last = found.end()
        self._tail = text[max(last, len(text) - 11) :]
        return bool(data)

    def again(self) -> None:
        """Connect anew."""
        self.socket.close()
        self._open()


def flood(port: int, connections: int, per_second: float, seconds: float, request: bytes) -> Seen:
    """Offer so many requests a second over so many connections, then hear what comes yet."""
    seen = Seen()
    watch = select.epoll()
    links: dict[int, Link] = {}

    def known(link: Link) -> None:
        links[link.socket.fileno()] = link
        watch.register(link.socket, select.EPOLLIN)

    for _ in range(connections):
        known(Link(port, request, seen))
    order = list(links.values())
    began = time.monotonic()
    ends, due, turn = began + seconds, 0.0, 0
    while (now := time.monotonic()) < ends:
        while due < (now - began) * per_second:
            order[turn % connections].offer()
            due, turn = due + 1, turn + 1
        _hear(watch, links, known, TICK_S)
    seen.ended = time.monotonic()
    seen.seconds = seen.ended - began
    while time.monotonic() < ends + LINGER_S:
        _hear(watch, links, None, TICK_S)
    return seen


def _hear(watch: Any, links: dict[int, Link], known: Any, patience_s: float) -> None:
    for fd, _ in watch.poll(patience_s):
        link = links[fd]
        if not link.hear():
            watch.unregister(fd)
            del links[fd]
            if known is not None:
                link.again()
                known(link)


@contextmanager
def flooding(
    port: int, connections: int, per_second: float, seconds: float, request: bytes
) -> Iterator["subprocess.Popen[bytes]"]:
    """Have a flood come from another process while the block runs."""
    words = [str(port), str(connections), str(per_second), str(seconds)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.flooding", *words],
        cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as running:  # fmt: skip
        try:
            assert running.stdin is not None
            running.stdin.write(request)
            running.stdin.close()
            running.stdin = None
            yield running
        finally:
            running.kill()


def main() -> None:
    """Flood, and write what was seen."""
    port, connections, per_second, seconds = sys.argv[1:]
    request = sys.stdin.buffer.read()
    seen = flood(int(port), int(connections), float(per_second), float(seconds), request)
    json.dump(asdict(seen), sys.stdout)


if __name__ == "__main__":
    main()
