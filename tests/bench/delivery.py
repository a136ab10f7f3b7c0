"""What delivery decides by chance: simulated canaries and a simulated year of retrains."""

from tests.bench import canaries, creep
from tests.bench.figure import Figure


def measure() -> list[Figure]:
    """Return the figures of both simulations; their seeds are printed."""
    return [*canaries.measure(), *creep.gates()]
