"""What a training costs those who ask meanwhile, and how much of it is its process's start."""

import json
import sys
import time

from tests.bench.box import Answer, Box, Load, shared
from tests.bench.figure import Figure, median, quantile
from tests.bench.process import cdml, metered

ROUNDS = 3
QUIET_S = 10.0
PER_SECOND = 100.0
# What a job's process imports before it can do anything.
START = "import engine.jobs.child; from engine.pipeline import fitting; import sklearn.ensemble"


def measure() -> list[Figure]:
    """Ask at an even pace, in turns alone and while trainings follow one another."""
    box, quiet, busy, took = shared(), list[float](), list[float](), list[float]()
    for _ in range(ROUNDS):
        with Load(box, PER_SECOND) as load:
            time.sleep(QUIET_S)
        quiet += _ms(load.answers, load.failed)
        with Load(box, PER_SECOND) as load:
            took += _trained(box)
        busy += _ms(load.answers, load.failed)
    command = [sys.executable, "-P", "-c", START]
    starts = [2 * metered(command).cpu_s for _ in range(5)]
    alone, beside = (quantile("", v, 99, "ms").value for v in (quiet, busy))
    return [
        quantile("a prediction while nothing is trained", quiet, 99, "ms"),
        quantile("a prediction while a version is trained", busy, 99, "ms"),
        Figure("the one over the other", beside / alone, "times", len(busy), 2.0),
        median("a training and its gate, CPU", took, "s"),
        median("of it the start of its two processes, CPU", starts, "s"),
    ]


def _trained(box: Box) -> list[float]:
    """Train for as long as it was quiet before; return what CPU each took."""
    took, end = [], time.monotonic() + QUIET_S
    while time.monotonic() < end:
        said = cdml("train", "late", "--wait", "--json", "-w", str(box.workspace), fine=(0, 4))
        took.append(json.loads(said)["cpu_s"])
    return took


def _ms(answers: list[Answer], failed: int) -> list[float]:
    if failed:
        sys.exit(f"{failed} requests failed")
    return [(a.came - a.sent) * 1000.0 for a in answers]
