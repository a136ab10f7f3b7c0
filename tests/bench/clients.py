"""HTTP clients in a process of their own: N connections, each asks again once it was answered.

`python -m tests.bench.clients PORT PATH CONNECTIONS FILE` takes the body on stdin, says "ready"
once all are connected, and when told by SIGTERM writes what they saw to a file as JSON.
"""

import asyncio
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import uvloop

from tests.bench.process import ROOT, environment

SILENCE_S = 15.0
_VERSION = re.compile(rb'"version":"(v\d+)"')


@dataclass(slots=True)
class Answers:
    """What clients saw: when each request went out and came back, and who answered.

    Moments are those of `time.monotonic`, which every process of a machine shares.
    """

    sent: list[float]
    came: list[float]
    versions: list[str]
    failed: int

    def took_ms(self, since: float, until: float) -> list[float]:
        """Return the latencies of requests under way at some moment of a time."""
        both = zip(self.sent, self.came, strict=True)
        return [(came - sent) * 1000 for sent, came in both if came >= since and sent <= until]


class Busy:
    """Clients at work; `answers` is there once they ended."""

    def __init__(self, running: "subprocess.Popen[bytes]", file: Path) -> None:
        self._running = running
        self._file = file
        self.answers = Answers([], [], [], 0)

    def stop(self) -> None:
        """Have them end, and read what they saw."""
        self._running.send_signal(signal.SIGTERM)
        if (code := self._running.wait(2 * SILENCE_S)) != 0:
            sys.exit(f"the clients ended with {code}")
        self.answers = Answers(**json.loads(self._file.read_bytes()))


@contextmanager
def busy(port: int, path: str, connections: int, body: bytes) -> Iterator[Busy]:
    """Keep connections busy while the block runs; the answers are read when it ends."""
    words = [str(port), path, str(connections)]
    with tempfile.TemporaryDirectory(prefix="cdml-bench-") as folder:
        file = Path(folder) / "answers.json"
        running = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.clients", *words, str(file)],
            cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        with running:
            try:
                assert running.stdin is not None
                assert running.stdout is not None
                running.stdin.write(body)
                running.stdin.close()
                if running.stdout.readline() != b"ready\n":
                    sys.exit("the clients did not start")
                found = Busy(running, file)
                yield found
                found.stop()
            finally:
                running.kill()


class Connection(asyncio.Protocol):
    """One connection; what is not answered with 200 has failed."""

    def __init__(self, request: bytes, into: Answers) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ending = False
        self._request, self._into = request, into
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._sent = time.monotonic()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < _length(head):
            return
        self._buffer = b""
        if head.startswith(b"HTTP/1.1 200"):
            version = _VERSION.search(rest)
            self._into.sent.append(self._sent)
            self._into.came.append(time.monotonic())
            self._into.versions.append(version[1].decode() if version else "")
        else:
            self._into.failed += 1
        if self.ending:
            self._end()
        else:
            self._ask()

    def _end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)
        self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.over.done():
            self._into.failed += 1
            self.over.set_result(None)


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.index(b"content-length:") + len(b"content-length:")
    return int(lower[at:].split(b"\r\n", 1)[0])


async def _asked(port: int, path: str, connections: int, body: bytes) -> Answers:
    request = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    found = Answers([], [], [], 0)
    made = [
        loop.create_connection(lambda: Connection(request, found), "127.0.0.1", port)
        for _ in range(connections)
    ]
    links = [link for _, link in await asyncio.gather(*made)]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await told.wait()
    for link in links:
        link.ending = True
    async with asyncio.timeout(SILENCE_S):
        await asyncio.gather(*(link.over for link in links))
    return found


def main(port: int, path: str, connections: int, file: Path) -> None:
    """Ask until told to end, and write what was found."""
    body = sys.stdin.buffer.read()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(_asked(port, path, connections, body))
    file.write_text(json.dumps(asdict(found)), encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
