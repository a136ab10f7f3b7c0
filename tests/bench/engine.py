"""Engine and serving: how soon they answer after a start, and the memory they hold."""

import time
from threading import Thread

from tests.bench.box import Box, shared
from tests.bench.figure import Figure, median
from tests.bench.process import cdml, memory_mib

STARTS = 5
REQUESTS = 300
ROWS = 20


def measure() -> list[Figure]:
    """Measure memory first: a fresh start would hide what three trainings left behind."""
    box = shared()
    return [*_memory(box, _work(box), "after trainings and monitoring"), *_starts(box)]


def _work(box: Box) -> int:
    """Have some thousand predictions and labels made, loaded and monitored; return how many."""
    link, failed = box.link(), 0
    for _ in range(REQUESTS):
        body = box.body(ROWS)
        failed += box.predict(link, body) is None
        box.labels(link, body)
    link.close()
    # What monitoring imports stays in the engine.
    cdml("monitor", "late", "--wait", "-w", str(box.workspace))
    return (REQUESTS - failed) * ROWS


def _memory(box: Box, predictions: int, when: str) -> list[Figure]:
    state = box.client.state()
    found = []
    for name, pid, target in (
        ("engine", state.engine.pid, 300),
        ("serving", state.serving.pid, 200),
    ):
        if pid is None:
            raise RuntimeError(f"{name} is not running")
        resident, peak = memory_mib(pid), memory_mib(pid, "VmHWM")
        found.append(Figure(f"{name} resident, {when}", resident, "MiB", predictions, target))
        found.append(Figure(f"{name} resident at its peak", peak, "MiB", predictions))
    return found


def _starts(box: Box) -> list[Figure]:
    champion = box.champion()
    ready: list[float] = []
    commands: list[float] = []
    for _ in range(STARTS):
        box.down()
        began = time.monotonic()
        starting = Thread(target=box.up)
        starting.start()
        link, body = box.link(), box.body()
        while box.predict(link, body) != champion:
            time.sleep(0.01)
        ready.append(time.monotonic() - began)
        link.close()
        starting.join()
        commands.append(time.monotonic() - began)
    return [
        median("`cdml up` to the first correct answer", ready, "s", 3),
        median("`cdml up`, wall", commands, "s"),
        *_memory(box, 0, "fresh"),
    ]
