"""HTTP clients in a process of their own: N connections, each asks again once it was answered.

`python -m tests.bench.clients PORT CONNECTIONS SECONDS` takes the body on stdin and answers with
JSON: the requests a second, the latencies in ms, how many requests were not answered with 200.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

PATH = "/v1/models/late/predict"
WARM_UP_S = 0.3
SILENCE_S = 15.0


class Connection(asyncio.Protocol):
    """One connection; `took` is in ms and holds what was answered with 200."""

    def __init__(self, request: bytes, begin: float, end: float) -> None:
        self.took: list[float] = []
        self.failed = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request, self._begin, self._end = request, begin, end
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < _length(head):
            return
        now = time.perf_counter()
        self._buffer = b""
        if now > self._end:
            self.over.set_result(None)
            self._transport.close()
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.failed += 1
        elif self._sent >= self._begin:
            self.took.append((now - self._sent) * 1000)
        self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.over.done():
            self.failed += 1
            self.over.set_result(None)


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.index(b"content-length:") + len(b"content-length:")
    return int(lower[at:].split(b"\r\n", 1)[0])


async def _asked(port: int, connections: int, seconds: float, body: bytes) -> list[Connection]:
    request = (
        f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body
    loop = asyncio.get_running_loop()
    begin = time.perf_counter() + WARM_UP_S
    made = [
        loop.create_connection(
            lambda: Connection(request, begin, begin + seconds), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    found = [connection for _, connection in await asyncio.gather(*made)]
    async with asyncio.timeout(WARM_UP_S + seconds + SILENCE_S):
        await asyncio.gather(*(connection.over for connection in found))
    return found


def main(port: int, connections: int, seconds: float) -> None:
    """Ask for some seconds and print what was found."""
    body = sys.stdin.buffer.read()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(_asked(port, connections, seconds, body))
    took = [t for connection in found for t in connection.took]
    failed = sum(connection.failed for connection in found)
    answer = {"per_s": len(took) / seconds, "took_ms": took, "failed": failed}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
