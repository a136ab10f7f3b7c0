"""One policy over the history: the same steps as live, driven by a clock that is simulated.

Each period ends with a checkpoint, and the next begins from what was checkpointed: a course that
was killed goes on there, and comes to what it would have come to.
"""

import shutil
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.artifacts import Artifacts
from engine.backtest.fits import Fits
from engine.backtest.plan import ALWAYS, FROZEN, Plan, settings_of
from engine.backtest.serving import Asked, Replayed
from engine.clock import ReplayClock, iso, parse_time
from engine.errors import CdmlError
from engine.jobs import triggers
from engine.jobs.runner import Runner
from engine.ledger.change import Actor
from engine.ledger.ledger import Ledger
from engine.pipeline import baking, rollout, streams, train, transform_source
from engine.pipeline.delivery import JOBS, Outcome, Run, train_run
from engine.pipeline.features import feature_types
from engine.pipeline.fitting import ESTIMATOR, SAFE_MODE, TrainResult
from engine.pipeline.ingest import ingest_waiting
from engine.pipeline.promote import promote
from engine.pipeline.site import Site
from engine.store import batches, history, labels, predictions
from engine.store.connection import Store
from engine.store.labels import LabelRow
from engine.store.predictions import Block
from engine.wire import Change
from engine.workspace import Workspace

BACKTEST = Actor("human", "backtest")
DELIVERED = "backtest_delivered"
KEPT = ("ledger.sqlite", "metrics.duckdb")

Tell = Callable[[float, str], None]


class Done(msgspec.Struct, frozen=True):
    """How far a course has come: periods finished, and for each its CPU and refused rows."""

    periods: int = 0
    cpu_s: list[float] = []
    refused: list[int] = []


def read_done(plan: Plan, policy: str) -> Done:
    """Return how far a policy's course has come."""
    path = plan.folder(policy) / "done.json"
    return msgspec.json.decode(path.read_bytes(), type=Done) if path.exists() else Done()


class Course:
    """The replay of one policy in a scratch workspace of its own."""

    def __init__(self, plan: Plan, policy: str, tell: Tell) -> None:
        self._plan = plan
        self._policy = policy
        self._tell = tell
        self.settings = settings_of(Path(plan.config), plan.model, policy)
        self.workspace = Workspace(plan.folder(policy))
        self._past = plan.history
        self._root = Path(plan.config).parent
        self._fits = Fits(Path(plan.out) / "fits", self._root)
        self._done_file = self.workspace.root / "done.json"

    def run(self) -> Done:
        """Replay every period that is not done yet."""
        done = self._resumed()
        for number in range(done.periods, len(self._plan.periods)):
            done = self._period(number, done)
        return done

    def opened(self, at: datetime) -> Site:
        """Open the scratch workspace as it stands, with the clock at a moment."""
        ledger = Ledger(self.workspace.ledger)
        artifacts = Artifacts(self.workspace.artifacts, self.workspace.keys)
        own = self.settings.models[self._plan.model]
        flag = own.contract == "flag"
        serving = Replayed(ledger, artifacts, own.rollout.unit, flag_nulls=flag)
        store = Store(self.workspace.store, self.workspace.batches)
        return Site(
            self.workspace,
            self.settings,
            ledger,
            artifacts,
            ReplayClock(at),
            serving,
            lambda _: None,
            store,
            self._plan.seed,
            judging=False,
        )

    def _resumed(self) -> Done:
        """Return how far this course came before, its workspace as it was then."""
        self.workspace.root.mkdir(parents=True, exist_ok=True)
        kept = self.workspace.root / "checkpoint"
        done = read_done(self._plan, self._policy)
        for path in self.workspace.root.glob("*.sqlite*"):
            path.unlink()
        for path in self.workspace.root.glob("*.duckdb*"):
            path.unlink()
        self.workspace.create([self._plan.model])
        own = self.settings.models[self._plan.model]
        transform_source.copied(self._root, self.workspace.root, own.transform)
        for path in self.workspace.incoming(self._plan.model).iterdir():
            path.unlink()
        if done.periods:
            for name in KEPT:
                shutil.copyfile(kept / f"{done.periods}-{name}", self.workspace.root / name)
        return done

    def _checkpoint(self, done: Done) -> None:
        """Keep what the finished period came to; the note of it is written last, and whole."""
        kept = self.workspace.root / "checkpoint"
        kept.mkdir(exist_ok=True)
        for name in KEPT:
            shutil.copyfile(self.workspace.root / name, kept / f"{done.periods}-{name}")
        part = self._done_file.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(done))
        part.rename(self._done_file)
        for path in kept.iterdir():
            if not path.name.startswith(f"{done.periods}-"):
                path.unlink()

    def _period(self, number: int, done: Done) -> Done:
        since, until = (parse_time(at) for at in self._plan.periods[number])
        began, paid = time.process_time(), self._fits.saved_s
        site = self.opened(since)
        try:
            stretch = _Stretch(site, self._plan, self._policy, self._fits)
            if number == 0:
                stretch.begin()
            self._walk(stretch, since, until)
            if until == self._plan.until:
                stretch.know_the_rest(until)
            refused = stretch.serving.refused
        finally:
            site.store.close()
            site.ledger.close()
        spent = time.process_time() - began + self._fits.saved_s - paid
        done = Done(number + 1, [*done.cpu_s, round(spent, 3)], [*done.refused, refused])
        self._checkpoint(done)
        return done

    def _walk(self, stretch: "_Stretch", since: datetime, until: datetime) -> None:
        step, now = timedelta(seconds=self._plan.step_s), since
        whole = self._plan.until - self._plan.since
        while now < until:
            to = min(now + step, until)
            stretch.step(now, to)
            self._tell((to - self._plan.since) / whole, f"{to:%Y-%m-%d}")
            now = to


