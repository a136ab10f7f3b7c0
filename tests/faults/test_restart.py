"""Serving is started again under load: nobody is refused, nobody is cut off, nothing is lost."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.box import ENVIRONMENT, Box, eventually
from tests.traffic import missing, traffic


class Knocking(threading.Thread):
    """A client that opens a new connection for each request, as the impatient do."""

    def __init__(self, box: Box) -> None:
        super().__init__(daemon=True)
        self.box, self.over = box, threading.Event()
        self.answered, self.failed, self.slowest = 0, [], 0.0

    def run(self) -> None:
        while not self.over.wait(0.02):
            began = time.monotonic()
            try:
                status, _ = self.box.predict()
                self.answered += status == 200
                if status != 200:
                    self.failed.append(str(status))
            except (OSError, ValueError) as fault:
                self.failed.append(repr(fault))
            self.slowest = max(self.slowest, time.monotonic() - began)


def gone(pid: int, number: int) -> None:
    """Send a signal and wait until the process is gone."""
    handle = os.pidfd_open(pid)
    os.kill(pid, number)
    ended, _, _ = select.select([handle], [], [], 30.0)
    os.close(handle)
    assert ended


def test_a_graceful_restart_under_load_refuses_and_resets_nobody(
    box: Box, record_property: Callable[[str, object], None]
) -> None:
    knocking = Knocking(box)
    with traffic(box) as clients:
        knocking.start()
        for _ in range(2):
            before = len(clients.answered)
            former = box.pid("serve")
            gone(former, signal.SIGTERM)
            eventually("another one", lambda was=former: box.pid("serve") not in (0, was))
            eventually("it answers", lambda n=before: len(clients.answered) > n + 100)
        knocking.over.set()
        knocking.join(30.0)
    record_property("requests", len(clients.answered))
    record_property("connections", knocking.answered)
    record_property("slowest_s", round(knocking.slowest, 2))
    assert clients.failed == []
    assert clients.labeller.failed == []
    assert knocking.failed == []
    assert knocking.answered > 5  # a slow machine has fewer
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
    with heard, socket.socket() as port:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port.bind(("127.0.0.1", stopped.port))
        port.listen(64)
        for _ in range(2):
            early = socket.create_connection(("127.0.0.1", stopped.port), timeout=30.0)
            early.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            serving = started(stopped, port, tmp_path / "notify")
            said = [heard.recv(256).split(b"\n") for _ in range(3)]
            assert [lines[0] for lines in said] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
            assert all(lines[1].startswith(b"STATUS=") for lines in said[1:])
            assert early.recv(12) == b"HTTP/1.1 200"
            early.close()
            serving.terminate()
            assert serving.wait(30.0) == 0
            while heard.recv(256) != b"STOPPING=1":
                pass


def started(box: Box, port: socket.socket, notify: Path) -> "subprocess.Popen[bytes]":
    """Start serving as a service manager would."""
    serve = f"'{sys.executable}' -P -m engine serve -w '{box.path}'"
    script = f"exec 3<&{port.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; exec {serve}"
    told = {"NOTIFY_SOCKET": str(notify), "WATCHDOG_USEC": "900000"}
    return subprocess.Popen(
        ["bash", "-c", script], env={**ENVIRONMENT, **told}, pass_fds=[port.fileno()]
    )
