"""Runs: queued, coalesced, worked off one at a time per lane, recorded whatever happens."""

import contextlib
import logging
import shutil
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import BoundedSemaphore, Condition, Event, Lock, Thread
from typing import Any, TypeVar

import msgspec

from engine.clock import ended as ended_since
from engine.clock import iso
from engine.errors import CdmlError, RefusedError, UnavailableError, UnknownError
from engine.jobs.process import JobDiedError, JobProcess, started_at, sweep
from engine.pipeline import locks, validate
from engine.pipeline.delivery import JOBS, Outcome, note_asked
from engine.pipeline.site import Site
from engine.quantities import duration, size
from engine.store import runs
from engine.wire import JobRow

T = TypeVar("T")
LIGHT = {"monitor", "rebuild"}
ALIVE = ("queued", "running")
SHOWN = 50
MOST_WAITING = 8  # who measures at once, and who waits for that
INTERRUPTED = "was interrupted"
log = logging.getLogger("cdml.jobs")


@dataclass(slots=True)
class _Run:
    """One run: its row as people see it, and what its steps may ask for."""

    site: Site
    runner: "Runner"
    row: JobRow
    cancelled: Event = field(default_factory=Event)

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def model(self) -> str:
        return self.row.model

    @property
    def version(self) -> str | None:
        return self.row.version

    @property
    def cause(self) -> str:
        return self.row.cause

    @property
    def folder(self) -> Path:
        return self.site.workspace.runs / self.row.id

    def say(self, note: str) -> None:
        if self.cancelled.is_set():
            raise JobDiedError(f"Running {self.row.job}: it was cancelled.", "cancelled")
        self.runner.show(self, note=note, progress=None, left_s=None)

    def work(self, verb: str, inputs: object, answer: type[T]) -> T:
        """Measure in a process of its own; its answer is checked before anyone sees it."""
        found = self.runner.worker(self, verb, inputs)
        try:
            return msgspec.json.decode(found, type=answer)
        except msgspec.MsgspecError as e:
            raise JobDiedError(
                f"Running {verb}: its result is not of the right form: {e}.", "failed"
            ) from e

    def in_process(self, verb: str, inputs: object) -> bytes:
        """Run a verb in a limited process of its own; return what it left."""
        train = self.site.model(self.model).train
        process = JobProcess(
            self.folder,
            verb,
            msgspec.json.encode(inputs),
            duration(train.deadline) / timedelta(seconds=1),
            size(train.memory),
        )
        self.site.ledger.process_began(self.id, process.pid, started_at(process.pid) or "")
        clock, used = self.site.clock, (self.row.cpu_s or 0.0, self.row.memory_mib or 0)
        begin = clock.monotonic()

        def progress(fraction: float, text: str) -> None:
            spent = clock.monotonic() - begin
            left = spent / fraction - spent if 0 < fraction <= 1 else None
            self.runner.show(self, note=text, progress=fraction, left_s=left, **spent_so_far())

        def spent_so_far() -> dict[str, Any]:
            cpu_s, memory_mib = process.used
            return {"cpu_s": used[0] + cpu_s, "memory_mib": max(used[1], memory_mib)}

        try:
            return process.wait(clock, progress, self.cancelled)
        finally:
            self.site.ledger.process_ended(self.id)
            self.runner.show(self, left_s=None, **spent_so_far())


# What measures for a run: in a process of its own, unless a backtest has a quicker way.
Worker = Callable[[_Run, str, object], bytes]
Steps = Mapping[str, Callable[[Site, _Run], Outcome]]


