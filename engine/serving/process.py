"""The parts of the serving process put together, and what it does when asked over the socket."""

import asyncio
import contextlib
import gc
import logging
import os
import socket
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import msgspec

from engine.artifacts import Artifacts
from engine.clock import SystemClock, iso
from engine.errors import InvalidError, UnavailableError
from engine.ledger.ledger import Ledger
from engine.serving import control
from engine.serving.answers import Answerer
from engine.serving.app import App
from engine.serving.batcher import Answers, Batcher, answers_of
from engine.serving.callers import Callers
from engine.serving.door import Door
from engine.serving.last_good import last_good
from engine.serving.seats import Seat
from engine.serving.served import Served
from engine.serving.shared_door import SharedDoor
from engine.serving.slots import Slot, Slots, Table
from engine.serving.tally import Tally
from engine.serving.totals import resident_bytes
from engine.serving.watched import watched
from engine.settings import Settings
from engine.spool import Spool, folder_bytes
from engine.telemetry.prometheus import ServingMetrics
from engine.telemetry.stalls import watch
from engine.workspace import Workspace

POLL_S = 1.0
RETRY_POLLS = 30
DRAIN_S = 5
FLUSH_S = 30.0
MAX_PROBE_ROWS = 100_000

_log = logging.getLogger("cdml.serving")

if TYPE_CHECKING:
    from engine.telemetry.tracer import Tracer


