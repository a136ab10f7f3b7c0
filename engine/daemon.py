"""The engine process: the only file that knows which part stands behind which.

Starts, makes the world agree with the ledger, keeps the beat, stops.
"""

import logging
import os
import shutil
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import version
from threading import Event, Lock, Thread
from typing import TypeVar

import uvicorn
import watchfiles

from engine.api.app import application
from engine.api.desk import Conductor, Desk
from engine.api.peer import PeerProtocol, listen
from engine.api.stream import Hub
from engine.artifacts import Artifacts
from engine.clock import Clock, SimulatedClock, iso, parse_time
from engine.errors import CdmlError, RefusedError, UnavailableError
from engine.jobs import triggers
from engine.jobs.runner import Runner
from engine.jobs.schedule import Alarm, schedules
from engine.ledger.ledger import Ledger
from engine.pipeline import aftermath, baking, locks, readiness, rollout, selftest
from engine.pipeline.features import check_kpis
from engine.pipeline.ingest import ingest_waiting
from engine.pipeline.load import forget_loaded, load
from engine.pipeline.site import Site
from engine.serving_process import ServingProcess
from engine.settings import Settings
from engine.settings import load as load_settings
from engine.store.connection import Store
from engine.wire import EventRow, JobRow, ScheduleRow, ServingState
from engine.workspace import Workspace

T = TypeVar("T")
BEAT_S = 1.0
SCAN_S = 5.0
ROLLOUT_S = 5.0
SETTLED_S = 2.0
JUMP_S = 30.0
FREE_FLOOR = 64 * 2**20
log = logging.getLogger("cdml.engine")


