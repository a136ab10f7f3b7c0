"""Slow clients in a process of their own: each sends a byte a second and begins anew when cut off.

`python -m tests.faults.dripping PORT CONNECTIONS` takes one whole request on stdin, says "ready"
once all are connected, and when told by SIGTERM writes as JSON how long those lived that were cut.
Half of them are slow in their headers, the other half in their body.
"""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.box import ENVIRONMENT, ROOT

PACE_S = 1.0


class Slow:
    """One slow client."""

    def __init__(self, port: int, request: bytes, begun: int) -> None:
        self._port, self._request, self._begun = port, request, begun
        self._connect()

    def _connect(self) -> None:
        self._link = socket.create_connection(("127.0.0.1", self._port), 30)
        self._link.sendall(self._request[: self._begun])
        self._link.setblocking(False)
        self._since, self._sent = time.monotonic(), self._begun

    def step(self) -> float | None:
        """Send one more byte; where it was cut off return how long it lived, and begin anew."""
        if not self._ended():
            return None
        lived = time.monotonic() - self._since
        self.close()
        self._connect()
        return lived

    def _ended(self) -> bool:
        try:
            while self._link.recv(4096):
                pass  # why it is cut off, which is said first
        except BlockingIOError:
            return not self._send()
        except ConnectionError:
            pass
        return True

    def _send(self) -> bool:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self._sent += self._link.send(self._request[self._sent : self._sent + 1])
        return self._sent < len(self._request)

    def close(self) -> None:
        """Hang up."""
        self._link.close()


@dataclass(slots=True)
class Dripping:
    """Slow clients at work; `lives` is there once they ended."""

    running: "subprocess.Popen[bytes]"
    lives: list[float] = field(default_factory=list)

    def stop(self) -> None:
        """Have them hang up, and read what they saw."""
        self.running.terminate()
        said, _ = self.running.communicate(timeout=30)
        self.lives = json.loads(said)


@contextmanager
def dripping(port: int, connections: int, request: bytes) -> Iterator[Dripping]:
    """Keep slow clients hanging while the block runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.dripping", str(port), str(connections)],
        cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as running:  # fmt: skip
        try:
            assert running.stdin is not None
            assert running.stdout is not None
            running.stdin.write(request)
            running.stdin.close()
            running.stdin = None
            assert running.stdout.readline() == b"ready\n", "the slow clients did not start"
            found = Dripping(running)
            yield found
            found.stop()
        finally:
            running.kill()


def main(port: int, connections: int) -> None:
    """Drip until told to end."""
    request = sys.stdin.buffer.read()
    head, over, lives = request.index(b"\r\n\r\n") + 4, [], []
    signal.signal(signal.SIGTERM, lambda *_: over.append(True))
    slow = [Slow(port, request, head * (at % 2)) for at in range(connections)]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    due, turn = time.monotonic(), 0
    while not over:
        time.sleep(max(0.0, due - time.monotonic()))
        if (lived := slow[turn % connections].step()) is not None:
            lives.append(lived)
        due, turn = due + PACE_S / connections, turn + 1
    for link in slow:
        link.close()
    json.dump(lives, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
