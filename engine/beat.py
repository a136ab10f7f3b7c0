"""The engine's beat: what is looked after again and again while it lives, each in its own step.

A fault is told once and tried again; nothing here keeps another step, or serving, from its turn.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event, Thread

import watchfiles

from engine import logs, notify
from engine.api.stream import Hub
from engine.errors import CdmlError, CorruptError, UnavailableError
from engine.jobs import triggers
from engine.jobs.runner import Runner
from engine.jobs.schedule import Alarm, schedules
from engine.pipeline import (
    aftermath,
    audit_mark,
    backups,
    baking,
    lookout,
    readiness,
    reserve,
    retention,
    rollout,
    selftest,
    streams,
)
from engine.pipeline.gentle import gently
from engine.pipeline.ingest import ingest_waiting
from engine.pipeline.load import forget_loaded, load
from engine.pipeline.recover import recover
from engine.pipeline.site import Site
from engine.serving_process import ServingProcess
from engine.telemetry.stalls import Stalls

BEAT_S = 1.0
SCAN_S = 5.0
BACKUP_S = 60.0
RETENTION_S = 60.0
ROLLOUT_S = 5.0
SETTLED_S = 2.0
JUMP_S = 30.0
TOLD_S = 2.0
# A larger metric store is not read through at a start: that would take minutes of a core.
READ_THROUGH = 2**30
log = logging.getLogger("cdml.engine")


class Beat:
    """The threads that look after everything; in a replay only serving is, the rest moves on."""

    def __init__(
        self,
        site: Site,
        runner: Runner,
        serving: ServingProcess,
        hub: Hub,
        stalls: Stalls,
        boot: str,
    ) -> None:
        self._site = site
        self._clock = site.clock
        self._runner = runner
        self._serving = serving
        self._hub = hub
        self._stalls = stalls
        self._boot = boot
        self._alarm = Alarm(self.wake_due)
        self._woken, self._due, self._ending = Event(), Event(), Event()
        self._threads: list[Thread] = []
        self._last_said: dict[str, str] = {}
        self._lacked = False
        self._scanned = -1e9
        self._judged = (-1e9, -1)
        self._steady_since = site.clock.monotonic()

    def start(self) -> None:
        """Start the threads."""
        loops = {"beat": self._beat_loop, "gate": self._test_gate, "keep": self._keep_loop}
        if not self._clock.simulated:
            self.set_alarm()
            loops |= {
                "watch": self._watch,
                "backup": self._backup_loop,
                "retention": self._retention_loop,
            }
        for name, loop in loops.items():
            thread = Thread(target=loop, daemon=True, name=name)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End the threads; the two that write are waited for."""
        self._ending.set()
        self._woken.set()
        self._alarm.stop()
        for thread in self._threads:
            if thread.name in ("beat", "gate"):
                thread.join(timeout=5.0)

    def wake_due(self) -> None:
        """Look at the schedules; APScheduler's callback does nothing but this."""
        self._due.set()
        self._woken.set()

    def set_alarm(self) -> None:
        """Set the wake-ups of all schedules anew."""
        if self._clock.simulated:
            return
        now = self._clock.now()
        wanted = schedules(self._site.settings)
        starts = [last or now for last in self._counted()]
        self._alarm.set(list(zip(wanted, starts, strict=True)))

    def advance(self) -> None:
        """Look at champions, row by row, and at rollouts that run."""
        for model in self._site.settings.models:
            baking.watch(self._site, model)
            rollout.advance(self._site, model)
            if cause := streams.watch(self._site, model):
                self._runner.submit(model, "monitor", cause)

    def look_back(self) -> None:
        """Prove the way back of each model anew, and see what the last rollback has done."""
        for model in self._site.settings.models:
            if readiness.keep(self._site, model):
                self._hub.touch()
            aftermath.verify(self._site, model)

    def _beat_loop(self) -> None:
        """Look after everything once a second; a fault is told once and tried again."""
        last = (self._clock.wall(), self._clock.monotonic())
        notify.tell(notify.READY)
        while not self._ending.is_set():
            self._woken.wait(BEAT_S)
            self._woken.clear()
            if self._ending.is_set():
                return
            last = self._watch_clock(last)
            self._take("stalls", self._tell_stalls)
            notify.tell_alive(self._status)
            for name, step in self._steps():
                self._take(name, step)

    def _status(self) -> str:
        working = [f"{r.job} {r.id} of {r.model}" for r in self._runner.unended()]
        models = ", ".join(self._site.settings.models) or "no models"
        return f"{models}; {', '.join(working) or 'no run'}"

    def _test_gate(self) -> None:
        """Have the gate test itself, once everybody has had their first answer."""
        if not self._ending.wait(SETTLED_S):
            self._take("gate", lambda: selftest.at_start(self._site, self._boot))
            self._take("store", self._look_through)

    def _look_through(self) -> None:
        """Read the metric store once: what its blocks have become is met by nobody else in time."""
        if self._site.workspace.store.stat().st_size > READ_THROUGH:
            return
        if damage := self._site.store.damage():
            raise CorruptError(
                f'the metric store is damaged, "{damage}". Predictions go on, and what comes is '
                "stored; what was there cannot all be read. Restore a backup, or stop the engine "
                "and move metrics.duckdb away: a new one takes what the spool still has.",
                code="store_damaged",
            )

    def _keep_loop(self) -> None:
        """Look after serving in a thread of its own: nothing may keep it from being answered."""
        while not self._ending.wait(BEAT_S):
            self._take("serving", self._keep_serving)

    def _backup_loop(self) -> None:
        """Copy the workspace when it is due, in a thread of its own: a copy takes a while."""
        while not self._ending.wait(BACKUP_S):
            if backups.due(self._site):
                self._take("backup", self._back_up)

    def _retention_loop(self) -> None:
        """Let go of what is old once a day, in a thread of its own: a day of rows takes a while."""
        while not self._ending.wait(RETENTION_S):
            steady = timedelta(seconds=self._clock.monotonic() - self._steady_since)
            if retention.due(self._site, steady):
                self._take("retention", self._keep)

    def _keep(self) -> None:
        gently(lambda: retention.keep(self._site))

    def _back_up(self) -> None:
        backups.made(self._site, "timetable")

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
        files = ("artifacts", lambda: lookout.files(self._site))
        if self._clock.simulated:
            return [files]
        return [
            ("spool", self._load),
            ("audit", lambda: audit_mark.note(self._site)),
            ("ingest", self._scan),
            ("schedules", self._run_due),
            ("rollout", self._advance_on_news),
            ("readiness", self.look_back),
            ("attacks", lambda: lookout.look(self._site)),
            files,
        ]

    def _keep_serving(self) -> None:
        for name in ("serving.log", "supervisor.log"):
            logs.keep_small(self._site.workspace.logs / name)
        said = self._serving.keep()
        if said:
            self._site.tell("WARN", "serving", None, said)
        ledger = self._site.ledger
        if fault := self._serving.stood_in({m: ledger.roles(m).champion for m in ledger.models()}):
            self._say_once("standing in", fault)

    def _load(self) -> None:
        reserve.keep(self._site.workspace)
        lacking = self._site.workspace.lacking()
        if bool(lacking) != self._lacked:
            # A full disk takes no event either: consoles look anew without one.
            self._lacked = bool(lacking)
            self._hub.touch()
        if lacking:
            raise UnavailableError(
                f"Loading the prediction log: {lacking}. Predictions go on and stay in the spool. "
                "Free disk space.",
                code="no_space",
            )
        recover(self._site)
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
        triggers.recipes(self._site, self._runner, settled)
        forget_loaded(self._site)

    def _run_due(self) -> None:
        counted = self._counted()
        if self._due.is_set() or None in counted:
            self._due.clear()
            triggers.due(self._site, self._runner)
            if self._counted() != counted:
                self.set_alarm()

    def _counted(self) -> list[datetime | None]:
        """Return from when each schedule counts; None before its model has a champion."""
        ledger = self._site.ledger
        return [ledger.last_due(s.model, s.job) for s in schedules(self._site.settings)]

    def _advance_on_news(self) -> None:
        """Look at running rollouts where the log has grown, at failures always, every 5 s."""
        now, changes = self._clock.monotonic(), self._site.store.changes
        if now - self._judged[0] <= ROLLOUT_S:
            return
        grown, self._judged = changes != self._judged[1], (now, changes)
        if grown:
            self.advance()
            return
        # Rows that all fail leave nothing in the log.
        for model in self._site.settings.models:
            baking.watch(self._site, model)

    def _watch_clock(self, last: tuple[datetime, float]) -> tuple[datetime, float]:
        """After a jump of the machine's clock, set the wake-ups anew and look what is due."""
        now = (self._clock.wall(), self._clock.monotonic())
        between = now[1] - last[1]
        self._stalls.late("beat", between - BEAT_S)
        drift = (now[0] - last[0]) / timedelta(seconds=1) - between
        if abs(drift) > JUMP_S and not self._clock.simulated:
            self._steady_since = now[1]
            self._site.tell("WARN", "clock", None, f"the machine's clock jumped by {drift:+.0f} s")
            self.set_alarm()
            self._due.set()
        return now

    def _tell_stalls(self) -> None:
        """Say that nobody was answered for a while; the beat itself has steps that take theirs."""
        stood = self._stalls.worst().get("control", 0.0)
        if stood >= TOLD_S:
            text = f"the control socket stood still for {stood:.1f} s: a machine that was paused "
            self._site.tell("WARN", "stall", None, text + "or had no time for it")

    def _watch(self) -> None:
        """Wake the beat when something is renamed into a drop folder."""
        for _ in watchfiles.watch(
            self._site.workspace.root / "incoming", stop_event=self._ending, rust_timeout=1000,
            yield_on_timeout=False,
        ):  # fmt: skip
            self._scanned = -1e9
            self._woken.set()

    def _say_once(self, name: str, text: str) -> None:
        """Tell a fault when it appears or changes, not every second."""
        if self._last_said.get(name) != text:
            self._last_said[name] = text
            try:
                self._site.tell("CRIT", name, None, text)
            except CdmlError as e:
                # The ledger itself cannot be written: the log may be on another disk.
                log.critical("%s: %s (%s)", name, text, e.message)
