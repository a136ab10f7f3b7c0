"""Back to the old version under traffic: how soon it answers, and what clients notice."""

import time
from threading import Thread

from tests.bench.box import Box, Load, shared
from tests.bench.figure import Figure, median, quantile
from tests.bench.process import cdml

CYCLES = 50
PER_SECOND = 100
COMMANDS = 10


def measure() -> list[Figure]:
    """Promote and roll back under traffic, then time the commands from the shell's side."""
    box = shared()
    old = box.champion()
    new = next(r.version for r in box.client.versions("late") if r.version != old)
    return [*_swaps(box, old, new), *_commands(box, old, new)]


def _swaps(box: Box, old: str, new: str) -> list[Figure]:
    served: list[float] = []
    acknowledged: list[float] = []
    promoted: list[float] = []

    def roll_back(asked: float) -> None:
        assert box.rollback(new).to == old
        acknowledged.append(time.monotonic() - asked)

    with Load(box, PER_SECOND) as load:
        time.sleep(1.0)
        for _ in range(CYCLES):
            asked = time.monotonic()
            box.promote(new)
            promoted.append(time.monotonic() - asked)
            load.first_by(new, asked)
            time.sleep(0.1)
            asked = time.monotonic()
            asking = Thread(target=roll_back, args=(asked,))
            asking.start()
            served.append(load.first_by(old, asked) - asked)
            asking.join()
            time.sleep(0.1)
    waited = [(a.came - a.sent) * 1000 for a in load.answers]
    asked_for = len(load.answers) + load.failed
    what = f"{CYCLES} promotes and {CYCLES} rollbacks at {PER_SECOND} requests/s"
    return [
        median("rollback request to first answer by the old version", served, "s", 0.3),
        quantile("rollback request to first answer by the old version", served, 99, "s", 0.3),
        median("rollback acknowledged", acknowledged, "s"),
        quantile("rollback acknowledged", acknowledged, 99, "s"),
        median("promotion acknowledged", promoted, "s"),
        Figure(f"failed predictions, {what}", load.failed, "requests", asked_for, 0),
        median("prediction latency meanwhile", waited, "ms"),
        quantile("prediction latency meanwhile", waited, 99, "ms"),
    ]


def _commands(box: Box, old: str, new: str) -> list[Figure]:
    """Time the commands; without traffic, so that the start of the command is what is seen."""
    rollback: list[float] = []
    status: list[float] = []
    for _ in range(COMMANDS):
        box.promote(new)
        began = time.monotonic()
        cdml("rollback", "late", "--expect", new, "--json", "-w", str(box.workspace))
        rollback.append(time.monotonic() - began)
        assert box.champion() == old
        began = time.monotonic()
        cdml("status", "--json", "-w", str(box.workspace))
        status.append(time.monotonic() - began)
    return [
        median("`cdml rollback`, wall", rollback, "s", 0.3),
        median("`cdml status`, wall", status, "s", 0.3),
    ]