class _Stretch:
    """One period being replayed: its rows and outcomes in memory, everything else as live."""

    def __init__(self, site: Site, plan: Plan, policy: str, fits: Fits) -> None:
        self._site = site
        self._model = plan.model
        self._plan = plan
        self._past = plan.history
        self._asked_between = plan.since, plan.until
        self._step = _train_and_promote if policy in (ALWAYS, FROZEN) else train_run
        self._runner = Runner(site, {**JOBS, "train": self._train}, fits.work)
        self._at_once = "new_data" in site.model(plan.model).train.on
        serving = site.serving
        assert isinstance(serving, Replayed)
        self.serving = serving
        self._rows: dict[str, Any] = {}
        self._times: Any = np.empty(0, "datetime64[us]")
        self._outcomes: list[tuple[str, datetime, Any]] = []
        self._read_until: datetime | None = None

    def begin(self) -> None:
        """Deliver what was complete at the beginning and train the first version on it."""
        triggers.new_data(self._site, self._runner, self._deliver())
        self._work()
        if self._site.ledger.roles(self._model).champion is None:
            rows = self._runner.rows()
            why = next((r.error for r in rows if r.error), "no row was complete by then")
            raise CdmlError(
                f"Beginning the backtest of {self._model} at {iso(self._plan.since)[:10]}: no "
                f"first version came of the rows before. {why} Begin later with --from.",
                code="no_first_version",
            )

    def step(self, since: datetime, until: datetime) -> None:
        """Answer what was asked in [since, until), know what became known, do what is due."""
        self._read(since)
        asked = self._asked(since, until)
        log, shadows = self.serving.answer(self._model, asked)
        known = self._known(until)
        if log or shadows or known:
            predictions.load(self._site.store, Block(log, shadows, known, {}))
        self._advance(until)
        if self._at_once:
            triggers.new_data(self._site, self._runner, self._deliver())
        self._work()

    def know_the_rest(self, until: datetime) -> None:
        """After the last step know every outcome there is: what is left to do is to add up."""
        end = datetime(9999, 1, 1, tzinfo=until.tzinfo)
        rest = history.outcomes(self._past, self._asked_between, until, end)
        if rest:
            labels.add(self._site.store, self._label_rows(rest))

    def _advance(self, until: datetime) -> None:
        clock = self._site.clock
        assert isinstance(clock, ReplayClock)
        clock.advance(until)

    def _deliver(self) -> list[str]:
        """Take in a file of the rows that became complete since the last one."""
        site, now = self._site, self._site.clock.now()
        since = parse_time(site.ledger.meta(DELIVERED) or "0001-01-02")
        into = site.workspace.incoming(self._model) / f"complete-{now:%Y-%m-%dT%H%M%S}.parquet"
        history.deliver(self._past, into, since, now)
        site.ledger.set_meta(DELIVERED, iso(now))
        return ingest_waiting(site, float("inf"))

    def _train(self, site: Site, run: Run) -> Outcome:
        """Train on all that is complete by now: it is delivered just before."""
        self._deliver()
        return self._step(site, run)

    def _work(self) -> None:
        """Do what the engine does at a moment, in its order."""
        site, model = self._site, self._model
        triggers.due(site, self._runner)
        self._runner.drain()
        baking.watch(site, model)
        rollout.advance(site, model)
        if cause := streams.watch(site, model):
            self._runner.submit(model, "monitor", cause)
        self._runner.drain()

    def _read(self, since: datetime) -> None:
        """Read the rows and outcomes of the period that begins here, once."""
        if self._read_until is not None:
            return
        period = next(p for p in self._plan.periods if parse_time(p[0]) == since)
        self._read_until = parse_time(period[1])
        own = self._site.model(self._model)
        names = list(feature_types(own, batches.columns(self._site.store, self._model)))
        self._rows = history.rows(self._past, names, since, self._read_until)
        self._times = self._rows["time"].astype("datetime64[us]")
        asked = self._asked_between
        self._outcomes = history.outcomes(self._past, asked, since, self._read_until)

    def _asked(self, since: datetime, until: datetime) -> Asked:
        bounds = [np.datetime64(t.replace(tzinfo=None), "us") for t in (since, until)]
        first, end = np.searchsorted(self._times, bounds)
        features = {
            name[2:]: _sent(values[first:end])
            for name, values in self._rows.items()
            if name.startswith("f:")
        }
        times = [str(t) for t in self._times[first:end]]
        return Asked(list(self._rows["id"][first:end]), times, features)

    def _known(self, until: datetime) -> list[LabelRow]:
        """Return the outcomes that became known up to a moment, each once."""
        bound = until.replace(tzinfo=None)
        end = next((n for n, o in enumerate(self._outcomes) if o[1] > bound), len(self._outcomes))
        known, self._outcomes = self._outcomes[:end], self._outcomes[end:]
        return self._label_rows(known)

    def _label_rows(self, known: list[tuple[str, datetime, Any]]) -> list[LabelRow]:
        made = []
        for name, at, value in known:
            text, moment = msgspec.json.encode(value).decode(), at.isoformat()
            made.append(LabelRow(self._model, name, moment, text, moment, "history"))
        return made


def _sent(values: Any) -> list[Any]:
    """Return a column as a client sends it: no NaN, None for what is missing."""
    if values.dtype.kind == "f":
        return [None if v != v else v for v in values.tolist()]
    return list(values.tolist())


def _train_and_promote(site: Site, run: Run) -> Outcome:
    """Train as ever, and promote what came of it whatever a gate would say."""
    result = run.work("train", train.gather(site, run.model, run.id), TrainResult)
    content, simple = ((run.folder / name).read_bytes() for name in (ESTIMATOR, SAFE_MODE))
    version = train.register(site, run.model, run.id, result, content, simple)
    reason = "promoted without a gate"
    asked = Change(f"ungated-{run.id}", to=version, override=[version], reason=reason)
    promote(site, run.model, BACKTEST, asked)
    return Outcome(result.note, version)
