"""The engine process: the only file that knows which part stands behind which.

Starts, makes the world agree with the ledger, stops. What goes on meanwhile stands in beat.py.
"""

import logging
import os
import signal
from collections.abc import Mapping
from importlib.metadata import version
from threading import Lock
from typing import TypeVar

import msgspec
import uvicorn

from engine import notify
from engine.api.app import application
from engine.api.conductor import Conductor
from engine.api.desk import Desk
from engine.api.peer import PeerConnection, listen
from engine.api.stream import Hub
from engine.artifacts import Artifacts
from engine.beat import Beat
from engine.clock import Clock, SimulatedClock, iso, parse_time
from engine.errors import CdmlError, RefusedError
from engine.jobs import triggers
from engine.jobs.runner import SHOWN, Runner
from engine.ledger.ledger import Ledger
from engine.outlets import Outlets
from engine.pipeline import audit_mark, locks, lookout, reserve, tampering, transform_check
from engine.pipeline.features import check_kpis
from engine.pipeline.ingest import ingest_waiting
from engine.pipeline.load import TIDE, load
from engine.pipeline.recover import recover
from engine.pipeline.site import Site
from engine.pipeline.train import accepted
from engine.serving.connection import KEEP_ALIVE_S, is_ours
from engine.serving_process import ServingProcess
from engine.settings import Settings
from engine.settings import load as load_settings
from engine.store import opening
from engine.telemetry.stalls import Stalls
from engine.upgrading import Before
from engine.wire import EventRow, JobRow, ScheduleRow, ServingState
from engine.workspace import Workspace

