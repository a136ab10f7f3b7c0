"""Clients at an even pace in a process of their own: a busy test takes none of their time.

python -m tests.faults.pace PORT PER_SECOND asks until its input ends and prints when each request
went out and came back, on the clock that all processes share.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.box import ENVIRONMENT, ROOT, Box
from tests.faults.outcome import Outcome
from tests.traffic import Predictor

QUIET_S = 6.0
PER_SECOND = 200.0
WARM_S = 0.5


class Port:
    """All that a client needs to know of a workspace."""

    def __init__(self, port: int) -> None:
        self.port = port


def asked_meanwhile(box: Box, act: Callable[[], Any]) -> list[float]:
    """Return, sorted, the latencies in ms of predictions asked while something is done."""
    clients = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.pace", str(box.port), str(PER_SECOND)],
        cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with clients:
        assert clients.stdout is not None
        assert clients.stdout.readline() == "asking\n"
        time.sleep(WARM_S)
        began = time.monotonic()
        act()
        over = time.monotonic()
        said, _ = clients.communicate("")
    found = json.loads(said)
    assert not found["failed"], found["failed"][:3]
    return sorted((b - a) * 1000 for a, b in found["answered"] if b >= began and a <= over)


def p99(latencies: list[float]) -> float:
    """Return the 99th percentile of sorted numbers."""
    return latencies[int(len(latencies) * 0.99)]


def beside(outcome: Outcome, box: Box, acts: dict[str, Callable[[], Any]], at_most: float) -> None:
    """Hold the p99 of predictions while things are done against that of the same box idle."""
    idle = asked_meanwhile(box, lambda: time.sleep(QUIET_S))
    found = {what: asked_meanwhile(box, act) for what, act in acts.items()}
    idle = sorted(idle + asked_meanwhile(box, lambda: time.sleep(QUIET_S)))
    for what, latencies in {"idle": idle, **found}.items():
        outcome.figures[f"{what} p99 ms"] = f"{p99(latencies):.3g} (n {len(latencies)})"
    for what, latencies in found.items():
        outcome.goal(f"{what} x idle", p99(latencies) / p99(idle), at_most=at_most)


def main(port: int, per_second: float) -> None:
    """Ask from two connections until the input ends."""
    at: Any = Port(port)
    clients = [Predictor(at, name, per_second / 2) for name in ("left", "right")]
    for client in clients:
        client.start()
        time.sleep(1 / per_second)  # that they take turns
    sys.stdout.write("asking\n")
    sys.stdout.flush()
    sys.stdin.read()
    for client in clients:
        client.over.set()
    for client in clients:
        client.join(60.0)
    answered = [(a.began, a.ended) for client in clients for a in client.answered]
    failed = [fault for client in clients for fault in client.failed]
    json.dump({"answered": answered, "failed": failed}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
