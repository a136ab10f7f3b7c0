"""The way of a version, top to bottom: train, register, validate, shadow, canary, champion.

A run is one pass; what happens to a live rollout between runs stands in rollout.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from engine.ledger.change import Actor
from engine.pipeline import rollout, train, validate
from engine.pipeline.fitting import ESTIMATOR, TrainResult
from engine.pipeline.monitor import monitor, standing
from engine.pipeline.promote import promote
from engine.pipeline.scoring import ValidateResult
from engine.pipeline.site import Site
from engine.wire import Change

T = TypeVar("T")
TRAINING = Actor("engine", "training")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: a note for people, the version made, its gate's verdict, what follows."""

    note: str
    version: str | None = None
    verdict: str | None = None
    train_because: tuple[str, ...] = ()


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
    result = run.work("train", train.gather(site, run.model, run.id), TrainResult)
    content = (run.folder / ESTIMATOR).read_bytes()
    if first and not validate.beats_base_rate(site, run.model, result.inner):
        _safe_mode(site, run)
    version = train.register(site, run.model, run.id, result, content)
    run.say(f"validating {version}")
    validate.began(site, run.model, version)
    if first:
        report = validate.first_report(site, run.model, version, result.inner)
    else:
        inputs = validate.gather(site, run.model, version)
        found = run.work("validate", inputs, ValidateResult)
        report = validate.report(site, run.model, version, inputs, found)
    validate.record(site, run.model, version, report)
    if report.verdict == "pass" and first:
        asked = Change(f"first-{run.id}", to=version, reason="first version")
        promote(site, run.model, TRAINING, asked)
    elif report.verdict == "pass":
        rollout.begin(site, run.model, version)
    return Outcome(result.note, version, report.verdict)


def _safe_mode(site: Site, run: Run) -> None:
    """Put the simple baseline in service, so that predict answers, flagged, until better comes."""
    inputs = train.gather(site, run.model, run.id, recipe="baseline")
    simple = run.work("train", inputs, TrainResult)
    content = (run.folder / ESTIMATOR).read_bytes()
    version = train.register(site, run.model, run.id, simple, content)
    site.tell("WARN", "gate", run.model, f"nothing beats the base rate: {version} is safe mode")
    reason = "safe mode: nothing beat it"
    asked = Change(f"safe-{run.id}", to=version, override=[version], reason=reason)
    promote(site, run.model, TRAINING, asked)


def monitor_run(site: Site, run: Run) -> Outcome:
    """Measure the current window of a model; what newly crossed a limit may ask for a training."""
    before = standing(site, run.model)
    note = monitor(site, run.model)
    fresh = standing(site, run.model) - before
    wanted = site.model(run.model).train.on
    worse = ", ".join(sorted(fresh - {"drift"}))
    causes = ["drift over its limit"] if "drift" in fresh and "drift" in wanted else []
    causes += [f"{worse} over its limit"] if worse and "performance" in wanted else []
    return Outcome(note, train_because=tuple(causes))


JOBS = {"train": train_run, "monitor": monitor_run}
