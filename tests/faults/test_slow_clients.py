"""Clients that send a byte a second: they hang by the hundred, and nobody else waits for them."""

import json

from tests.box import Box, eventually, row
from tests.faults.dripping import dripping
from tests.malformed import PREDICT, request
from tests.traffic import traffic

SLOW = 200
ANSWERED = 200


def test_two_hundred_slow_clients_are_in_nobodys_way(box: Box) -> None:
    body = json.dumps({"rows": [row("slow")]}).encode()
    with (
        dripping(box.port, SLOW, request("POST", PREDICT, body)),
        traffic(box, 60.0) as clients,
    ):
        eventually("others are answered meanwhile", lambda: len(clients.answered) >= ANSWERED)
    assert clients.failed == []
    assert clients.labeller.failed == []
    assert all(answer.logged for answer in clients.answered)
    assert box.predict()[0] == 200
