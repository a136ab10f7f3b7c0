"""Hands spans and numbers to a collector over OTLP/HTTP. Alone knows OpenTelemetry."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.telemetry.names import unit_of
from engine.telemetry.spans import Span

if TYPE_CHECKING:
    from prometheus_client import Metric

TIMEOUT_S = 5.0


class Collector:
    """One collector. Blocks for TIMEOUT_S at most: for a thread that has nothing else to do."""

    def __init__(self, base: str, headers: Mapping[str, str], about: Mapping[str, str]) -> None:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # what fails is told by us
        root = base.rstrip("/")
        self._resource = Resource({f"service.{k}": v for k, v in about.items()})
        self._scope = InstrumentationScope("cdml")
        self._spans = OTLPSpanExporter(
            endpoint=f"{root}/v1/traces", headers=dict(headers), timeout=TIMEOUT_S
        )
        self._numbers = OTLPMetricExporter(
            endpoint=f"{root}/v1/metrics", headers=dict(headers), timeout=TIMEOUT_S
        )

    def take_spans(self, spans: Sequence[Span]) -> bool:
        """Hand over spans; say whether they were taken."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        if not spans:
            return True
        found = self._spans.export([self._span(span) for span in spans])
        return found is SpanExportResult.SUCCESS

    def take_numbers(self, families: Iterable["Metric"], began: int, now: int) -> bool:
        """Hand over what Prometheus is shown, counted since a moment; say whether it was taken."""
        from opentelemetry.sdk.metrics import export

        shown = [metric for family in families if (metric := _metric(family, began, now))]
        if not shown:
            return True
        scope = export.ScopeMetrics(self._scope, shown, "")
        whole = export.MetricsData([export.ResourceMetrics(self._resource, [scope], "")])
        return self._numbers.export(whole) is export.MetricExportResult.SUCCESS

    def close(self) -> None:
        """End; who waits for an answer stops waiting."""
        self._spans.shutdown()  # type: ignore[no-untyped-call]
        self._numbers.shutdown()

    def _span(self, span: Span) -> Any:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

        def context(number: int, *, remote: bool = False) -> SpanContext:
            return SpanContext(span.trace, number, remote, TraceFlags(TraceFlags.SAMPLED))

        return ReadableSpan(
            span.name,
            context(span.number),
            context(span.parent, remote=span.served) if span.parent else None,
            self._resource,
            dict(span.about),
            kind=SpanKind.SERVER if span.served else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
            start_time=span.began,
            end_time=span.ended,
            instrumentation_scope=self._scope,
        )


def _metric(family: "Metric", began: int, now: int) -> Any:
    """Return a family of Prometheus as OpenTelemetry has it; None without a sample."""
    from opentelemetry.sdk.metrics import export

    data: Any
    if family.type == "histogram":
        points = _histograms(family, began, now)
        data = export.Histogram(points, export.AggregationTemporality.CUMULATIVE)
    else:
        counted = family.type == "counter"
        points = [
            export.NumberDataPoint(s.labels, began if counted else 0, now, s.value)
            for s in family.samples
            if not s.name.endswith("_created")
        ]
        data = export.Gauge(points)
        if counted:
            data = export.Sum(points, export.AggregationTemporality.CUMULATIVE, is_monotonic=True)
    unit = unit_of(family.name)
    return export.Metric(family.name, family.documentation, unit, data) if points else None


def _histograms(family: "Metric", began: int, now: int) -> list[Any]:
    from opentelemetry.sdk.metrics import export

    found: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for sample in family.samples:
        labels = {k: v for k, v in sample.labels.items() if k != "le"}
        empty: dict[str, Any] = {"limits": [], "upto": [], "sum": 0.0}
        one = found.setdefault(tuple(sorted(labels.items())), empty)
        if sample.name.endswith("_bucket"):
            one["limits"].append(float(sample.labels["le"]))
            one["upto"].append(int(sample.value))
        elif sample.name.endswith("_sum"):
            one["sum"] = sample.value
    points = []
    for labels_of, one in found.items():
        upto = one["upto"]
        each = [n - before for n, before in zip(upto, [0, *upto], strict=False)]
        limits = [limit for limit in one["limits"] if not math.isinf(limit)]
        count, whole, unknown = upto[-1], one["sum"], math.nan
        points.append(
            export.HistogramDataPoint(
                dict(labels_of), began, now, count, whole, each, limits, unknown, unknown
            )
        )
    return points
