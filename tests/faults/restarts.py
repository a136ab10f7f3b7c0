"""Case 14: serving is restarted under load while others hold the port; nobody is turned away."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.box import ENVIRONMENT, Box, copied, eventually
from tests.faults.outcome import Case, Outcome
from tests.traffic import Traffic, missing, traffic

KNOCKERS = 3
BETWEEN = 100


class Knocking(threading.Thread):
    """A client that opens a new connection for each request, as the impatient do."""

    def __init__(self, box: Box, pause_s: float = 0.02) -> None:
        super().__init__(daemon=True)
        self.box, self.over = box, threading.Event()
        self.answered, self.failed, self.slowest = 0, list[str](), 0.0
        self._pause_s = pause_s

    def run(self) -> None:
        while not self.over.wait(self._pause_s):
            began = time.monotonic()
            try:
                status, _ = self.box.predict()
                self.answered += status == 200
                if status != 200:
                    self.failed.append(str(status))
            except (OSError, ValueError) as fault:
                self.failed.append(repr(fault))
            self.slowest = max(self.slowest, time.monotonic() - began)


@contextmanager
def knocking(box: Box, clients: int, pause_s: float = 0.02) -> Iterator[list[Knocking]]:
    """Have impatient clients while the block runs."""
    found = [Knocking(box, pause_s) for _ in range(clients)]
    for knocker in found:
        knocker.start()
    try:
        yield found
    finally:
        for knocker in found:
            knocker.over.set()
        for knocker in found:
            knocker.join(30.0)


def gone(pid: int, number: int) -> None:
    """Send a signal and wait until the process is gone."""
    handle = os.pidfd_open(pid)
    os.kill(pid, number)
    ended, _, _ = select.select([handle], [], [], 30.0)
    os.close(handle)
    assert ended


def listening(port: int) -> socket.socket:
    """Hold a port open as systemd does for a socket unit."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    held.listen(1024)
    return held


def started(box: Box, port: socket.socket, **told: str) -> "subprocess.Popen[bytes]":
    """Start serving as a service manager would: the socket is number 3, and it is told so."""
    serve = f"'{sys.executable}' -P -m engine serve -w '{box.path}'"
    script = f"exec 3<&{port.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; exec {serve}"
    return subprocess.Popen(
        ["bash", "-c", script], env={**ENVIRONMENT, **told}, pass_fds=[port.fileno()]
    )


def handed_over(stock: Path, folder: Path, rounds: int) -> Outcome:
    """Restart serving again and again, kept by `cdml up` and by a manager, of 1 and 2 workers."""
    outcome = Outcome("14", "graceful restarts under load")
    failed, slowest, answered = list[str](), 0.0, 0
    for workers in (1, 2):
        for kept in (_by_our_supervisor, _by_a_manager):
            with copied(stock, folder / f"{kept.__name__}-{workers}") as box:
                if workers > 1:
                    box.write({"[serving]": f"[serving]\nworkers = {workers}"})
                clients, knockers = kept(box, rounds)
                failed += clients.failed + clients.labeller.failed
                failed += [fault for k in knockers for fault in k.failed]
                slowest = max(slowest, *(k.slowest for k in knockers))
                answered += len(clients.answered) + sum(k.answered for k in knockers)
                outcome.injected += rounds
                lost = {what: n for what, n in missing(box, clients).items() if n}
                outcome.wrong += [f"{kept.__name__[4:]}, {workers} workers: {lost}"] if lost else []
    outcome.failed = outcome.injected if outcome.wrong else 0
    _count(outcome, failed)
    outcome.figures |= {"answered": answered, "slowest s": slowest}
    return outcome


def _count(outcome: Outcome, failed: Sequence[str]) -> None:
    """Sort failures into those that the case forbids, and all others."""
    refused = [f for f in failed if "Refused" in f]
    reset = [f for f in failed if "Reset" in f or "Disconnected" in f or "BrokenPipe" in f]
    outcome.goal("refused", len(refused), at_most=0)
    outcome.goal("reset", len(reset), at_most=0)
    outcome.goal("failed otherwise", len(failed) - len(refused) - len(reset), at_most=0)
    outcome.wrong += sorted(set(failed))[:3]


def _by_our_supervisor(box: Box, rounds: int) -> tuple[Traffic, list[Knocking]]:
    """`cdml up`: the engine starts serving again on the port that its supervisor holds."""
    box.up()

    def restart() -> None:
        former = _keeper(box)
        gone(former, signal.SIGTERM)
        eventually("another one", lambda: _keeper(box) not in (0, former))

    found = _loaded(box, restart, rounds)
    box.down()
    return found


def _by_a_manager(box: Box, rounds: int) -> tuple[Traffic, list[Knocking]]:
    """What `systemctl restart` does: TERM, wait for the end, start on the same socket."""
    with listening(box.port) as port:
        running = [started(box, port)]

        def restart() -> None:
            running[-1].terminate()
            assert running[-1].wait(30.0) == 0
            running.append(started(box, port))

        found = _loaded(box, restart, rounds)
        running[-1].terminate()
        assert running[-1].wait(30.0) == 0
    # An engine has what was answered loaded.
    box.up()
    box.down()
    return found


def _loaded(box: Box, restart: Callable[[], None], rounds: int) -> tuple[Traffic, list[Knocking]]:
    """Restart under predictions, labels and clients that connect anew each time."""
    eventually("it answers", partial(_answers, box))
    with traffic(box) as clients, knocking(box, KNOCKERS, 0.005) as knockers:
        for _ in range(rounds):
            restart()
            enough = len(clients.answered) + BETWEEN
            eventually("it answers again", lambda: len(clients.answered) > enough)  # noqa: B023
    return clients, knockers


def _answers(box: Box) -> bool:
    try:
        return box.predict()[0] == 200
    except OSError:
        return False


def _keeper(box: Box) -> int:
    """Return the serving process that is nobody's worker."""
    serving = [pid for pid, verb in box.processes().items() if verb == "serve"]
    workers = [pid for pid in serving if b"--keeper" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return next((pid for pid in serving if pid not in workers), 0)


CASES: dict[str, Case] = {"14": lambda stock, at: handed_over(stock, at, 3)}
