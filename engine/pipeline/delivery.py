"""The way of a version, top to bottom: train, register, validate, shadow, canary, champion.

A run is one pass; what happens to a live rollout between runs stands in rollout.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from engine.artifacts import MAX_BYTES
from engine.domain.roles import safe_mode_of
from engine.errors import CdmlError
from engine.ledger.change import Actor
from engine.pipeline import alerts, pull, recall, rollout, train, validate
from engine.pipeline.fitting import ESTIMATOR, SAFE_MODE, TrainResult
from engine.pipeline.measurement import ValidateResult
from engine.pipeline.monitor import monitor
from engine.pipeline.promote import promote
from engine.pipeline.restate import rebuild
from engine.pipeline.scoring import ValidateInputs
from engine.pipeline.site import Site
from engine.wire import Change

T = TypeVar("T")
TRAINING = Actor("engine", "training")
# The kinds of alert that a training may help against, by the words of train.on.
DRIFTS = ("drift", "score drift", "label drift", "slice drift")
WORSE = ("realised", "kpi", "calibration", "estimated", "forecast")


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
    def version(self) -> str | None:
        """Return the version it is about, where it was asked for one."""

    @property
    def cause(self) -> str:
        """Return what started it."""

    @property
    def folder(self) -> Path:
        """Return where its processes leave what they make."""

    def work(self, verb: str, inputs: object, answer: type[T]) -> T:
        """Run a measuring verb in a limited process and return its checked answer."""

    def say(self, note: str) -> None:
        """Show what the run is doing now."""


def train_run(site: Site, run: Run) -> Outcome:
    """Train a candidate, judge it, and begin its rollout when it passed."""
    began = site.ledger.roles(run.model)
    first = began.champion is None
    result = run.work("train", train.gather(site, run.model, run.id), TrainResult)
    content, simple = (_made(run.folder / name) for name in (ESTIMATOR, SAFE_MODE))
    version = train.register(site, run.model, run.id, result, content, simple)
    fence = began.generation
    if first and not validate.first_may_lead(site, run.model, result.inner):
        fence = _safe_mode(site, run, safe_mode_of(version), fence)
    run.say(f"validating {version}")
    validate.began(site, run.model, version)
    if not first:
        verdict, found, inputs = _judge(site, run, version, began.generation, again=True)
        recall.keep(site, run.model, inputs, found)
        if verdict != "pass":
            _recall(site, run, began.generation, inputs, found)
        return Outcome(result.note, version, verdict)
    with _settled(site, run.model):
        report = validate.first_report(site, run.model, version, result.inner)
        validate.record(site, run.model, version, report, fence=fence)
    if report.verdict == "pass":
        asked = Change(f"first-{run.id}", to=version, reason="first version")
        promote(site, run.model, TRAINING, asked, fence=fence)
    return Outcome(result.note, version, report.verdict)


def _made(path: Path) -> bytes:
    """Return what a job left, but never more than may be sealed."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def validate_run(site: Site, run: Run) -> Outcome:
    """Judge a version again because a person asked for it, and begin its rollout if it passes."""
    version = run.version or ""
    validate.check_askable(site, run.model, version)
    generation = site.ledger.roles(run.model).generation
    validate.began(site, run.model, version, run.cause)
    verdict, _, _ = _judge(site, run, version, generation, again=False)
    return Outcome(f"{version} judged again", version, verdict)


@contextmanager
def _settled(site: Site, model: str) -> Iterator[None]:
    """Leave no version validating where a fault ends its validation."""
    try:
        yield
    except Exception as e:
        validate.settle(site, model, e.message if isinstance(e, CdmlError) else str(e))
        raise


def _judge(
    site: Site, run: Run, version: str, fence: int, *, again: bool
) -> tuple[str, ValidateResult, ValidateInputs]:
    """Measure, judge and record a version; its rollout begins when it passed.

    With `again`, former versions are measured on the same rows.
    """
    with _settled(site, run.model):
        formers = recall.formers(site, run.model, version) if again else []
        inputs = validate.gather(site, run.model, version, recall=formers)
        found = run.work("validate", inputs, ValidateResult)
        report = validate.report(site, run.model, version, inputs, found)
        validate.record(site, run.model, version, report, fence=fence)
    if report.verdict == "pass":
        rollout.begin(site, run.model, version, fence=fence)
    return report.verdict, found, inputs


def _recall(
    site: Site, run: Run, fence: int, inputs: ValidateInputs, found: ValidateResult
) -> None:
    """Let a former version that fits today's rows better enter the gate like any candidate."""
    fitting = recall.fitting(site, run.model, inputs, found)
    if fitting is None:
        return
    version, reason = fitting
    site.tell("INFO", "recall", run.model, f"{version} enters the gate again: {reason}")
    run.say(f"validating {version} again")
    validate.began(site, run.model, version, reason)
    _judge(site, run, version, fence, again=False)


def _safe_mode(site: Site, run: Run, version: str, fence: int) -> int:
    """Put the simple baseline in service, so that predict answers, flagged, until better comes.

    Returns the generation that this began.
    """
    site.tell("WARN", "gate", run.model, f"nothing beats the base rate: {version} is safe mode")
    reason = "safe mode: nothing beat it"
    asked = Change(f"safe-{run.id}", to=version, override=[version], reason=reason)
    return promote(site, run.model, TRAINING, asked, fence=fence).generation


def monitor_run(site: Site, run: Run) -> Outcome:
    """Measure the current window of a model; what newly crossed a limit may ask for a training."""
    before = asking(site, run.model)
    note = monitor(site, run.model)
    fresh = asking(site, run.model) - before
    return Outcome(note, train_because=causes(site, run.model, fresh))


def asking(site: Site, model: str) -> set[tuple[str, str]]:
    """Return what stands and may ask for a training: its word in train.on, and what it is called.

    What is foretold asks by "forecast" too.
    """
    found = alerts.standing(site, model)
    asked = {("drift", "drift") for a in found if a.finding.kind in DRIFTS}
    asked |= {("performance", "slice") for a in found if a.finding.kind == "slice"}
    asked |= {("performance", alerts.called(a)) for a in found if a.finding.kind in WORSE}
    return asked | {("forecast", alerts.called(a)) for a in found if a.finding.kind == "forecast"}


def causes(site: Site, model: str, fresh: set[tuple[str, str]]) -> tuple[str, ...]:
    """Return why a training should follow, one cause a word of train.on, nothing twice."""
    wanted, told, found = site.model(model).train.on, set[str](), list[str]()
    for word in ("drift", "performance", "forecast"):
        called = sorted({name for by, name in fresh if by == word} - told) if word in wanted else []
        told |= set(called)
        found += [f"{', '.join(called)} over its limit"] if called else []
    return tuple(found)


def rebuild_run(site: Site, run: Run) -> Outcome:
    """Measure every look at a model again from the raw rows; say what differs."""
    return Outcome(rebuild(site, run.model, run.say).said)


def pull_run(site: Site, run: Run) -> Outcome:
    """Ask the source for rows; new ones ask for a training as dropped ones do."""
    note, fresh = pull.pull(site, run)
    cause = pull.wanted(site, run.model) if fresh else None
    return Outcome(note, train_because=(cause,) if cause else ())


JOBS = {
    "pull": pull_run,
    "train": train_run,
    "validate": validate_run,
    "monitor": monitor_run,
    "rebuild": rebuild_run,
}
