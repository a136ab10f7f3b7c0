"""Two hundred clients that send a byte a second, beside sixteen that do not."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from tests.bench import wrk
from tests.bench.figure import Figure
from tests.bench.trio import Trio, row_body, rows

SLOW = 200
ROUNDS = 5
SECONDS = 2
MODEL = "lr"
PATH = f"/v1/models/{MODEL}/predict"


def measure(trio: Trio) -> list[Figure]:
    """Run with and without them, in turns."""
    bodies = [row_body([row]) for row in rows(64)]
    alone: list[wrk.Run] = []
    beside: list[wrk.Run] = []
    for _ in range(ROUNDS):
        alone.append(wrk.run(trio.url + PATH, 16, SECONDS, bodies, trio.serving_pid))
        with _crawling(trio.port, bodies[0]):
            beside.append(wrk.run(trio.url + PATH, 16, SECONDS, bodies, trio.serving_pid))
    both = list(zip(alone, beside, strict=True))
    slower = median(a.per_s / max(b.per_s, 1e-9) for a, b in both)
    later = median(b.p99_ms / a.p99_ms for a, b in both)
    what = f"without over beside {SLOW} clients of 1 byte/s, {MODEL}, 16 connections"
    failed, asked = sum(b.failed for b in beside), sum(b.requests for b in beside)
    return [
        Figure(f"throughput {what}", slower, "times", ROUNDS, 1.5),
        Figure("p99 beside them over without", later, "times", ROUNDS, 1.5),
        Figure("failed beside them", failed, "requests", asked, 0),
    ]


@contextmanager
def _crawling(port: int, body: bytes) -> Iterator[None]:
    """Keep slow clients open: half of them in their headers, half in their body."""
    head = f"POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    over = threading.Event()
    links = [_Slow(port, b"" if at % 2 else head, head + body) for at in range(SLOW)]

    def crawl() -> None:
        while not over.wait(1.0):
            for link in links:
                link.step()

    thread = threading.Thread(target=crawl, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for link in links:
            link.close()


class _Slow:
    """One slow client; it begins anew where it was cut off."""

    def __init__(self, port: int, begun: bytes, request: bytes) -> None:
        self._port, self._begun, self._request = port, begun, request
        self._open()

    def _open(self) -> None:
        self._link = socket.create_connection(("127.0.0.1", self._port), timeout=5)
        self._link.sendall(self._begun)
        self._left = iter(self._request[len(self._begun) :])

    def step(self) -> None:
        """Send one more byte."""
        try:
            self._link.sendall(bytes([next(self._left)]))
        except (OSError, StopIteration):
            self.close()
            with contextlib.suppress(OSError):
                self._open()

    def close(self) -> None:
        """Hang up."""
        self._link.close()
