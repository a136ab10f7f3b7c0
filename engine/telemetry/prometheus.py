"""What Prometheus reads from the prediction service, in a registry of its own.

One of several workers counts in files and shows the sum over all of them.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

from engine.telemetry import names
from engine.telemetry.names import Named
from engine.telemetry.shared import VARIABLE
from engine.telemetry.stalls import STALL_S

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
MAX_SERIES = 256
MAX_FLAGS = 1024
OTHERS = "(others)"
REFUSALS = ("422", "500", "503")

Memory = Mapping[tuple[str, str], int]


class ServingMetrics:
    """Counts of the prediction service; the series of versions out of memory are let go.

    Those of several workers stay until all are restarted: shared files know no removal.
    """

    def __init__(
        self,
        spool_bytes: Callable[[], float],
        dropped: Callable[[], float],
        memory: Callable[[], Memory],
        worker: int | None = None,
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._shown = self._registry = CollectorRegistry()
        self._shared = worker is not None and Path(os.environ.get(VARIABLE, "/none")).is_dir()
        if self._shared:
            # Named by number, not by process: who replaces a worker counts on where it was.
            values.ValueClass = values.MultiProcessValue(lambda: worker)  # type: ignore[no-untyped-call]
            self._shown = CollectorRegistry()
            MultiProcessCollector(self._shown)  # type: ignore[no-untyped-call]
        else:
            ProcessCollector(registry=self._shown)
        self._make()
        self._spool_bytes = spool_bytes
        self._dropped_now = dropped
        self._dropped_seen = 0.0
        self._memory_now = memory
        self._memory_seen: Memory = {}
        self._counters: OrderedDict[tuple[str, str, str, str], Counter] = OrderedDict()
        self._histograms: OrderedDict[tuple[str, str], Histogram] = OrderedDict()
        self._flagged: dict[tuple[str, str], Counter] = {}
        self._gone: set[tuple[str, str]] = set()
        self._known: set[str] = set()

    def _make(self) -> None:
        self._predictions = self._counter(names.PREDICTIONS)
        named = names.SECONDS
        self._seconds = Histogram(
            named.name, named.says, named.labels, buckets=BUCKETS, registry=self._registry
        )
        self._flags = self._counter(names.FLAGS)
        self._dropped = self._counter(names.DROPPED)
        self._traces = self._counter(names.TRACES)
        self._stood = self._counter(names.STOOD).labels("serving")
        self._generation = self._gauge(names.GENERATION, "min")
        self._memory = self._gauge(names.MEMORY, "sum")
        self._spool = self._gauge(names.SPOOL, "mostrecent")

    def _counter(self, named: Named) -> Counter:
        name = named.name.removesuffix("_total")
        return Counter(name, named.says, named.labels, registry=self._registry)

    def _gauge(self, named: Named, mode: Literal["min", "sum", "mostrecent"]) -> Gauge:
        """Return a gauge of which several workers show one by this mode."""
        return Gauge(
            named.name, named.says, named.labels, multiprocess_mode=mode, registry=self._registry
        )

    def answered(self, model: str, version: str, role: str, rows: int, seconds: float) -> None:
        """Count rows that one version answered in one request."""
        self._count((model, version, role, "200"), rows)
        key = (model, version)
        histogram = self._histograms.get(key)
        if histogram is None:
            histogram = self._histograms[key] = self._seconds.labels(*key)
            if len(self._histograms) > MAX_SERIES:
                self._let_go(self._seconds, self._histograms.popitem(last=False)[0])
        histogram.observe(seconds)

    def flagged(self, model: str, flags: Sequence[str]) -> None:
        """Count what was unusual in an answered row, each "kind:column" of its contract."""
        for flag in flags:
            counter = self._flagged.get((model, flag))
            if counter is None:
                kind, _, column = flag.partition(":")
                few = len(self._flagged) < MAX_FLAGS
                counter = self._flags.labels(model, column if few else OTHERS, kind)
                if few:
                    self._flagged[model, flag] = counter
            counter.inc()

    def refused(self, model: str, code: int) -> None:
        """Count a request that got no prediction; `model` is empty where there is none such."""
        self._count((model, "", "", str(code)), 1)

    def generation(self, model: str, generation: int) -> None:
        """Show the generation that is served; the first time, that nothing was refused yet.

        A count that rose from nothing would look like none to whoever asks for its increase.
        """
        self._generation.labels(model).set(generation)
        if model not in self._known:
            self._known.add(model)
            for code in REFUSALS:
                self._count((model, "", "", code), 0)

    def late(self, seconds: float) -> None:
        """Count that the loop which answers came so much too late; a little is not counted."""
        if seconds >= STALL_S:
            self._stood.inc(seconds)

    def traces_dropped(self, spans: int) -> None:
        """Count spans that were not taken."""
        self._traces.inc(spans)

    def look(self) -> None:
        """Take over what is counted elsewhere, so that other workers can show it too."""
        dropped = self._dropped_now()
        self._dropped.inc(max(0.0, dropped - self._dropped_seen))
        self._dropped_seen = dropped
        memory = self._memory_now()
        for key in self._memory_seen.keys() - memory.keys():
            self._memory.labels(*key).set(0)
            self._let_go(self._memory, key)
        for key, size in memory.items():
            self._memory.labels(*key).set(size)
        self._memory_seen = memory

    def text(self) -> bytes:
        """Return everything in the text format."""
        self._forget()
        return generate_latest(self.shown())

    def shown(self) -> CollectorRegistry:
        """Return everything as it is now."""
        self.look()
        self._spool.set(self._spool_bytes())
        return self._shown

    def _count(self, key: tuple[str, str, str, str], amount: int) -> None:
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._predictions.labels(*key)
            if len(self._counters) > MAX_SERIES:
                self._let_go(self._predictions, self._counters.popitem(last=False)[0])
        counter.inc(amount)

    def _forget(self) -> None:
        """Let go what versions out of memory have counted, once their last counts were shown."""
        served = {*self._histograms, *((m, v) for m, v, *_ in self._counters if v)}
        gone = served - self._memory_seen.keys()
        for key in gone & self._gone:
            if self._histograms.pop(key, None) is not None:
                self._let_go(self._seconds, key)
            for counted in [k for k in self._counters if k[:2] == key]:
                del self._counters[counted]
                self._let_go(self._predictions, counted)
        self._gone = gone

    def _let_go(self, series: Counter | Gauge | Histogram, key: Sequence[str]) -> None:
        if not self._shared:
            series.remove(*key)
