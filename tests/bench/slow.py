"""Two hundred clients that send a byte a second, beside sixteen that do not."""

from statistics import median

from tests.bench import wrk
from tests.bench.figure import Figure
from tests.bench.trio import Trio, row_body, rows
from tests.faults.dripping import dripping
from tests.malformed import request

SLOW = 200
ROUNDS = 5
SECONDS = 2
MODEL = "lr"
PATH = f"/v1/models/{MODEL}/predict"


def measure(trio: Trio) -> list[Figure]:
    """Run with and without them, in turns."""
    bodies = [row_body([row]) for row in rows(64)]
    slow = request("POST", PATH, bodies[0])
    alone: list[wrk.Run] = []
    beside: list[wrk.Run] = []
    for _ in range(ROUNDS):
        alone.append(wrk.run(trio.url + PATH, 16, SECONDS, bodies, trio.serving_pid))
        with dripping(trio.port, SLOW, slow):
            beside.append(wrk.run(trio.url + PATH, 16, SECONDS, bodies, trio.serving_pid))
    both = list(zip(alone, beside, strict=True))
    slower = median(a.per_s / max(b.per_s, 1e-9) for a, b in both)
    later = median(b.p99_ms / a.p99_ms for a, b in both)
    what = f"without over beside {SLOW} clients of 1 byte/s, {MODEL}, 16 connections"
    failed, asked = sum(b.failed for b in beside), sum(b.requests for b in beside)
    return [
        Figure(f"throughput {what}", slower, "times", ROUNDS, 1.5),
        Figure("p99 beside them over without", later, "times", ROUNDS, 1.5),
        Figure("failed beside them", failed, "requests", asked, 0),
    ]
