"""The engine's own numbers in the text format of Prometheus. What is not known is not there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
JOB_BUCKETS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Durations:
    """How long runs of one job took: how many up to each of JOB_BUCKETS, all of them, their sum."""

    upto: Sequence[int]
    seconds: float


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """What is known of one model now; None and what is absent is not shown.

    `performance` is (version, metric, kind, value), `drift` (column, method, value).
    """

    generation: int | None = None
    ready: bool | None = None
    rollbacks: Mapping[str, int] = field(default_factory=dict)
    firing: Mapping[str, int] = field(default_factory=dict)
    drift: Sequence[tuple[str, str, float]] = ()
    performance: Sequence[tuple[str, str, str, float]] = ()
    kpis: Sequence[tuple[str, str, float]] = ()
    runs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    took: Mapping[str, Durations] = field(default_factory=dict)


def text(models: Mapping[str, ModelFigures], stood: Mapping[str, float]) -> bytes:
    """Return everything in the text format; `stood`: the seconds that each loop stood still."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(Shown(models, stood))
    return generate_latest(registry)


class Shown:
    """What was just gathered, as prometheus_client asks for it."""

    def __init__(self, models: Mapping[str, ModelFigures], stood: Mapping[str, float]) -> None:
        self._models = models
        self._stood = stood

    def describe(self) -> list["Metric"]:
        return []

    def collect(self) -> Iterator["Metric"]:
        from prometheus_client.core import HistogramMetricFamily

        models = self._models.items()
        yield _counter(
            "cdml_loop_stalled_seconds",
            "How long a loop stood still: control answers on the socket, beat looks after all.",
            ["loop"], (([loop], s) for loop, s in self._stood.items()),
        )  # fmt: skip
        yield _gauge(
            "cdml_generation", "Role changes of a model.", ["model"],
            (([m], f.generation) for m, f in models),
        )  # fmt: skip
        yield _gauge(
            "cdml_rollback_ready", "Whether pressing the key now would roll back: 1 or 0.",
            ["model"], (([m], f.ready) for m, f in models),
        )  # fmt: skip
        yield _counter(
            "cdml_rollbacks", "Rollbacks in the audit, by the kind of actor: human, guardrail ...",
            ["model", "cause"], (([m, c], n) for m, f in models for c, n in f.rollbacks.items()),
        )  # fmt: skip
        yield _gauge(
            "cdml_alerts_firing", "Alerts that fire, not acknowledged and not muted.",
            ["model", "kind"], (([m, k], n) for m, f in models for k, n in f.firing.items()),
        )  # fmt: skip
        yield _gauge(
            "cdml_drift_score",
            "Distance of a column from the champion's training rows; (others): the worst of them.",
            ["model", "column", "method"], (([m, *k], v) for m, f in models for *k, v in f.drift),
        )  # fmt: skip
        yield _gauge(
            "cdml_performance",
            "A metric in the newest look: realised, estimated, or forecast for the next window.",
            ["model", "version", "metric", "kind"],
            (([m, *k], v) for m, f in models for *k, v in f.performance),
        )  # fmt: skip
        yield _gauge(
            "cdml_kpi", "A business number in the newest look.", ["model", "version", "kpi"],
            (([m, *k], v) for m, f in models for *k, v in f.kpis),
        )  # fmt: skip
        yield _counter(
            "cdml_job_runs", "Runs that ended, as recorded.", ["model", "job", "outcome"],
            (([m, *k], n) for m, f in models for k, n in f.runs.items()),
        )  # fmt: skip
        took = HistogramMetricFamily(
            "cdml_job_seconds", "How long runs took.", labels=["model", "job"]
        )
        limits = [*map(str, JOB_BUCKETS), "+Inf"]
        for model, figures in models:
            for job, found in figures.took.items():
                took.add_metric(
                    [model, job], list(zip(limits, found.upto, strict=True)), found.seconds
                )
        yield took


def _gauge(
    name: str, says: str, labels: list[str], rows: Iterable[tuple[list[str], float | None]]
) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, says, labels=labels)
    for values, value in rows:
        if value is not None:
            family.add_metric(values, value)
    return family


def _counter(
    name: str, says: str, labels: list[str], rows: Iterable[tuple[list[str], float]]
) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, says, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family
