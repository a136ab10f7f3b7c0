"""The engine's own numbers in the text format of Prometheus. What is not known is not there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.telemetry import names
from engine.telemetry.families import Durations, family, histogram

if TYPE_CHECKING:
    from prometheus_client import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
JOB_BUCKETS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """What is known of one model now; None and what is absent is not shown. Times are Unix time.

    `performance` is (version, metric, kind, value), `drift` (column, method, value).
    """

    generation: int | None = None
    ready: bool | None = None
    looked: float | None = None
    rollbacks: Mapping[str, int] = field(default_factory=dict)
    firing: Mapping[str, int] = field(default_factory=dict)
    drift: Sequence[tuple[str, str, float]] = ()
    performance: Sequence[tuple[str, str, str, float]] = ()
    kpis: Sequence[tuple[str, str, float]] = ()
    runs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    took: Mapping[str, Durations] = field(default_factory=dict)
    due: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkspaceFigures:
    """What is known of the workspace as a whole. Times are Unix time.

    `waiting` are bytes of the log to be loaded, `locked` is (model, lock) and since when,
    `messages` (target, outcome) and how many, `failing` says of each target whether its last
    message failed, `stood` are the seconds that each loop stood still.
    """

    version: str | None = None
    complete: bool | None = None
    waiting: int | None = None
    disk: tuple[int, int] | None = None
    backup: float | None = None
    audit: int | None = None
    locked: Mapping[tuple[str, str], float] = field(default_factory=dict)
    messages: Mapping[tuple[str, str], int] = field(default_factory=dict)
    failing: Mapping[str, bool] = field(default_factory=dict)
    stood: Mapping[str, float] = field(default_factory=dict)


NOTHING = WorkspaceFigures()


def text(models: Mapping[str, ModelFigures], whole: WorkspaceFigures = NOTHING) -> bytes:
    """Return everything in the text format."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    registry.register(Shown(models, whole))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class Shown:
    """What was just gathered, as prometheus_client asks for it."""

    def __init__(
        self, models: Mapping[str, ModelFigures], whole: WorkspaceFigures = NOTHING
    ) -> None:
        self._models = models
        self._whole = whole

    def describe(self) -> list["Metric"]:
        return []

    def collect(self) -> Iterator["Metric"]:
        yield from self._of_models()
        yield from self._of_workspace()

    def _of_models(self) -> Iterator["Metric"]:
        models = self._models.items()
        yield family(names.GENERATION, (([m], f.generation) for m, f in models))
        yield family(names.READY, (([m], f.ready) for m, f in models))
        yield family(names.LOOKED, (([m], f.looked) for m, f in models))
        yield family(
            names.ROLLBACKS, (([m, c], n) for m, f in models for c, n in f.rollbacks.items())
        )
        yield family(names.FIRING, (([m, k], n) for m, f in models for k, n in f.firing.items()))
        yield family(names.DRIFT, (([m, *k], v) for m, f in models for *k, v in f.drift))
        yield family(
            names.PERFORMANCE, (([m, *k], v) for m, f in models for *k, v in f.performance)
        )
        yield family(names.KPI, (([m, *k], v) for m, f in models for *k, v in f.kpis))
        yield family(names.RUNS, (([m, *k], n) for m, f in models for k, n in f.runs.items()))
        took = (([m, j], d) for m, f in models for j, d in f.took.items())
        yield histogram(names.TOOK, JOB_BUCKETS, took)
        yield family(names.DUE, (([m, j], t) for m, f in models for j, t in f.due.items()))

    def _of_workspace(self) -> Iterator["Metric"]:
        whole = self._whole
        free, size = whole.disk or (None, None)
        yield family(names.STOOD, (([loop], s) for loop, s in whole.stood.items()))
        yield family(names.LOCKED, whole.locked.items())
        yield family(names.MESSAGES, whole.messages.items())
        yield family(names.TARGET, (([t], f) for t, f in whole.failing.items()))
        for named, value in (
            (names.WAITING, whole.waiting), (names.BACKUP, whole.backup), (names.DISK, free),
            (names.DISK_SIZE, size), (names.COMPLETE, whole.complete), (names.AUDIT, whole.audit),
        ):  # fmt: skip
            yield family(named, [([], value)])
        version = whole.version
        yield family(names.BUILD, [([version], 1)] if version else [])
