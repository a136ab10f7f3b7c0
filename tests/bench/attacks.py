"""Attack signs: honest clients and sources against those that probe, copy and lie."""

from tests.bench import probing, sources
from tests.bench.figure import Figure


def measure() -> list[Figure]:
    """Return false alarms and how surely attacks are seen."""
    return [*probing.measure(), *sources.measure()]
