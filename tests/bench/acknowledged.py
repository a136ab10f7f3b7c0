"""How soon the engine acknowledges a rollback under load: recorded, and confirmed by serving."""

import time

from tests.bench.box import Load, shared
from tests.bench.figure import Figure, median, quantile

CYCLES = 100
PER_SECOND = 100
TARGET_MS = 250.0


def measure() -> list[Figure]:
    """Promote and roll back under traffic; the time is from asking the socket to its answer."""
    box = shared()
    old = box.champion()
    new = next(
        r.version for r in box.client.versions("late") if r.version != old and not r.safe_mode
    )
    waited: list[float] = []
    with Load(box, PER_SECOND) as load:
        time.sleep(1.0)
        for _ in range(CYCLES):
            box.promote(new)
            time.sleep(0.1)
            asked = time.monotonic()
            answer = box.rollback(new)
            waited.append((time.monotonic() - asked) * 1000.0)
            if answer.to != old:
                raise RuntimeError(f"rolled back to {answer.to}, not {old}")
            time.sleep(0.1)
    what = f"rollback acknowledged at {PER_SECOND} requests/s"
    return [
        median(what, waited, "ms"),
        quantile(what, waited, 99, "ms", TARGET_MS),
        Figure("failed predictions meanwhile", load.failed, "requests", len(load.answers), 0),
    ]
