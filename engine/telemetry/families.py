"""Numbers that were just gathered, family by family, as prometheus_client asks for them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.telemetry.names import Named

if TYPE_CHECKING:
    from prometheus_client import Metric


@dataclass(frozen=True, slots=True)
class Durations:
    """How many took up to each limit, all of them last, and how long they took together."""

    upto: Sequence[int]
    seconds: float


def family(named: Named, rows: Iterable[tuple[Sequence[str], float | None]]) -> "Metric":
    """Return a gauge or a counter with a value for each set of labels; None is left out."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if named.kind == "counter" else GaugeMetricFamily
    found = kind(named.name.removesuffix("_total"), named.says, labels=named.labels)
    for values, value in rows:
        if value is not None:
            found.add_metric(values, float(value))  # a truth is 1 or 0 to whoever reads it
    return found


def histogram(
    named: Named, limits: Sequence[float], rows: Iterable[tuple[Sequence[str], Durations]]
) -> "Metric":
    """Return a histogram with these limits, and one beyond them, for each set of labels."""
    from prometheus_client.core import HistogramMetricFamily

    found = HistogramMetricFamily(named.name, named.says, labels=named.labels)
    upto = [*map(str, limits), "+Inf"]
    for values, took in rows:
        found.add_metric(values, list(zip(upto, took.upto, strict=True)), took.seconds)
    return found
