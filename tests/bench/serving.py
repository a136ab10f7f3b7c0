"""The serving table: speed beside a bare endpoint, starts, the log, slow clients, a large load."""

import sys

from tests.bench import loading, logcost, slow, speed, starts, trio, wrk
from tests.bench.figure import Figure


def measure() -> list[Figure]:
    """Measure memory and starts before load has left its traces, and the large version last."""
    wrk.require()
    box = trio.shared()
    figures: list[Figure] = []
    for part in (starts, speed, logcost, slow, loading):
        sys.stderr.write(f"  {part.__name__.rpartition('.')[2]}\n")
        figures += part.measure(box)
    return figures
