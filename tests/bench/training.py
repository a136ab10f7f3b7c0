"""What continuous training costs and is worth."""

from tests.bench import backtest, deliveries
from tests.bench.figure import Figure


def measure() -> list[Figure]:
    """Return all figures of training."""
    return [*backtest.measure(), *deliveries.measure()]
