"""A version of 100 MB is loaded beside live traffic: what the other models' clients notice."""

import time

from tests.bench.clients import busy
from tests.bench.figure import Figure, quantile
from tests.bench.process import family, memory_mib
from tests.bench.trio import BIG, Trio, row_body, rows

CONNECTIONS = (4, 16)
ROUNDS = 3
SETTLE_S = 0.5
BEFORE_S = 2.0
MODEL = "lr"


def measure(trio: Trio) -> list[Figure]:
    """Promote the large version while clients ask another model, then let go of it again."""
    trio.train_big()
    figures: list[Figure] = []
    for connections in CONNECTIONS:
        figures += _beside(trio, connections)
    memory = sum(memory_mib(pid) for pid in family(trio.serving_pid))
    figures.append(Figure("serving resident after it was let go", memory, "MiB", ROUNDS))
    return figures


def _beside(trio: Trio, connections: int) -> list[Figure]:
    before: list[float] = []
    meanwhile: list[float] = []
    waited: list[float] = []
    failed = 0
    for _ in range(ROUNDS):
        path, body = f"/v1/models/{MODEL}/predict", row_body(rows(1))
        trio.client.state()  # opens the connection
        with busy(trio.port, path, connections, body) as clients:
            time.sleep(SETTLE_S)
            since = time.monotonic()
            time.sleep(BEFORE_S)
            asked = time.monotonic()
            trio.promote(BIG, "v2")
            done = time.monotonic()
            time.sleep(SETTLE_S)
        trio.rollback(BIG, "v2")
        before += clients.answers.took_ms(since, asked)
        meanwhile += clients.answers.took_ms(asked, done)
        failed += clients.answers.failed
        waited.append(done - asked)
    what = f"{MODEL}, {connections} connections"
    calm = quantile(f"latency before, {what}", before, 99, "ms")
    moved = quantile(f"latency while 100 MB are loaded, {what}", meanwhile, 99, "ms")
    worst = Figure(f"latency while loaded, {what}, most", max(meanwhile), "ms", len(meanwhile))
    ratio = Figure(f"p99 while loaded over before, {what}", moved.value / calm.value, "times",
                   ROUNDS, 4)  # fmt: skip
    took = quantile(f"the load, {what}", waited, 50, "s")
    asked_for = len(before) + len(meanwhile)
    return [calm, moved, worst, ratio, took,
            Figure(f"failed meanwhile, {what}", failed, "requests", asked_for, 0)]  # fmt: skip
