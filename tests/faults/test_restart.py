"""Serving is started again under load: nobody is refused, nobody is cut off, nothing is lost."""

import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.box import Box, eventually
from tests.faults.restarts import gone, knocking, listening, started
from tests.traffic import missing, traffic


def test_a_graceful_restart_under_load_refuses_and_resets_nobody(
    box: Box, record_property: Callable[[str, object], None]
) -> None:
    with traffic(box) as clients, knocking(box, 1) as (impatient,):
        for _ in range(2):
            before = len(clients.answered)
            former = box.pid("serve")
            gone(former, signal.SIGTERM)
            eventually("another one", lambda was=former: box.pid("serve") not in (0, was))
            eventually("it answers", lambda n=before: len(clients.answered) > n + 100)
    record_property("requests", len(clients.answered))
    record_property("connections", impatient.answered)
    record_property("slowest_s", round(impatient.slowest, 2))
    assert clients.failed == []
    assert clients.labeller.failed == []
    assert impatient.failed == []
    assert impatient.answered > 5  # a slow machine has fewer
    assert all(answer.logged for answer in clients.answered)
    box.down()
    assert not any(missing(box, clients).values())


def test_who_connects_while_serving_is_dead_waits_in_the_queue(box: Box) -> None:
    gone(box.pid("serve"), signal.SIGKILL)
    with socket.create_connection(("127.0.0.1", box.port), timeout=30.0) as early:
        early.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert early.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("workers", [1, 2])
def test_systemd_hands_the_port_over_and_hears_that_serving_lives(
    stopped: Box, tmp_path: Path, workers: int
) -> None:
    """What systemd does, by hand: the socket is number 3, states come over a datagram socket."""
    if workers > 1:
        stopped.write({"[serving]": f"[serving]\nworkers = {workers}"})
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.settimeout(60.0)
    told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "900000"}
    with heard, listening(stopped.port) as port:
        for _ in range(2):
            early = socket.create_connection(("127.0.0.1", stopped.port), timeout=30.0)
            early.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            serving = started(stopped, port, **told)
            said = [heard.recv(256).split(b"\n") for _ in range(3)]
            assert [lines[0] for lines in said] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
            assert all(lines[1].startswith(b"STATUS=") for lines in said[1:])
            assert early.recv(12) == b"HTTP/1.1 200"
            early.close()
            serving.terminate()
            assert serving.wait(30.0) == 0
            while heard.recv(256) != b"STOPPING=1":
                pass
