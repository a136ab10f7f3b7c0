"""The way of a version, top to bottom: train, register, validate, shadow, canary, champion.

A run is one pass; what happens to a live rollout between runs stands in rollout.py.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from engine.artifacts import MAX_BYTES
from engine.domain import candidates
from engine.domain.roles import safe_mode_of
from engine.errors import CdmlError
from engine.ledger.change import Actor
from engine.pipeline import alerts, made_of, pull, recall, refit, rollout, train, validate
from engine.pipeline.measurement import ValidateResult
from engine.pipeline.monitor import monitor
from engine.pipeline.promote import promote
from engine.pipeline.restate import rebuild
from engine.pipeline.scoring import ValidateInputs
from engine.pipeline.site import Site
from engine.pipeline.training import ESTIMATOR, REFIT, SAFE_MODE, SIMPLEST, TrainResult
from engine.settings import METRICS
from engine.wire import Change

T = TypeVar("T")
TRAINING = Actor("engine", "training")
# The kinds of alert that a training may help against, by the words of train.on.
DRIFTS = ("drift", "score drift", "label drift", "slice drift")
WORSE = ("realised", "kpi", "calibration", "estimated", "forecast")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: a note for people, the version made, its gate's verdict, what follows.

    `asked` is what has asked for a training once what follows was queued.
    """

    note: str
    version: str | None = None
    verdict: str | None = None
    train_because: tuple[str, ...] = ()
    asked: frozenset[tuple[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class _Judged:
    """A version as its gate found it."""

    version: str
    verdict: str
    found: ValidateResult
    inputs: ValidateInputs


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
    """Train candidates, judge them, and begin the rollout of the preferred one that passed."""
    began = site.ledger.roles(run.model)
    for what in (made_of.RECIPE, made_of.TRANSFORMATION):
        made_of.see(site, run.model, what)
    result = run.work("train", train.gather(site, run.model, run.id), TrainResult)
    versions = [_registered(site, run, result, "")]
    if result.simplest is not None:
        versions.append(_registered(site, run, result.simplest, SIMPLEST))
    if began.champion is None:
        return _first(site, run, result, versions)
    judged = [_judge(site, run, v, began.generation, again=True) for v in versions]
    for one in judged:
        recall.keep(site, run.model, one.inputs, one.found)
    chosen = _preferred(site, run.model, judged)
    if chosen.verdict != "pass":
        _recall(site, run, began.generation, chosen.inputs, chosen.found)
        return Outcome(result.note, chosen.version, chosen.verdict)
    made, prefix = (result, "") if chosen is judged[0] else (result.simplest, SIMPLEST)
    version = _refitted(site, run, chosen.version, made, prefix, began.generation)
    rollout.begin(site, run.model, version, fence=began.generation)
    return Outcome(result.note, version, chosen.verdict)


def _registered(site: Site, run: Run, result: TrainResult, prefix: str) -> str:
    content, simple = (_made(run.folder / f"{prefix}{n}") for n in (ESTIMATOR, SAFE_MODE))
    return train.register(site, run.model, run.id, result, content, simple)


def _refitted(
    site: Site, run: Run, version: str, made: TrainResult | None, prefix: str, fence: int
) -> str:
    """Return the version to bring in for one that passed: its refit, where one was made of it."""
    if made is None or made.refit is None:
        return version
    again = _registered(site, run, made.refit, f"{REFIT}{prefix}")
    run.say(f"comparing {again} with {version}")
    with _settled(site, run.model):
        return refit.judge(site, run.model, again, version, made.agreement, fence=fence)


def _first(site: Site, run: Run, result: TrainResult, versions: list[str]) -> Outcome:
    """Judge a model's first versions by their inner hold-out; the simplest that passes leads."""
    fence, outcome = site.ledger.roles(run.model).generation, Outcome(result.note)
    results = [result, *([result.simplest] if result.simplest is not None else [])]
    if not any(validate.first_may_lead(site, run.model, r.inner) for r in results):
        fence = _safe_mode(site, run, safe_mode_of(versions[0]), fence)
    for version, made in reversed(list(zip(versions, results, strict=True))):
        run.say(f"validating {version}")
        validate.began(site, run.model, version)
        with _settled(site, run.model):
            report = validate.first_report(site, run.model, version, made.inner)
            validate.record(site, run.model, version, report, fence=fence)
        if outcome.verdict != "pass":
            outcome = Outcome(made.note, version, report.verdict)
    if outcome.verdict == "pass":
        asked = Change(f"first-{run.id}", to=outcome.version, reason="first version")
        promote(site, run.model, TRAINING, asked, fence=fence)
    return outcome


def _preferred(site: Site, model: str, judged: Sequence[_Judged]) -> _Judged:
    """Return the simplest where it passed and is as good as the best, else what passed."""
    best, simplest = judged[0], judged[-1]
    if best is simplest or simplest.verdict != "pass":
        return best
    manifest = site.artifacts.manifest(site.ledger.version(model, best.version).manifest or "")
    found = candidates.prefers_simplest(
        simplest.found.value,
        best.found.value,
        manifest.noise_floor,
        higher_is_better=METRICS[manifest.metric][1],
    )
    if not found and best.verdict == "pass":
        return best
    site.tell(
        "INFO",
        "gate",
        model,
        f"{simplest.version} is preferred to {best.version}: it is simpler and "
        + ("as good within noise" if found else "passed the gate"),
    )
    return simplest


def _made(path: Path) -> bytes:
    """Return what a job left, but never more than may be sealed."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def validate_run(site: Site, run: Run) -> Outcome:
    """Judge a version again because a person asked for it, and begin its rollout if it passes."""
    version = run.version or ""
    validate.check_askable(site, run.model, version)
    generation = site.ledger.roles(run.model).generation
    judged = _judge(site, run, version, generation, again=False, because=run.cause)
    if judged.verdict == "pass":
        rollout.begin(site, run.model, version, fence=generation)
    return Outcome(f"{version} judged again", version, judged.verdict)


@contextmanager
def _settled(site: Site, model: str) -> Iterator[None]:
    """Leave no version validating where a fault ends its validation."""
    try:
        yield
    except Exception as e:
        validate.settle(site, model, e.message if isinstance(e, CdmlError) else str(e))
        raise


def _judge(
    site: Site, run: Run, version: str, fence: int, *, again: bool, because: str = ""
) -> _Judged:
    """Measure, judge and record a version.

    With `again`, former versions are measured on the same rows.
    """
    run.say(f"validating {version}")
    validate.began(site, run.model, version, because)
    with _settled(site, run.model):
        formers = recall.formers(site, run.model, version) if again else []
        inputs = validate.gather(site, run.model, version, recall=formers)
        found = run.work("validate", inputs, ValidateResult)
        report = validate.report(site, run.model, version, inputs, found)
        validate.record(site, run.model, version, report, fence=fence)
    return _Judged(version, report.verdict, found, inputs)


def _recall(
    site: Site, run: Run, fence: int, inputs: ValidateInputs, found: ValidateResult
) -> None:
    """Let a former version that fits today's rows better enter the gate like any candidate."""
    fitting = recall.fitting(site, run.model, inputs, found)
    if fitting is None:
        return
    version, reason = fitting
    site.tell("INFO", "recall", run.model, f"{version} enters the gate again: {reason}")
    judged = _judge(site, run, version, fence, again=False, because=reason)
    if judged.verdict == "pass":
        rollout.begin(site, run.model, version, fence=fence)


def _safe_mode(site: Site, run: Run, version: str, fence: int) -> int:
    """Put the simple baseline in service, so that predict answers, flagged, until better comes.

    Returns the generation that this began.
    """
    site.tell("WARN", "gate", run.model, f"nothing beats the base rate: {version} is safe mode")
    reason = "safe mode: nothing beat it"
    asked = Change(f"safe-{run.id}", to=version, override=[version], reason=reason)
    return promote(site, run.model, TRAINING, asked, fence=fence).generation


def monitor_run(site: Site, run: Run, *, restated: bool = True, rehearsed: bool = True) -> Outcome:
    """Measure the current window of a model; what newly crossed a limit may ask for a training."""
    before = _has_asked(site, run.model)
    note = monitor(site, run.model, restated=restated, rehearsed=rehearsed)
    now = asking(site, run.model)
    return Outcome(note, train_because=causes(site, run.model, now - before), asked=frozenset(now))


def _has_asked(site: Site, model: str) -> set[tuple[str, str]]:
    """Return what stands and has asked for a training; the rest asks, or will after a crash."""
    known, standing = site.ledger.meta(f"asked:{model}"), asking(site, model)
    if known is None:
        note_asked(site, model, standing)
        return standing
    return standing & msgspec.json.decode(known, type=set[tuple[str, str]])


def note_asked(site: Site, model: str, asked: Iterable[tuple[str, str]]) -> None:
    """Remember what has asked for a training, so that it asks once."""
    key, text = f"asked:{model}", msgspec.json.encode(sorted(asked)).decode()
    if site.ledger.meta(key) != text:
        site.ledger.set_meta(key, text)


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