class ServingProcess:
    """One serving process. `merge=False` (a replay) keeps each request its own batch.

    One of several workers has a seat, and takes no connections before its keeper says so.
    """

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        boot: str,
        *,
        merge: bool,
        seat: Seat | None = None,
    ) -> None:
        self._seat = seat
        self._workspace = workspace
        self._settings = settings
        self._boot = boot
        self._merge = merge
        self._clock = SystemClock()
        self._started = iso(self._clock.wall())
        self._listen = ""
        self._ledger = Ledger(workspace.ledger, readonly=True)
        self._spool = Spool(workspace.spool, boot)
        self._tally = Tally()
        artifacts = Artifacts(workspace.artifacts, workspace.keys)
        self._slots = Slots(self._ledger, artifacts, self._swapped)
        self._metrics = ServingMetrics(
            self._spool_bytes,
            lambda: float(self._dropped()),
            self._slots.memory,
            seat.worker if seat else None,
        )
        self._said: dict[str, str] = {}
        self._stopping = asyncio.Event()
        self._opened = asyncio.Event()

    def stop(self) -> None:
        """Drain and end."""
        self._stopping.set()
        self._opened.set()

    async def serve(self, port: socket.socket, control_socket: socket.socket) -> None:
        """Answer until told to stop; requests in flight are finished, the spool is sealed."""
        host, number = port.getsockname()[:2]
        self._listen = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
        loop = asyncio.get_running_loop()
        self._batcher = Batcher(loop, self._shadow_scored, merge=self._merge)
        self._answerer = Answerer(
            self._slots,
            self._batcher,
            self._spool,
            self._tally,
            self._metrics,
            self._clock,
            self._boot,
            self._settings,
        )
        rate = self._settings.serving.rate
        self._callers = Callers(self._workspace.tokens, rate, self._listen)
        tracer = self._tracer()
        app = App(
            self._answerer,
            self._callers,
            self._tally,
            self._metrics,
            self._clock,
            _version(),
            tracer,
        )
        door = Door(app, DRAIN_S) if self._seat is None else SharedDoor(app, DRAIN_S, self._seat)
        if self._seat is None:
            await self._sync_or_say()
            self._opened.set()
        answering = await control.listen(control_socket, self)
        living = [self._poll(), self._watch_tokens(), self._close_when_told(door)]
        living.append(watch(self._clock, self._metrics.late))
        if self._seat is None:
            living.append(watched(lambda: door.started, self._told))
        tasks = [loop.create_task(one) for one in living]
        try:
            await self._opened.wait()
            # What was imported and loaded stays: the collector need not walk it during a request.
            gc.collect()
            gc.freeze()
            if not self._stopping.is_set():
                where = f"at {self._listen}, pid {os.getpid()}"
                _log.info("the prediction service %s answers %s", _version(), where)
                await door.answer(port)
                _log.info("the prediction service ends %s", where)
        finally:
            answering.close()
            for task in tasks:
                task.cancel()
            await asyncio.to_thread(self._close)
            if tracer is not None:
                await asyncio.to_thread(tracer.close)

    def _told(self) -> str:
        slots = self._slots.table.slots.values()
        led = ", ".join(f"{s.model} by {s.champion.version}" for s in slots)
        return f"answers on {self._listen}; {led or 'no models yet'}"

    async def obey(self, question: control.Question) -> msgspec.Struct:
        """Do what was asked over the control socket."""
        match question:
            case control.Sync(model):
                return await self._sync(model)
            case control.AskStatus():
                return self._status()
            case control.Probe(model, name, rows):
                return await self._probe(model, name, rows)
            case control.Flush():
                return await self._flush()
            case control.Stop():
                self.stop()
                return control.Stopping(os.getpid())
            case control.Ping():
                return control.Here(os.getpid())
            case control.Open():
                self._opened.set()
                return control.Here(os.getpid())

    async def _sync(self, model: str | None) -> control.Synced:
        if model is None:
            self._take_over(await asyncio.to_thread(last_good, self._workspace))
        await self._slots.sync(model)
        table = self._slots.table
        failures = {f"{m}/{v}": why for (m, v), why in self._slots.failures.items()}
        return control.Synced({m: s.generation for m, s in table.slots.items()}, failures)

    def _take_over(self, settings: Settings) -> None:
        """Obey a changed cdml.toml as far as that goes without a restart."""
        now, former = settings.serving, self._settings.serving
        if (now.listen, now.workers) != (former.listen, former.workers):
            _log.warning(
                "Reading cdml.toml: serving.listen or serving.workers changed, which needs a "
                "restart. All else is in force. Use cdml down and cdml up."
            )
        self._settings = self._answerer.settings = settings
        self._callers.set_rate(now.rate)

    async def _probe(self, model: str, name: str, rows: list[dict[str, Any]]) -> control.Probed:
        if not 0 < len(rows) <= MAX_PROBE_ROWS:
            raise InvalidError(
                f"Probing {name} of {model}: found {len(rows)} rows. Send 1 to {MAX_PROBE_ROWS}.",
                code="bad_probe",
            )
        began = self._clock.monotonic()
        in_memory = name in self._slots.loaded(model)
        served = await self._slots.served(model, name)
        loaded = self._clock.monotonic()

        def predict() -> Answers:
            return answers_of(served, served.matrix(rows))

        answers = await asyncio.to_thread(predict)
        done = self._clock.monotonic()
        return control.Probed(
            answers, in_memory, (loaded - began) * 1000.0, (done - loaded) * 1000.0
        )

    async def _flush(self) -> control.Flushed:
        scored = await asyncio.to_thread(self._batcher.drain_shadow, FLUSH_S)
        if not (scored and await asyncio.to_thread(self._spool.flush, FLUSH_S)):
            raise UnavailableError(
                "Flushing the log: the disk did not confirm everything. Free space or look at the "
                "disk, then try again.",
                code="log_unavailable",
            )
        return control.Flushed(*self._spool.position())

    def _status(self) -> control.ServingStatus:
        now = self._clock.monotonic()
        segment, offset = self._spool.position()
        return control.ServingStatus(
            pid=os.getpid(),
            boot=self._boot,
            started=self._started,
            listen=self._listen,
            rss_bytes=resident_bytes(),
            requests=self._tally.requests,
            failed=self._tally.failed,
            dropped=self._dropped(),
            shadow_dropped=self._batcher.shadow_dropped + self._batcher.shadow_failed,
            sync_failures=self._spool.sync_failures,
            spool_bytes=int(self._spool_bytes()),
            spool_segment=segment,
            spool_offset=offset,
            requests_per_s=self._tally.rate(now),
            models=[self._served_model(name) for name in self._answerer.names()],
            workers=[self._worker_status()],
        )

    def _worker_status(self) -> control.WorkerStatus:
        generations = {m: s.generation for m, s in self._slots.table.slots.items()}
        return control.WorkerStatus(
            os.getpid(), self._started, resident_bytes(), self._tally.requests, generations
        )

    def _served_model(self, name: str) -> control.ServedModel:
        slot = self._slots.table.slots.get(name)
        return control.ServedModel(
            model=name,
            generation=slot.generation if slot else 0,
            champion=slot.champion.version if slot else None,
            canary=slot.canary.version if slot and slot.canary else None,
            shadow=slot.shadow.version if slot and slot.shadow else None,
            loaded=self._slots.loaded(name),
            failures=self._slots.failed(name),
            answers=self._tally.by_version(name),
            errors=self._tally.errors(name),
            refused=self._tally.refusals(name),
            spared=self._tally.spared(name),
            latency={
                v: control.VersionLatency(p50, p95, n)
                for v, p50, p95, n in self._tally.quantiles(name)
            },
            memory={v: size for (m, v), size in self._slots.memory().items() if m == name},
        )

    def _tracer(self) -> "Tracer | None":
        """Return what tells a collector of requests; nothing of it is imported where none is."""
        base = self._settings.telemetry.otlp
        if base is None:
            return None
        from engine.telemetry import secrets, tracer
        from engine.telemetry.otlp import Collector

        path = self._workspace.root / self._settings.telemetry.secrets
        told = tracer.about("serving", _version(), self._settings.workspace.name)
        # Each of several workers knows the sum over all: one tells it.
        tells = self._seat is None or self._seat.worker == 0
        return tracer.Tracer(
            lambda: Collector(base, secrets.headers(path), told),
            self._boot,
            self._clock,
            lambda: self._metrics.shown().collect() if tells else [],
            self._metrics.traces_dropped,
            self._settings.telemetry.share,
        )

    def _swapped(self, table: Table) -> None:
        for model, slot in table.slots.items():
            self._say(model, slot)
            self._tally.generation(model, slot.generation)
            self._metrics.generation(model, slot.generation)

    def _say(self, model: str, slot: Slot) -> None:
        """Log who answers a model from now on, where that has changed."""
        version = slot.champion.version
        share = slot.roles.canary_share_pct
        canary = f", {share:g} % by {slot.canary.version}" if slot.canary else ""
        text = f"{model} is answered by {version}{canary}, generation {slot.generation}"
        if self._said.get(model) != text:
            self._said[model] = text
            _log.info("%s", text, extra={"model": model, "version": version})

    def _shadow_scored(self, served: Served, ids: list[str], answers: Answers) -> None:
        self._answerer.shadow_scored(served, ids, answers)

    async def _poll(self) -> None:
        """Repair lost nudges, and try again now and then what failed to load."""
        polls = 0
        while True:
            await asyncio.sleep(POLL_S)
            polls += 1
            self._look()
            await self._sync_or_say(retry=polls % RETRY_POLLS == 0)

    async def _watch_tokens(self) -> None:
        """Obey `cdml token` within a second, also while a version is being loaded."""
        while True:
            await asyncio.sleep(POLL_S / 2)
            self._callers.refresh()

    def _look(self) -> None:
        try:
            self._metrics.look()
        except Exception as e:  # noqa: BLE001 - polling worker: counting never stops answering
            _log.error("counting for /metrics failed: %r", e)

    async def _sync_or_say(self, *, retry: bool = False) -> None:
        try:
            again = retry and bool(self._slots.failures)
            if again or await asyncio.to_thread(self._slots.changed):
                await self._slots.sync(retry=again)
        except Exception as e:  # noqa: BLE001 - polling worker: what serves stays
            _log.error("reading the ledger failed: %r", e)

    async def _close_when_told(self, door: Door) -> None:
        await self._stopping.wait()
        door.should_exit = True

    def _close(self) -> None:
        self._batcher.close()
        self._answerer.close()
        self._spool.close()
        self._slots.close()
        self._ledger.close()

    def _dropped(self) -> int:
        return self._spool.dropped

    def _spool_bytes(self) -> float:
        with contextlib.suppress(OSError):
            return float(folder_bytes(self._workspace.spool))
        return float("nan")


def _version() -> str:
    try:
        return version("cdml")
    except PackageNotFoundError:
        return "0"
