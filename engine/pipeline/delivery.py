"""The way of a version, top to bottom: train, register, validate, shadow, canary, champion.

A run is one pass; what happens to a live rollout between runs stands in rollout.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from engine.ledger.change import Actor
from engine.pipeline import rollout, train, validate
from engine.pipeline.fitting import TrainResult
from engine.pipeline.monitor import monitor
from engine.pipeline.promote import promote
from engine.pipeline.scoring import ValidateResult
from engine.pipeline.site import Site
from engine.wire import Change, GateReport

T = TypeVar("T")
TRAINING = Actor("engine", "training")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: a note for people, the version made, its gate's verdict."""

    note: str
    version: str | None = None
    verdict: str | None = None


class Run(Protocol):
    """One run as a step sees it; `work` measures in a process of its own."""

    @property
    def id(self) -> str:
        """Return the run's id."""

    @property
    def model(self) -> str:
        """Return the model it is for."""

    @property
    def folder(self) -> Path:
        """Return where its processes leave what they make."""

    def work(self, verb: str, inputs: object, answer: type[T]) -> T:
        """Run a measuring verb in a limited process and return its checked answer."""

    def say(self, note: str) -> None:
        """Show what the run is doing now."""


def train_run(site: Site, run: Run) -> Outcome:
    """Train a candidate, judge it, and begin its rollout when it passed."""
    first = site.ledger.roles(run.model).champion is None
    inputs = train.gather(site, run.model, run.id)
    result = run.work("train", inputs, TrainResult)
    version = train.register(site, run.model, run.id, result, run.folder)
    run.say(f"validating {version}")
    validate.began(site, run.model, version)
    if first:
        return _first(site, run, version, result)
    report = _judge(site, run, version)
    if report.verdict == "pass":
        rollout.begin(site, run.model, version)
    return Outcome(result.note, version, report.verdict)


def _judge(site: Site, run: Run, version: str) -> GateReport:
    inputs = validate.gather(site, run.model, version)
    found = run.work("validate", inputs, ValidateResult)
    report = validate.report(site, run.model, version, inputs, found)
    validate.record(site, run.model, version, report)
    return report


def _first(site: Site, run: Run, version: str, result: TrainResult) -> Outcome:
    """Put the first version in service; where it beats nothing, the simple baseline instead."""
    report = validate.first_report(site, run.model, version, result.inner)
    validate.record(site, run.model, version, report)
    if report.verdict != "pass":
        site.tell("WARN", "gate", run.model, f"{version} beats nothing: the baseline will answer")
        inputs = train.gather(site, run.model, run.id, recipe="baseline")
        simple = run.work("train", inputs, TrainResult)
        version = train.register(site, run.model, run.id, simple, run.folder)
        asked = Change(f"first-{run.id}", override=[version], reason="safe mode: nothing beat it")
        promote(site, run.model, version, TRAINING, asked)
        return Outcome("safe mode: the simple baseline answers", version, report.verdict)
    promote(site, run.model, version, TRAINING, Change(f"first-{run.id}", reason="first version"))
    return Outcome(result.note, version, report.verdict)


def monitor_run(site: Site, run: Run) -> Outcome:
    """Measure the current window of a model."""
    return Outcome(monitor(site, run.model))


JOBS = {"train": train_run, "monitor": monitor_run}
