"""What Prometheus reads from the prediction service, in a registry of its own."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
MAX_SERIES = 256


class ServingMetrics:
    """Counts of the prediction service; the series of versions long unused are let go."""

    def __init__(self, spool_bytes: Callable[[], float], dropped: Callable[[], float]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._predictions = Counter(
            "cdml_predictions",
            "Rows answered, and requests refused (without version and role), by HTTP status.",
            ["model", "version", "role", "code"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "cdml_prediction_seconds",
            "From the request's last byte to its answer.",
            ["model", "version"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._flags = Counter(
            "cdml_contract_flags",
            "Features answered though unusual: unseen, range or null.",
            ["model", "column", "kind"],
            registry=self._registry,
        )
        self._generation = Gauge(
            "cdml_generation", "Role changes of a model.", ["model"], registry=self._registry
        )
        spool = Gauge("cdml_spool_bytes", "Size of the spool folder.", registry=self._registry)
        spool.set_function(spool_bytes)
        self._dropped = Counter("cdml_log_dropped", "Log records dropped.", registry=self._registry)
        self._dropped_now = dropped
        self._dropped_seen = 0.0
        self._counters: OrderedDict[tuple[str, str, str, str], Counter] = OrderedDict()
        self._histograms: OrderedDict[tuple[str, str], Histogram] = OrderedDict()

    def answered(self, model: str, version: str, role: str, rows: int, seconds: float) -> None:
        """Count rows that one version answered in one request."""
        self._count((model, version, role, "200"), rows)
        key = (model, version)
        histogram = self._histograms.get(key)
        if histogram is None:
            histogram = self._histograms[key] = self._seconds.labels(*key)
            if len(self._histograms) > MAX_SERIES:
                self._seconds.remove(*self._histograms.popitem(last=False)[0])
        histogram.observe(seconds)

    def flagged(self, model: str, flags: Sequence[str]) -> None:
        """Count what was unusual in an answered row, each "kind:column" of its contract."""
        for flag in flags:
            kind, _, column = flag.partition(":")
            self._flags.labels(model, column, kind).inc()

    def refused(self, model: str, code: int) -> None:
        """Count a request that got no prediction; `model` is empty where there is none such."""
        self._count((model, "", "", str(code)), 1)

    def generation(self, model: str, generation: int) -> None:
        """Show the generation that is served."""
        self._generation.labels(model).set(generation)

    def text(self) -> bytes:
        """Return everything in the text format."""
        dropped = self._dropped_now()
        self._dropped.inc(max(0.0, dropped - self._dropped_seen))
        self._dropped_seen = dropped
        return generate_latest(self._registry)

    def _count(self, key: tuple[str, str, str, str], amount: int) -> None:
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._predictions.labels(*key)
            if len(self._counters) > MAX_SERIES:
                self._predictions.remove(*self._counters.popitem(last=False)[0])
        counter.inc(amount)