class Engine(Conductor):
    """Everything of one engine process."""

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        ledger: Ledger,
        clock: Clock,
        serving: ServingProcess,
        seed: int,
    ) -> None:
        self.pid = os.getpid()
        self.boot = os.urandom(4).hex()
        self.version = version("cdml")
        self.started = iso(clock.wall())
        self._workspace = workspace
        self._clock = clock
        self._serving = serving
        self._hub = Hub()
        check_kpis(settings)
        self._site = Site(
            workspace,
            settings,
            ledger,
            Artifacts(workspace.artifacts, workspace.keys),
            self._clock,
            self._serving,
            self._told,
            Store(workspace.store, workspace.batches),
            seed,
        )
        self._runner = Runner(self._site)
        self._alarm = Alarm(self.wake_due)
        self._woken, self._due, self._ending = Event(), Event(), Event()
        self._moving = Lock()
        self._last_said: dict[str, str] = {}
        self._scanned = -1e9
        self._judged = (-1e9, -1)
        self._server: uvicorn.Server | None = None

    def run(self) -> int:
        """Start the parts in order, answer until stopped, stop them in the other order."""
        try:
            self._reconcile()
        except BaseException:
            self._site.store.close()
            self._site.ledger.close()
            raise
        listener = listen(self._workspace.engine_socket)
        config = uvicorn.Config(
            application(Desk(self._site, self), self._hub),
            http=PeerProtocol,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        beat = Thread(target=self._beat_loop, daemon=True, name="beat")
        beat.start()
        keep = Thread(target=self._keep_loop, daemon=True, name="keep")
        keep.start()
        gate = Thread(target=self._test_gate, daemon=True, name="gate")
        gate.start()
        watch = Thread(target=self._watch, daemon=True, name="watch")
        if not self._clock.simulated:
            self._runner.start()
            self._set_alarm()
            watch.start()
        self._site.tell("INFO", "engine", None, f"engine {self.version} ready, pid {self.pid}")
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn raises a signal anew once it stopped: that must not end us before we tidy up.
            signal.signal(number, lambda *_: self.stop())
        try:
            self._server.run(sockets=[listener])
        finally:
            self._ending.set()
            self._woken.set()
            self._alarm.stop()
            for thread in (beat, gate):
                thread.join(timeout=5.0)
            self._runner.stop()
            self._serving.stop()
            self._catch_last_records()
            self._site.store.close()
            self._site.ledger.set_meta("engine", "")
            self._site.ledger.close()
            self._workspace.engine_socket.unlink(missing_ok=True)
        return 0

    # -- Conductor

    def submit(self, model: str, job: str, cause: str, version: str | None = None) -> JobRow:
        return self._runner.submit(model, job, cause, version)

    def measure(self, model: str, verb: str, inputs: object, answer: type[T]) -> T:
        return self._runner.measure(model, verb, inputs, answer)

    def runs(self) -> list[JobRow]:
        return self._runner.rows()

    def a_run(self, run: str) -> JobRow:
        return self._runner.row(run)

    def schedules(self) -> list[ScheduleRow]:
        return triggers.rows(self._site)

    def arrived(self, model: str) -> None:
        triggers.new_data(self._site, self._runner, [model])

    def wake_due(self) -> None:
        """Look at the schedules; APScheduler's callback does nothing but this."""
        self._due.set()
        self._woken.set()

    def serving_state(self) -> ServingState:
        return self._serving.state()

    def answers(self, model: str) -> tuple[int, dict[str, int]]:
        return self._serving.answers(model)

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True

    def reload(self) -> str:
        locks.check_reload(self._site)
        settings = load_settings(self._workspace.config)
        check_kpis(settings, self._site.store)
        now, former_serving = settings.serving, self._site.settings.serving
        if (now.listen, now.workers) != (former_serving.listen, former_serving.workers):
            raise RefusedError(
                "Reloading cdml.toml: serving.listen or serving.workers changed, which needs a "
                "restart. Nothing was changed. Use cdml down and cdml up.",
                code="needs_restart",
            )
        self._workspace.create(list(settings.models))
        former, self._site.settings = self._site.settings.models, settings
        for name, model in settings.models.items():
            if (
                name in former
                and former[name].recipe != model.recipe
                and "recipe" in model.train.on
            ):
                triggers.launch(self._site, self._runner, name, f"recipe is {model.recipe} now")
        if not self._clock.simulated:
            self._set_alarm()
        self._serving.sync()
        self._hub.touch()
        return f"cdml.toml read again: {len(settings.models)} models"

    def move(self, to: str) -> None:
        """Advance the replay's clock and do everything that is due by then, in order."""
        assert isinstance(self._clock, SimulatedClock)
        with self._moving:
            self._serving.flush()
            load(self._site)
            self._clock.advance(parse_time(to))
            self._site.ledger.set_meta("sim_now", iso(self._clock.now()))
            fresh = ingest_waiting(self._site, float("inf"))
            triggers.new_data(self._site, self._runner, fresh)
            triggers.due(self._site, self._runner)
            self._runner.drain()
            self._advance()
            self._look_back()
            self._hub.touch()

    # -- the beat

    def _beat_loop(self) -> None:
        """Look after everything once a second; a fault is told once and tried again."""
        last = (self._clock.wall(), self._clock.monotonic())
        while not self._ending.is_set():
            self._woken.wait(BEAT_S)
            self._woken.clear()
            if self._ending.is_set():
                return
            last = self._watch_clock(last)
            for name, step in self._steps():
                self._take(name, step)

    def _test_gate(self) -> None:
        """Have the gate test itself, once everybody has had their first answer."""
        if not self._ending.wait(SETTLED_S):
            self._take("gate", lambda: selftest.at_start(self._site, self.boot))

    def _keep_loop(self) -> None:
        """Look after serving in a thread of its own: nothing may keep it from being answered."""
        while not self._ending.wait(BEAT_S):
            self._take("serving", self._keep_serving)

    def _take(self, name: str, step: Callable[[], None]) -> None:
        try:
            step()
        except CdmlError as e:
            self._say_once(name, e.message)
        except Exception as e:  # the polling worker: logged whole, told in a sentence
            log.exception("beat: %s", name)
            self._say_once(name, f"{name}: {type(e).__name__}: {e}; see logs/engine.log")
        else:
            self._last_said.pop(name, None)

    def _steps(self) -> list[tuple[str, Callable[[], None]]]:
        if self._clock.simulated:
            return []
        return [
            ("spool", self._load),
            ("ingest", self._scan),
            ("schedules", self._run_due),
            ("rollout", self._advance_on_news),
            ("readiness", self._look_back),
        ]

    def _keep_serving(self) -> None:
        said = self._serving.keep()
        if said:
            self._site.tell("WARN", "serving", None, said)
        ledger = self._site.ledger
        if fault := self._serving.stood_in({m: ledger.roles(m).champion for m in ledger.models()}):
            self._say_once("standing in", fault)

    def _load(self) -> None:
        free = shutil.disk_usage(self._workspace.root).free
        if free < FREE_FLOOR:
            raise UnavailableError(
                f"Loading the prediction log: only {free // 2**20} MiB are free. Predictions go "
                "on and stay in the spool. Free disk space.",
                code="no_space",
            )
        if load(self._site):
            self._hub.touch()

    def _scan(self) -> None:
        """Look into the drop folders; the watch only makes this happen sooner."""
        if self._clock.monotonic() - self._scanned < SCAN_S and not self._due.is_set():
            return
        self._scanned = self._clock.monotonic()
        settled = (self._clock.wall() - timedelta(seconds=SETTLED_S)).timestamp()
        fresh = ingest_waiting(self._site, settled)
        triggers.new_data(self._site, self._runner, fresh)
        forget_loaded(self._site)

    def _run_due(self) -> None:
        counted = self._counted()
        if self._due.is_set() or None in counted:
            self._due.clear()
            triggers.due(self._site, self._runner)
            if self._counted() != counted:
                self._set_alarm()

    def _counted(self) -> list[datetime | None]:
        """Return from when each schedule counts; None before its model has a champion."""
        ledger = self._site.ledger
        return [ledger.last_due(s.model, s.job) for s in schedules(self._site.settings)]

    def _set_alarm(self) -> None:
        now = self._clock.now()
        wanted = schedules(self._site.settings)
        starts = [last or now for last in self._counted()]
        self._alarm.set(list(zip(wanted, starts, strict=True)))

    def _advance(self) -> None:
        for model in self._site.settings.models:
            baking.watch(self._site, model)
            rollout.advance(self._site, model)

    def _advance_on_news(self) -> None:
        """Look at running rollouts where the log has grown, at failures always, every 5 s."""
        now, changes = self._clock.monotonic(), self._site.store.changes
        if now - self._judged[0] <= ROLLOUT_S:
            return
        grown, self._judged = changes != self._judged[1], (now, changes)
        if grown:
            self._advance()
            return
        # Rows that all fail leave nothing in the log.
        for model in self._site.settings.models:
            baking.watch(self._site, model)

    def _look_back(self) -> None:
        """Prove the way back of each model anew, and see what the last rollback has done."""
        for model in self._site.settings.models:
            if readiness.keep(self._site, model):
                self._hub.touch()
            aftermath.verify(self._site, model)

    def _watch_clock(self, last: tuple[datetime, float]) -> tuple[datetime, float]:
        """After a jump of the machine's clock, set the wake-ups anew and look what is due."""
        now = (self._clock.wall(), self._clock.monotonic())
        drift = (now[0] - last[0]) / timedelta(seconds=1) - (now[1] - last[1])
        if abs(drift) > JUMP_S and not self._clock.simulated:
            self._site.tell("WARN", "clock", None, f"the machine's clock jumped by {drift:+.0f} s")
            self._set_alarm()
            self._due.set()
        return now

    def _watch(self) -> None:
        """Wake the beat when something is renamed into a drop folder."""
        for _ in watchfiles.watch(
            self._workspace.root / "incoming", stop_event=self._ending, rust_timeout=1000,
            yield_on_timeout=False,
        ):  # fmt: skip
            self._scanned = -1e9
            self._woken.set()

    # -- starting and ending

    def _reconcile(self) -> None:
        """Make the world agree with the ledger after whatever happened before."""
        self._runner.repair()
        former = self._site.ledger.meta("engine")
        if former:
            self._site.tell("WARN", "engine", None, f"the engine before, {former}, died unasked")
        self._site.ledger.set_meta("engine", f"pid {self.pid}")
        fault = self._site.ledger.audit_fault()
        if fault is not None:
            self._site.tell("CRIT", "audit", None, f"the audit chain is broken: {fault}")
        self._serving.wait()
        self._serving.sync()
        for model in self._site.settings.models:
            waiting = not self._site.ledger.roles(model).champion
            if waiting and self._has_data(model):
                triggers.launch(self._site, self._runner, model, "first data, after a restart")
        self._due.set()

    def _has_data(self, model: str) -> bool:
        from engine.store import batches

        known = batches.known(self._site.store, model)
        return any(b.verdict.startswith("accepted") for b in known)

    def _catch_last_records(self) -> None:
        try:
            load(self._site)
        except CdmlError as e:
            log.warning("last load: %s", e.message)

    def _told(self, _: EventRow) -> None:
        self._hub.touch()

    def _say_once(self, name: str, text: str) -> None:
        """Tell a fault when it appears or changes, not every second."""
        if self._last_said.get(name) != text:
            self._last_said[name] = text
            try:
                self._site.tell("CRIT", name, None, text)
            except CdmlError as e:
                # The ledger itself cannot be written: the log may be on another disk.
                log.critical("%s: %s (%s)", name, text, e.message)