T = TypeVar("T")
LEVELS = {
    "INFO": logging.INFO, "ACT": logging.INFO, "WARN": logging.WARNING, "CRIT": logging.CRITICAL,
}  # fmt: skip
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
        said: Mapping[str, str],
        before: Before,
    ) -> None:
        """Open what is there; `said` is what was found amiss by now, by its kind."""
        self.pid = os.getpid()
        self.boot = os.urandom(4).hex()
        self.version = version("cdml")
        self.started = iso(clock.wall())
        self._workspace = workspace
        self._clock = clock
        self._serving = serving
        self._said = said
        self._hub = Hub()
        check_kpis(settings)
        place = opening.Place(
            workspace.store, workspace.batches, workspace.aside, clock.wall(), before
        )
        noted = int(ledger.meta(TIDE) or 0)
        found = opening.opened(place, noted, unclean=bool(ledger.meta("engine")))
        self._site = Site(
            workspace,
            settings,
            ledger,
            Artifacts(workspace.artifacts, workspace.keys),
            self._clock,
            self._serving,
            self._told,
            found.store,
            seed,
            suspect=found.suspect,
        )
        self._runner = Runner(self._site)
        self._stalls = Stalls("control", "beat")
        self._beat = Beat(self._site, self._runner, serving, self._hub, self._stalls, self.boot)
        self._outlets = Outlets(self._site, self._stalls)
        self._moving, self._reloading = Lock(), Lock()
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
            application(Desk(self._site, self), self._hub, self._outlets, self._stalls),
            http=PeerConnection,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=2,
        )
        logging.getLogger("uvicorn.error").addFilter(is_ours)
        self._server = uvicorn.Server(config)
        self._beat.start()
        if not self._clock.simulated:
            self._runner.start()
        self._outlets.apply()
        self._site.tell("INFO", "engine", None, f"engine {self.version} ready, pid {self.pid}")
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn raises a signal anew once it stopped: that must not end us before we tidy up.
            signal.signal(number, lambda *_: self.stop())
        try:
            self._server.run(sockets=[listener])
        finally:
            notify.tell(notify.STOPPING)
            self._outlets.close()
            self._beat.stop()
            self._runner.stop()
            self._serving.stop()
            self._catch_last_records()
            reserve.let_go(self._workspace)
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

    def runs(self, limit: int = SHOWN) -> list[JobRow]:
        return self._runner.rows(limit)

    def a_run(self, run: str) -> JobRow:
        return self._runner.row(run)

    def check_cancel(self, run: str) -> None:
        self._runner.check_cancel(run)

    def cancel(self, run: str) -> JobRow:
        return self._runner.cancel(run)

    def untold(self) -> dict[str, str]:
        return {row.target: row.missing for row in self._outlets.targets() if row.missing}

    def schedules(self) -> list[ScheduleRow]:
        return triggers.rows(self._site)

    def arrived(self, model: str) -> None:
        triggers.new_data(self._site, self._runner, [model])

    def wake_due(self) -> None:
        self._beat.wake_due()

    def serving_state(self) -> ServingState:
        ledger = self._site.ledger
        led = {m: ledger.roles(m).champion for m in ledger.models()}
        state = self._serving.state()
        return msgspec.structs.replace(state, stands_in=self._serving.stood_in(led))

    def answers(self, model: str) -> tuple[int, dict[str, int]]:
        return self._serving.answers(model)

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True

    def reload(self) -> str:
        # Of two at once, the one that read the older file must not be the last to apply it.
        with self._reloading:
            return self._reloaded()

    def _reloaded(self) -> str:
        locks.check_reload(self._site)
        settings = load_settings(self._workspace.config)
        check_kpis(settings, self._site.store)
        transform_check.check_all(self._workspace.root, settings, self._site.store)
        now, former_serving = settings.serving, self._site.settings.serving
        if (now.listen, now.workers) != (former_serving.listen, former_serving.workers):
            raise RefusedError(
                "Reloading cdml.toml: serving.listen or serving.workers changed, which needs a "
                "restart. Nothing was changed. Use cdml down and cdml up.",
                code="needs_restart",
            )
        self._workspace.create(list(settings.models))
        triggers.recipes(self._site, self._runner, float("inf"))  # what it was so far is known
        self._site.settings = settings
        triggers.recipes(self._site, self._runner, float("inf"))
        self._outlets.apply()
        self._beat.set_alarm()
        self._serving.sync()
        self._hub.touch()
        return f"cdml.toml read again: {len(settings.models)} models"

    def move(self, to: str) -> None:
        """Advance the replay's clock and do everything that is due by then, in order."""
        assert isinstance(self._clock, SimulatedClock)
        with self._moving:
            self._serving.flush()
            recover(self._site)
            load(self._site)
            self._clock.advance(parse_time(to))
            self._site.ledger.set_meta("sim_now", iso(self._clock.now()))
            fresh = ingest_waiting(self._site, float("inf"))
            triggers.new_data(self._site, self._runner, fresh)
            triggers.recipes(self._site, self._runner, float("inf"))
            triggers.due(self._site, self._runner)
            self._runner.drain()
            self._beat.advance()
            self._runner.drain()
            self._beat.look_back()
            lookout.look_now(self._site)
            self._hub.touch()

    # -- starting and ending

    def _reconcile(self) -> None:
        """Make the world agree with the ledger after whatever happened before."""
        self._runner.repair()
        former = self._site.ledger.meta("engine")
        if former:
            self._site.tell("WARN", "engine", None, f"the engine before, {former}, died unasked")
        self._site.ledger.set_meta("engine", f"pid {self.pid}")
        self._site.ledger.set_meta("seed", str(self._site.seed))
        tampering.verify(self._site)
        if damage := self._site.ledger.damage():
            said = f'the ledger is damaged, SQLite says "{damage}": restore it from a backup'
            self._site.tell("CRIT", "audit", None, said)
        if lost := audit_mark.lost(self._site):
            self._site.tell("CRIT", "audit", None, lost)
        for kind, text in self._said.items():
            if text:
                self._site.tell("CRIT", kind, None, text)
        self._serving.sync()
        if self._site.suspect:
            self._site.tell("CRIT", "store", None, self._site.suspect)
        for model in self._site.settings.models:
            waiting = not self._site.ledger.roles(model).champion
            if waiting and accepted(self._site, model):
                triggers.launch(self._site, self._runner, model, "first data, after a restart")
        self._beat.wake_due()

    def _catch_last_records(self) -> None:
        try:
            load(self._site)
        except CdmlError as e:
            log.warning("last load: %s", e.message)

    def _told(self, event: EventRow) -> None:
        self._hub.touch()
        log.log(LEVELS[event.level], event.text, extra={"model": event.model, "kind": event.kind})
        self._outlets.told(event)
