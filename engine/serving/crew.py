"""The keeper of several workers: it holds the port, changes them as one, replaces the silent.

Answers no prediction itself and imports nothing that would.
"""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from typing import TypeVar

import msgspec

from engine.clock import SystemClock, iso
from engine.errors import CdmlError, UnavailableError
from engine.serving import control
from engine.serving.control import Flushed, Here, Probed, Question, ServingStatus, Sync, Synced
from engine.serving.seats import Seats
from engine.serving.totals import in_force, together
from engine.serving.watched import watched
from engine.serving.worker import Place, Worker
from engine.telemetry import shared
from engine.workspace import Workspace

START_S = 60.0
# How long a worker may leave a ping unanswered: at any time, and while a change waits for it.
SILENCE_S = 2.0
CHANGE_SILENCE_S = 0.2
PING_S = 1.0
PAUSE_S = 0.05
STATUS_S = 0.7
DEAD_S = 1.0
END_S = 8.0
# A worker that lasted this long starts again at once.
LASTED_S = 10.0
BACKOFF_S = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)

T = TypeVar("T")
_log = logging.getLogger("cdml.serving")


class Crew:
    """Several workers that are one prediction service to whoever asks."""

    def __init__(self, workspace: Workspace, size: int, port: socket.socket) -> None:
        self._workspace = workspace
        self._size = size
        self._port = port
        self._clock = SystemClock()
        self._started = iso(self._clock.wall())
        self._seats = Seats.of(size)
        self._metrics = workspace.run / "metrics"
        self._environment = dict(os.environ)
        if shared.prepare(self._metrics, size):
            self._environment[shared.VARIABLE] = str(self._metrics)
        else:
            _log.warning("no room for run/metrics: each worker shows its own counts only")
        self._workers: dict[int, Worker] = {}
        # Those that have to confirm a change before it is acknowledged, and what was.
        self._members: list[Worker] = []
        self._confirmed: dict[str, int] = {}
        self._manned = asyncio.Event()
        self._opened = asyncio.Event()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Have all workers drain, then end."""
        self._stopping.set()

    async def keep(self, control_socket: socket.socket) -> int:
        """Keep the workers until told to stop; the exit code is 1 where none could be started."""
        lives = [asyncio.create_task(self._man(number)) for number in range(self._size)]
        told = asyncio.create_task(self._stopping.wait())
        opened = asyncio.create_task(self._opened.wait())
        await asyncio.wait({told, opened, *lives}, return_when=asyncio.FIRST_COMPLETED)
        answering = await control.listen(control_socket, self) if opened.done() else None
        heard = asyncio.create_task(watched(self._answers, self._told))
        await asyncio.wait({told, *lives}, return_when=asyncio.FIRST_COMPLETED)
        code = 0 if told.done() else 1
        self.stop()
        opened.cancel()
        heard.cancel()
        await self._end()
        if answering is not None:
            answering.close()
        await asyncio.gather(told, *lives)
        return code

    def _answers(self) -> bool:
        return self._opened.is_set() and bool(self._members)

    def _told(self) -> str:
        return f"{len(self._members)} of {self._size} workers answer"

    # -- being asked

    async def obey(self, question: Question) -> msgspec.Struct:
        """Do what was asked over the control socket."""
        match question:
            case Sync():
                return await self._sync(question)
            case control.AskStatus():
                return await self._status()
            case control.Probe():
                return await self._any(question, Probed)
            case control.Flush():
                return (await self._all(question, Flushed, SILENCE_S))[0]
            case control.Stop():
                self.stop()
                return control.Stopping(os.getpid())
            case control.Ping() | control.Open():
                return Here(os.getpid())

    async def _sync(self, change: Sync) -> Synced:
        """Return when every worker is in step; no answer by an older generation follows."""
        found = in_force(await self._all(change, Synced, CHANGE_SILENCE_S))
        self._confirmed = {**self._confirmed, **found.generations}
        return found

    async def _all(self, question: Question, kind: type[T], patience_s: float) -> list[T]:
        """Ask every member; those that die of it do not count, but one has to be left."""
        while True:
            await self._manned.wait()
            asking = [self._asked(w, question, kind, patience_s) for w in self._members]
            found = [f for f in await asyncio.gather(*asking) if f is not None]
            if found:
                return found

    async def _any(self, question: Question, kind: type[T]) -> T:
        while True:
            await self._manned.wait()
            found = await self._asked(self._members[0], question, kind, SILENCE_S)
            if found is not None:
                return found

    async def _asked(
        self, worker: Worker, question: Question, kind: type[T], patience_s: float
    ) -> T | None:
        """Ask a worker, for as long as it answers pings; None where it did not and is dead now."""
        asking = asyncio.create_task(control.ask(worker.path, question, kind))
        while not (await asyncio.wait({asking}, timeout=PAUSE_S))[0]:
            # The last one is given longer: a machine that stalls is no worker that hangs.
            if not await worker.answers(patience_s) and not (
                self._members == [worker] and await worker.answers(SILENCE_S)
            ):
                break
        try:
            if asking.done():
                return await asking
        except UnavailableError as e:
            if e.code != "serving_unreachable":
                raise
        asking.cancel()
        await self._dismiss(worker)
        return None

    async def _status(self) -> ServingStatus:
        asking = [
            asyncio.create_task(control.ask(w.path, control.AskStatus(), ServingStatus))
            for w in self._members
        ]
        if asking:
            await asyncio.wait(asking, timeout=STATUS_S)
        parts = [a.result() for a in asking if a.done() and a.exception() is None]
        for late in asking:
            late.cancel()
        if not parts:
            raise UnavailableError(
                f"Asking {self._size} workers how they are: none of them answers. They are started "
                "again; look into logs/serving.log.",
                code="serving_unreachable",
            )
        return together(parts, self._started)

    # -- keeping them alive

    async def _man(self, number: int) -> None:
        """Keep one place manned until told to stop, or until the very first start fails."""
        failures = 0
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            try:
                worker = self._start(number)
            except OSError as e:  # no memory or process for it: the others go on
                _log.error("starting worker %d: %s; again in %g s", number, e, BACKOFF_S[-1])
                await self._pause(BACKOFF_S[-1])
                continue
            await self._bring_in(worker)
            await self._watch(worker)
            self._left(worker)
            if shared.VARIABLE in self._environment:
                # Files that are gone say nothing stale, and are no reason to end the others.
                with contextlib.suppress(OSError):
                    shared.forget_gauges(self._metrics, number)
            if self._stopping.is_set() or not self._opened.is_set():
                return
            lasted = self._clock.monotonic() - began > LASTED_S
            pause = BACKOFF_S[0 if lasted else min(failures, len(BACKOFF_S) - 1)]
            failures = 1 if lasted else failures + 1
            _log.warning(
                "%s ended with code %s; another follows in %g s", worker, worker.code, pause
            )
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _start(self, number: int) -> Worker:
        place = Place(number, self._port.fileno(), self._seats.handle, os.getpid())
        command = [sys.executable, "-P", "-m", "engine", "serve", "-w", str(self._workspace.root)]
        command += place.arguments()
        path = place.socket(self._workspace)
        self._workers[number] = Worker(place, path, command, self._environment)
        return self._workers[number]

    async def _bring_in(self, worker: Worker) -> None:
        """Have a new worker take connections once it is in step with every change."""
        patience = self._clock.monotonic() + START_S
        while not worker.ended.is_set() and not await worker.answers(SILENCE_S):
            if self._clock.monotonic() > patience:
                await self._dismiss(worker)
            await worker.ends_within(PAUSE_S)
        try:
            if worker.ended.is_set() or not await self._asked(worker, Sync(), Synced, SILENCE_S):
                return
            # It has loaded. Changes from now on wait for it too, those before now it reads here.
            self._members.append(worker)
            self._manned.set()
            found = await self._asked(worker, Sync(), Synced, SILENCE_S)
            if found is not None and self._is_behind(worker, found):
                _log.error("%s cannot load what the others serve: %s", worker, found.failures)
                worker.kill()
            elif found is not None:
                await self._asked(worker, control.Open(), Here, SILENCE_S)
                self._opened.set()
        except CdmlError as e:
            _log.error("%s: %s", worker, e.message)
            await self._dismiss(worker)

    def _is_behind(self, worker: Worker, found: Synced) -> bool:
        """Say whether a new worker would answer what was left, or nothing where others answer."""
        alone = self._members == [worker]
        return any(
            found.generations.get(model, generation if alone else -1) < generation
            for model, generation in self._confirmed.items()
        )

    async def _watch(self, worker: Worker) -> None:
        """Return when a worker has ended, of itself or because it was silent."""
        while not await worker.ends_within(PING_S):
            if not self._stopping.is_set() and not await worker.answers(SILENCE_S):
                await self._dismiss(worker)

    async def _dismiss(self, worker: Worker) -> None:
        """Kill a worker that does not answer, unless it is ending anyway."""
        self._left(worker)
        if not worker.ended.is_set() and not self._stopping.is_set():
            _log.warning("%s does not answer and is killed", worker)
            worker.kill()
        await worker.ends_within(DEAD_S)

    def _left(self, worker: Worker) -> None:
        self._seats.leave(worker.number)
        if worker in self._members:
            self._members.remove(worker)
        if not self._members:
            self._manned.clear()

    async def _end(self) -> None:
        """Have all workers drain; those that take too long are killed."""
        self._port.close()
        workers = self._workers.values()
        for worker in workers:
            worker.terminate()
        await asyncio.gather(*(w.ends_within(END_S) for w in workers))
        for worker in workers:
            worker.kill()
            worker.path.unlink(missing_ok=True)
