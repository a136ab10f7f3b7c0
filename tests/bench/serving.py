"""The prediction port under closed-loop clients, beside bare uvicorn in the same minutes."""

import http.client
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.bench.box import Box, shared
from tests.bench.figure import Figure, median, quantile
from tests.bench.process import ROOT, environment

CONNECTIONS = (1, 16)
ROUNDS = 3
SECONDS = 3.0


@dataclass(slots=True)
class Rounds:
    """What the rounds against one server found."""

    per_s: list[float] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)
    failed: int = 0


def measure() -> list[Figure]:
    """Measure both servers in turns, so that other work on the machine meets both alike."""
    box = shared()
    body = box.body()
    figures: list[Figure] = []
    with _reference(_answer_bytes(box, body)) as reference_port:
        for connections in CONNECTIONS:
            ours, bare = Rounds(), Rounds()
            for _ in range(ROUNDS):
                _round(box.port, connections, body, ours)
                _round(reference_port, connections, body, bare)
            figures += _figures(connections, ours, bare)
    return figures


def _figures(connections: int, ours: Rounds, bare: Rounds) -> list[Figure]:
    what = f"{connections} connection{'s' * (connections > 1)}"
    ratio = statistics.median(b / o for o, b in zip(ours.per_s, bare.per_s, strict=True))
    asked = len(ours.took_ms) + ours.failed
    return [
        median(f"one-row requests, {what}", ours.per_s, "1/s"),
        median(f"latency, {what}", ours.took_ms, "ms"),
        quantile(f"latency, {what}", ours.took_ms, 99, "ms"),
        Figure(f"failed requests, {what}", ours.failed, "requests", asked, 0),
        median(f"bare uvicorn, {what}", bare.per_s, "1/s"),
        Figure(f"bare uvicorn over ours, {what}", ratio, "times", len(ours.per_s)),
    ]


def _round(port: int, connections: int, body: bytes, into: Rounds) -> None:
    words = [str(port), str(connections), str(SECONDS)]
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench.clients", *words],
        input=body,
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        check=False,
    )
    if run.returncode != 0:
        sys.exit(f"the clients ended with {run.returncode}: {run.stderr.decode()}")
    found = json.loads(run.stdout)
    into.per_s.append(found["per_s"])
    into.took_ms += found["took_ms"]
    into.failed += found["failed"]


def _answer_bytes(box: Box, body: bytes) -> int:
    """Return how long an answer is: the reference answers with as much."""
    link = box.link()
    link.request("POST", "/v1/models/late/predict", body, {"content-type": "application/json"})
    content = link.getresponse().read()
    link.close()
    return len(content)


@contextmanager
def _reference(size: int) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "tests.bench.constant", str(port), str(size)]
    server = subprocess.Popen(command, cwd=ROOT, env=environment())
    try:
        _wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 10
    while server.poll() is None and time.monotonic() < end:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
        try:
            link.request("GET", "/")
            link.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            link.close()
    sys.exit("the reference server did not start")
