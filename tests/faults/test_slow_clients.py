"""Clients that send a byte a second: they hang by the hundred, and nobody else waits for them."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

from tests.box import Box, eventually, row
from tests.malformed import PREDICT, request
from tests.traffic import traffic

SLOW = 200
BYTES = 4
ANSWERED = 200


class Dripping(threading.Thread):
    """Connections that send a byte a second: one half of its head, the other of its body."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.sent = 0
        self._links = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(SLOW)]
        whole = request("POST", PREDICT, json.dumps({"rows": [row("slow")]}).encode())
        head = whole.index(b"{")
        self._rest = [whole[head * (at % 2) :] for at in range(SLOW)]
        for at, link in enumerate(self._links):
            link.sendall(whole[: head * (at % 2)])

    def run(self) -> None:
        while not self.over.wait(1.0):
            for at, link in enumerate(self._links):
                with contextlib.suppress(OSError):  # it was cut off, as it may be
                    link.sendall(self._rest[at][self.sent : self.sent + 1])
            self.sent += 1

    def stop(self) -> None:
        """Hang up."""
        self.over.set()
        self.join(30.0)
        for link in self._links:
            link.close()


@contextlib.contextmanager
def dripping(port: int) -> Iterator[Dripping]:
    """Keep slow clients hanging while the block runs."""
    slow = Dripping(port)
    slow.start()
    try:
        yield slow
    finally:
        slow.stop()


def test_two_hundred_slow_clients_are_in_nobodys_way(box: Box) -> None:
    with dripping(box.port) as slow, traffic(box, 60.0) as clients:
        eventually(
            "others are answered meanwhile",
            lambda: slow.sent >= BYTES and len(clients.answered) >= ANSWERED,
        )
    assert clients.failed == []
    assert clients.labeller.failed == []
    assert all(answer.logged for answer in clients.answered)
    assert box.predict()[0] == 200
