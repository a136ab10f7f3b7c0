"""The serving process as the engine keeps it: started or adopted, asked, started again."""

import contextlib
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from engine.clock import Clock
from engine.errors import CdmlError, UnavailableError
from engine.logs import read
from engine.serving.control import ServedModel, ServingLink, ServingStatus
from engine.wire import ServingState
from engine.workspace import Workspace

START_S = 20.0
HUNG_S = 15.0
SYNC_S = 10.0
STOP_S = 10.0
FRESH_S = 0.5
BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Kept:
    """Who else looks after serving: who holds its port open, and whether it is somebody else's.

    `apart` means that systemd starts and ends it; the engine then only asks it.
    """

    port_fd: int | None = None
    apart: bool = False


ALONE = Kept()


class ServingProcess:
    """Serving outlives the engine; a new engine adopts the one that answers."""

    def __init__(
        self,
        workspace: Workspace,
        clock: Clock,
        listen: str,
        seed: int | None,
        kept: Kept = ALONE,
    ) -> None:
        self._kept = kept
        self._workspace = workspace
        self._clock = clock
        self._listen = listen
        self._seed = seed
        self._link = ServingLink(workspace.serving_socket)
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        # What is being ended is not started again by whoever looks after it meanwhile.
        self._spawning = Lock()
        self._ended = False
        self._tried = -1e9
        self._status: ServingStatus | None = None
        self._heard = -1e9
        self._answered = -1e9

    # -- keeping it alive

    def start(self) -> None:
        """Adopt the process that answers, or start one; does not wait for it."""
        if self._hear(0.3) is None:
            self._spawn()

    def wait(self) -> None:
        """Wait until it answers; UnavailableError with its own words where it gave up."""
        deadline = self._clock.monotonic() + START_S
        while self._hear(1.0) is None:
            ended = self._process.poll() if self._process else None
            if ended is not None or self._clock.monotonic() > deadline:
                how = f"it ended with code {ended}" if ended is not None else "it does not answer"
                raise UnavailableError(
                    f"Starting the prediction service: {self._last_words() or how}",
                    code="serving_failed",
                )
            if self._process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(0.05)

    def keep(self) -> str | None:
        """Look after it once; return what happened where it had to be started again."""
        if self._hear(1.0) is not None or self._kept.apart:
            self._failures = 0
            return None
        if self._process is not None and self._process.poll() is None and not self._hung():
            return None
        pause = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
        if self._clock.monotonic() - self._tried < pause:
            return None
        self._failures += 1
        words = self._last_words()
        self._spawn()
        return f"the prediction service was started again{': ' + words if words else ''}"

    def _hung(self) -> bool:
        """Kill a process that lives but has been silent for too long; say whether it was."""
        if self._process is None or self._clock.monotonic() - self._answered < HUNG_S:
            return False
        self._process.kill()
        self._process.wait()
        return True

    def stop(self) -> None:
        """Have it drain and end, and wait for that: started, adopted, or still starting."""
        if self._kept.apart:
            return
        with self._spawning:
            self._ended = True
        with contextlib.suppress(CdmlError, ProcessLookupError):
            handle = os.pidfd_open(self._link.status().pid)
            try:
                self._link.stop()
                select.select([handle], [], [], STOP_S)
            finally:
                os.close(handle)
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def abandon(self) -> None:
        """End what this engine started and will not look after; leave what it adopted."""
        if self._process is not None:
            self.stop()

    def _spawn(self) -> None:
        with self._spawning:
            if not self._ended and not self._kept.apart:
                self._start()

    def _start(self) -> None:
        self._tried = self._answered = self._clock.monotonic()
        command = [sys.executable, "-P", "-m", "engine", "serve", "-w", str(self._workspace.root)]
        if self._seed is not None:
            command += ["--seed", str(self._seed)]
        handed = () if self._kept.port_fd is None else (self._kept.port_fd,)
        command += [f"--port-fd={fd}" for fd in handed]
        with (self._workspace.logs / "serving.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=handed,
                env=dict(os.environ, OMP_NUM_THREADS="1"),
            )

    def _last_words(self) -> str:
        if self._process is None or self._process.poll() in (None, 0):
            return ""
        with contextlib.suppress(OSError):
            log = (self._workspace.logs / "serving.log").read_text(encoding="utf-8")
            said = [read(one) for one in log.splitlines() if one.strip()]
            # What it says of its work is no reason for its end.
            return next((str(r["text"])[:500] for r in said[::-1] if r.get("level") != "INFO"), "")
        return ""

    # -- asking it

    def sync(self, model: str | None = None) -> Mapping[str, int]:
        """Have the ledger obeyed; return the generations in force."""
        found = self._link.sync(model, timeout_s=SYNC_S)
        self._heard = -1e9
        return found.generations

    def probe(self, model: str, version: str, rows: Sequence[Mapping[str, Any]]) -> Any:
        """Return the answers of one version, in the real process."""
        return self._link.probe(model, version, [dict(r) for r in rows], timeout_s=SYNC_S).answers

    def flush(self) -> None:
        """Have everything answered so far on the disk, shadow rows included."""
        self._link.flush(timeout_s=SYNC_S)

    def loaded(self, model: str) -> Sequence[str]:
        """Return the versions in memory, at most half a second old."""
        found = self._model(model)
        return found.loaded if found else ()

    def p95_ms(self, model: str) -> Mapping[str, float]:
        """Return the 95th percentile of each version's last answers."""
        found = self._model(model)
        return {v: latency.p95_ms for v, latency in found.latency.items()} if found else {}

    def stood_in(self, champions: Mapping[str, str | None]) -> str | None:
        """Say of which model a champion could not be loaded, who answers for it, and why."""
        for found in self._status.models if self._status else ():
            champion = champions.get(found.model) or ""
            if champion != found.champion and champion in found.failures:
                who = found.champion or "nobody"
                return f"{found.model}: {who} answers for {champion}: {found.failures[champion]}"
        return None

    def memory(self, model: str) -> Mapping[str, int]:
        """Return the bytes that each version in memory holds, in all workers together."""
        found = self._model(model)
        return found.memory if found else {}

    def tallies(self, model: str) -> Mapping[str, tuple[int, int]]:
        """Return rows answered and rows failed of each version since the generation began."""
        found = self._model(model)
        if found is None:
            return {}
        names = {*found.answers, *found.errors}
        return {v: (found.answers.get(v, 0), found.errors.get(v, 0)) for v in sorted(names)}

    def refusals(self, model: str) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Return rows that a champion's contract refused, and those that others would take."""
        found = self._model(model)
        return (found.refused, found.spared) if found else ({}, {})

    def answers(self, model: str) -> tuple[int, dict[str, int]]:
        """Return the generation in force and the answers since by version, asked now."""
        self._heard = -1e9
        found = self._model(model)
        return (found.generation, found.answers) if found else (-1, {})

    def state(self) -> ServingState:
        """Return the process as the console shows it."""
        found = self._fresh()
        if found is None:
            return ServingState(False, None, self._listen, 0, 0, 0, 0, None, None, None)
        latency = [v for m in found.models for v in m.latency.values()]
        busiest = max(latency, key=lambda v: v.n, default=None)
        return ServingState(
            True,
            found.pid,
            found.listen,
            found.requests,
            found.failed,
            found.dropped,
            found.spool_bytes,
            found.requests_per_s,
            busiest.p50_ms if busiest else None,
            busiest.p95_ms if busiest else None,
            found.rss_bytes / 2**20,
        )

    def _model(self, model: str) -> ServedModel | None:
        found = self._fresh()
        return next((m for m in found.models if m.model == model), None) if found else None

    def _fresh(self) -> ServingStatus | None:
        if self._clock.monotonic() - self._heard > FRESH_S:
            self._hear(1.0)
        return self._status

    def _hear(self, timeout_s: float) -> ServingStatus | None:
        try:
            self._status = self._link.status(timeout_s=timeout_s)
        except CdmlError:
            self._status = None
        self._heard = self._clock.monotonic()
        if self._status is not None:
            self._answered = self._heard
        return self._status
