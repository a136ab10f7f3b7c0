"""Back to the old version under traffic: how soon it answers, and what clients notice."""

import time
from threading import Thread

from tests.bench.box import Box, Load, shared
from tests.bench.clients import busy
from tests.bench.figure import Figure, median, quantile
from tests.bench.process import cdml

CYCLES = 50
PER_SECOND = 100
COMMANDS = 10
CONNECTIONS = 16
BUSY_CYCLES = 20


def measure() -> list[Figure]:
    """Promote and roll back under traffic, then time the commands from the shell's side."""
    box = shared()
    old = box.champion()
    new = next(r.version for r in box.client.versions("late") if r.version != old)
    return [*_swaps(box, old, new), *_busy(box, old, new), *_commands(box, old, new)]


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


def _busy(box: Box, old: str, new: str) -> list[Figure]:
    """Roll back while connections are never idle; nothing by the version left may come late."""
    commanded: list[tuple[float, float]] = []
    box.client.state()  # opens the connection
    with busy(box.port, "/v1/models/late/predict", CONNECTIONS, box.body()) as clients:
        for _ in range(BUSY_CYCLES):
            box.promote(new)
            time.sleep(0.3)
            asked = time.monotonic()
            assert box.rollback(new).to == old
            commanded.append((asked, time.monotonic()))
            time.sleep(0.3)
    seen = clients.answers
    back: list[float] = []
    late: list[float] = []
    broken = 0
    for asked, done in commanded:
        by = {
            version: [
                (sent, came)
                for sent, came, who in zip(seen.sent, seen.came, seen.versions, strict=True)
                if who == version and asked < came < done + 0.3
            ]
            for version in (old, new)
        }
        back.append((min(came for _, came in by[old]) - asked) * 1000)
        late.append(max((came - done) * 1000 for _, came in [(0.0, done), *by[new]]))
        broken += sum(sent > done for sent, _ in by[new])
    what = f"{CONNECTIONS} busy connections"
    asked_for = len(seen.came) + seen.failed
    return [
        median(f"rollback request to first answer by the old version, {what}", back, "ms", 50),
        quantile(f"rollback request to first answer by the old version, {what}", back, 99, "ms",
                 50),
        Figure(f"last answer by the version left after the acknowledgement, {what}, most",
               max(late), "ms", len(late), 50),
        Figure(f"asked after it and answered by the version left, {what}", broken, "requests",
               asked_for, 0),
        Figure(f"failed predictions, {what}", seen.failed, "requests", asked_for, 0),
    ]  # fmt: skip


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