class Runner:
    """The queue. Live, a thread works each lane; in a replay `drain` does, in order."""

    def __init__(self, site: Site, steps: Steps = JOBS, worker: Worker = _Run.in_process) -> None:
        self._site = site
        self._steps = steps
        self.worker = worker
        self._queue: deque[_Run] = deque()
        self._active: dict[str, _Run] = {}
        self._changed = Condition()
        self._stopping = False
        self._threads: list[Thread] = []
        self._last = int(site.ledger.meta("last_run") or 0)
        self._unrecorded: dict[str, JobRow] = {}
        self._measuring, self._measured = Lock(), 0
        self._places = BoundedSemaphore(MOST_WAITING)
        self._asked: list[_Run] = []

    def submit(self, model: str, job: str, cause: str, version: str | None = None) -> JobRow:
        """Queue a run; one that waits already answers for this cause as well."""
        self._site.model(model)
        with self._changed:
            for run in self._queue:
                if (run.model, run.row.job, run.version) == (model, job, version):
                    cause_now = f"{run.row.cause}; {cause}"
                    run.row = msgspec.structs.replace(run.row, cause=cause_now)
                    return run.row
            self._last += 1
            self._site.ledger.set_meta("last_run", str(self._last))
            row = JobRow(
                f"r{self._last}",
                model,
                job,
                "queued",
                cause,
                self._site.moment(),
                version=version,
            )
            self._record(row)  # before a lane can take it and write how it ended
            self._queue.append(_Run(self._site, self, row))
            self._changed.notify_all()
        return row

    def measure(self, model: str, verb: str, inputs: object, answer: type[T]) -> T:
        """Measure at once for somebody who waits, one at a time; nothing of it is kept.

        UnavailableError where several wait already: who only looks must not keep all others from
        being answered.
        """
        with self._waiting(model, verb), self._measuring:
            self._measured += 1
            row = JobRow(f"m{self._measured}", model, verb, "running", "", self._site.moment())
            run = _Run(self._site, self, row)
            with self._changed:
                self._asked.append(run)
            try:
                return run.work(verb, inputs, answer)
            finally:
                with self._changed:
                    self._asked.remove(run)
                shutil.rmtree(run.folder, ignore_errors=True)

    @contextlib.contextmanager
    def _waiting(self, model: str, verb: str) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise UnavailableError(
                f"Measuring {model} ({verb}): {MOST_WAITING} others are at it. Try again.",
                code="busy",
            )
        try:
            yield
        finally:
            self._places.release()

    def unended(self) -> list[JobRow]:
        """Return running and queued runs, asking nobody."""
        with self._changed:
            return [*(r.row for r in self._active.values()), *(r.row for r in self._queue)]

    def rows(self, limit: int = SHOWN) -> list[JobRow]:
        """Return running and queued runs, then at most `limit` of those stored, newest first."""
        with self._changed:
            known = {r.id: r for r in self.unended()}
            for row in self._unrecorded.values():
                known.setdefault(row.id, row)
        stored = (r for r in runs.newest(self._site.store, limit) if r.id not in known)
        return [*known.values(), *stored]

    def row(self, run: str) -> JobRow:
        """Return one run; UnknownError where there is none."""
        found = next((r for r in self.rows() if r.id == run), None)
        found = found or runs.of_id(self._site.store, run)
        if found is None:
            raise UnknownError(
                f'Looking for run "{run[:40]}": there is none. List them with cdml jobs.',
                code="unknown_run",
                field="id",
            )
        return found

    def cancel(self, run: str) -> JobRow:
        """End a run that waits or works; RefusedError where it does neither."""
        self.check_cancel(run)
        with self._changed:
            waiting = next((r for r in self._queue if r.id == run), None)
            if waiting is not None:
                self._queue.remove(waiting)
            elif run in self._active:
                self._active[run].cancelled.set()
        if waiting is None:
            return self.row(run)
        self.show(waiting, state="cancelled", ended_at=iso(self._site.clock.now()))
        self._record(waiting.row)
        return waiting.row

    def check_cancel(self, run: str) -> None:
        """Raise RefusedError where there is nothing of a run to be cancelled."""
        row = self.row(run)
        if row.state not in ALIVE:
            raise RefusedError(
                f"Cancelling {run}: it is {row.state} since {row.ended_at}. Nothing was changed. "
                "Look what runs with cdml jobs.",
                code="not_running",
            )
        if row.state == "running" and row.job == "monitor":
            raise RefusedError(
                f"Cancelling {run}: a monitoring run that has begun ends by itself within "
                "seconds. Nothing was changed.",
                code="not_cancellable",
            )

    def show(self, run: _Run, **changed: Any) -> None:
        """Change what people see of a run that is being worked."""
        run.row = msgspec.structs.replace(run.row, **changed)

    def drain(self) -> None:
        """Work off everything that waits, in order, in this thread."""
        while (run := self._next(None)) is not None:
            self._work(run)

    def start(self) -> None:
        """Work the lanes in threads: light runs never wait for a training."""
        for lane in (True, False):
            thread = Thread(target=self._loop, args=(lane,), daemon=True, name=f"runs-{lane}")
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End running jobs and wait for their records."""
        with self._changed:
            self._stopping = True
            self._queue.clear()
            for run in (*self._active.values(), *self._asked):
                run.cancelled.set()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def repair(self) -> None:
        """After an unclean end: kill orphans, and record that their runs were interrupted."""
        for run, (pid, started) in self._site.ledger.processes().items():
            sweep(pid, started)
            self._site.ledger.process_ended(run)
        for model in self._site.ledger.models():
            validate.settle(self._site, model, "the engine ended while it was validated")
        for row in runs.unfinished(self._site.store):
            ended = msgspec.structs.replace(
                row, state="interrupted", ended_at=self._site.moment(), error="the engine ended"
            )
            runs.put(self._site.store, ended)
            self._site.tell("WARN", "job", row.model, f"{row.job} {row.id} was interrupted")
            if row.model in self._site.settings.models and INTERRUPTED not in row.cause:
                # Once: what ends an engine again and again is not tried for ever.
                cause = f"{row.cause}; {row.id} {INTERRUPTED}"
                what = f"train: {row.id} {INTERRUPTED}"
                if row.job == "train" and locks.stops(self._site, row.model, "train", what):
                    continue
                self.submit(row.model, row.job, cause, row.version)

    def _record(self, row: JobRow) -> None:
        """Store how a run stands; what the store cannot take now is stored with the next one."""
        with self._changed:
            self._unrecorded[row.id] = row
            waiting = list(self._unrecorded.values())
        try:
            for known in waiting:
                runs.put(self._site.store, known)
        except CdmlError as e:
            log.error("run %s of %s could not be recorded: %s", row.id, row.model, e.message)
            return
        with self._changed:
            for known in waiting:
                if self._unrecorded.get(known.id) is known:
                    del self._unrecorded[known.id]

    def _next(self, light: bool | None) -> _Run | None:  # noqa: FBT001
        with self._changed:
            for run in self._queue:
                if light is None or (run.row.job in LIGHT) == light:
                    self._queue.remove(run)
                    self._active[run.id] = run
                    return run
        return None

    def _loop(self, light: bool) -> None:  # noqa: FBT001
        while True:
            run = self._next(light)
            if run is not None:
                self._work(run)
                continue
            with self._changed:
                if self._stopping:
                    return
                self._changed.wait(1.0)

    def _work(self, run: _Run) -> None:
        """Work one run and record its end; this is the job edge where everything is caught."""
        site = self._site
        started, began = site.clock.now(), site.clock.monotonic()
        self.show(run, state="running", started_at=iso(started))
        self._log(run.row)
        self._record(run.row)
        ended: dict[str, Any]
        outcome = Outcome("")
        try:
            outcome = self._steps[run.row.job](site, run)
            ended = {
                "state": "done",
                "note": outcome.note,
                "version": outcome.version,
                "verdict": outcome.verdict,
            }
        except RefusedError as e:
            ended = {"state": "refused", "error": e.message}
            self._tell("INFO", "job", run.model, e.message)
        except JobDiedError as e:
            ended = {"state": e.state, "error": e.message}
            self._tell("WARN", "job", run.model, f"{run.row.job} {run.id} {e.state}: {e.message}")
        except CdmlError as e:
            ended = {"state": "failed", "error": e.message}
            self._tell("WARN", "job", run.model, f"{run.row.job} {run.id} failed: {e.message}")
        except Exception as e:  # noqa: BLE001 - the job edge: logged whole, told in a sentence
            with contextlib.suppress(OSError):
                run.folder.mkdir(parents=True, exist_ok=True)
                (run.folder / "crash.txt").write_text(traceback.format_exc(), encoding="utf-8")
            ended = {"state": "failed", "error": f"{type(e).__name__}: {e}; see {run.id}/crash.txt"}
            self._tell("CRIT", "job", run.model, f"{run.row.job} {run.id} broke: {ended['error']}")
        if ended["state"] == "done":
            # What was made is sealed or stored; the log stays for who asks.
            for path in run.folder.glob("*"):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif path.name != "log.txt":
                    path.unlink(missing_ok=True)
        moment = ended_since(site.clock, started, began)
        self.show(run, ended_at=iso(moment), progress=None, **ended)
        self._log(run.row)
        self._record(run.row)
        with self._changed:
            del self._active[run.id]
            self._changed.notify_all()
        self._follow(run, outcome)

    def _follow(self, run: _Run, outcome: Outcome) -> None:
        """Queue what a run asks for, and only then remember that it has asked."""
        try:
            for cause in outcome.train_because:
                what = f"train: {cause}"
                if not locks.stops(self._site, run.model, "train", what, repeated=True):
                    self.submit(run.model, "train", cause)
            if outcome.asked is not None:
                note_asked(self._site, run.model, outcome.asked)
        except CdmlError as e:
            log.error("what %s asks for could not be queued: %s", run.id, e.message)

    def _log(self, row: JobRow) -> None:
        ids = {"run": row.id, "model": row.model, "version": row.version}
        log.info("%s is %s: %s", row.job, row.state, row.error or row.note or row.cause, extra=ids)

    def _tell(self, level: str, kind: str, model: str, text: str) -> None:
        """Tell people how a run ended; on a full disk only the log can, and the lane goes on."""
        try:
            self._site.tell(level, kind, model, text)
        except CdmlError as e:
            log.error("%s: %s (%s)", model, text, e.message)
