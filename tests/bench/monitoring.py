"""What monitoring costs and what its alarms are worth; other tools beside it where they are."""

import tempfile
from pathlib import Path

from tests.bench import exact, flights_year, friedman, pairs, peers, profiles, quality, still_years
from tests.bench.figure import Figure


def measure() -> list[Figure]:
    """Return all figures of monitoring."""
    figures = profiles.measure()  # first: its peak is that of this process
    with tempfile.TemporaryDirectory(prefix="cdml-bench-monitoring-") as folder:
        day = pairs.written(Path(folder), 100_000, numbers=15, categories=5)
        figures += [*exact.measure(day, repeats=3), *peers.measure(day)]
        large = pairs.written(Path(folder), 1_000_000, numbers=40, categories=10)
        figures += exact.measure(large, repeats=1, cpu_s=15.0, peak_mib=1024.0)
        figures += peers.measure(large)
    figures += [*quality.measure(), *still_years.measure()]
    return [*figures, *friedman.measure(), *flights_year.measure()]
