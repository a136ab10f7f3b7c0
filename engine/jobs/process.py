"""One killable process for one measuring verb: limits, heartbeat, deadline, group kill."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

from engine.clock import Clock
from engine.errors import CdmlError, CorruptError, InvalidError, RefusedError, UnavailableError

SILENCE_S = 30.0
MAX_PROCESSES = 64
GRACE_S = 1.0
MAX_RESULT = 64 * 2**20
FILE_LIMIT = 512 * 2**20
KEPT_LOG = 2**20


class JobDiedError(CdmlError):
    """A job's process ended without a result; `state` is killed, timed_out or failed."""

    def __init__(self, message: str, state: str) -> None:
        super().__init__(message, code=f"job_{state}")
        self.state = state


class JobProcess:
    """A verb running in a process group of its own, which dies with the engine."""

    def __init__(
        self, folder: Path, verb: str, inputs: bytes, deadline_s: float, memory: int
    ) -> None:
        self.folder = folder
        self.verb = verb
        self._deadline_s = deadline_s
        folder.mkdir(parents=True, exist_ok=True)
        for stale in ("result.json", "error.json"):
            (folder / stale).unlink(missing_ok=True)
        (folder / "inputs.json").write_bytes(inputs)
        limits = {"memory": memory, "cpu_s": int(deadline_s) + 60, "parent": os.getpid()}
        # The kernel counts all that the user runs, and spares root: the group is counted as well.
        limits["processes"] = _running(os.getuid()) + 4 * MAX_PROCESSES
        (folder / "task.json").write_text(json.dumps({"verb": verb, **limits}), encoding="utf-8")
        self._read, write = os.pipe2(os.O_CLOEXEC)
        environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        self._log = folder / "log.txt"
        self._see = f"Look at its log with cdml job {folder.name} --log."
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "engine", "job", str(folder), str(write)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[write],
                start_new_session=True,
                env=environment,
                cwd=folder,
            )
        os.close(write)
        self.pid = self._process.pid
        self.used = (0.0, 0)
        """CPU seconds and peak memory in MiB, as last heard."""

    def wait(self, clock: Clock, progress: Callable[[float, str], None], cancelled: Event) -> bytes:
        """Return the result's bytes; JobDiedError, or the job's own error, otherwise."""
        begin = heard = counted = clock.monotonic()
        tasks = _tasks()
        buffer = b""
        try:
            while True:
                ready, _, _ = select.select([self._read], [], [], 0.2)
                now = clock.monotonic()
                if ready:
                    chunk = os.read(self._read, 65536)
                    if not chunk:
                        break
                    heard = now
                    buffer = self._report(buffer + chunk, progress)
                elif self._process.poll() is not None:
                    break  # what it left behind may hold the pipe open
                if cancelled.is_set():
                    self.kill()
                    raise JobDiedError(f"Running {self.verb}: it was cancelled.", "cancelled")
                if now - begin > self._deadline_s:
                    self._stop(f"it ran longer than {self._deadline_s:g} s", "timed_out")
                if now - heard > SILENCE_S:
                    self._stop(f"it was silent for {SILENCE_S:g} s", "killed")
                # Who forks without end doubles within a moment: the machine's own count is cheap.
                if now - counted >= 1.0 or _tasks() - tasks > MAX_PROCESSES:
                    counted, tasks = now, _tasks()
                    if len(group_of(self.pid)) > MAX_PROCESSES:
                        self._end_group(signal.SIGKILL)
                        self._stop(f"it started more than {MAX_PROCESSES} processes", "killed")
            return self._result()
        finally:
            os.close(self._read)
            self.kill()
            if self._log_is_full():
                os.truncate(self._log, KEPT_LOG)

    def kill(self) -> None:
        """End the whole process group: TERM, then KILL."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._end_group(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_S)
                break
        self._end_group(signal.SIGKILL)
        self._process.wait()

    def _end_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _stop(self, why: str, state: str) -> None:
        self.kill()
        raise JobDiedError(f"Running {self.verb}: {why} and was killed. {self._see}", state)

    def _log_is_full(self) -> bool:
        return self._log.stat().st_size >= FILE_LIMIT

    def _report(self, buffer: bytes, progress: Callable[[float, str], None]) -> bytes:
        """Pass whole progress lines on and return what is left of the last one."""
        *lines, rest = buffer.split(b"\n")
        for line in lines:
            if line:
                fraction, text, cpu_s, memory_mib = json.loads(line)
                self.used = float(cpu_s), int(memory_mib)
                progress(float(fraction), str(text)[:200])
        return rest

    def _result(self) -> bytes:
        code = self._process.wait()
        if self._log_is_full():
            raise JobDiedError(
                f"Running {self.verb}: it printed more than {FILE_LIMIT // 2**20} MiB; the first "
                f"{KEPT_LOG // 2**20} MiB is kept. Have its recipe print less. {self._see}",
                "failed",
            )
        error = self.folder / "error.json"
        if error.exists():
            found = json.loads(error.read_text(encoding="utf-8"))
            kind = {"invalid": InvalidError, "corrupt": CorruptError, "refused": RefusedError}.get(
                found["family"], UnavailableError
            )
            raise kind(found["message"], code=found["code"], field=found["field"])
        result = self.folder / "result.json"
        if code != 0 or not result.exists():
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise JobDiedError(
                f"Running {self.verb}: its process ended by {how} without a result. {self._see}",
                "killed" if code < 0 else "failed",
            )
        if result.stat().st_size > MAX_RESULT:
            raise JobDiedError(f"Running {self.verb}: its result is too large.", "failed")
        return result.read_bytes()


def group_of(leader: int) -> list[int]:
    """Return the living processes of a process group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text(encoding="utf-8")
        except OSError:
            continue  # it ended meanwhile
        state, _, group = stat.rsplit(")", 1)[1].split()[:3]
        if int(group) == leader and state != "Z":
            found.append(int(entry.name))
    return found


def _tasks() -> int:
    """Return how many threads there are on the machine."""
    return int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[2])


def _running(user: int) -> int:
    """Return how many threads a user runs."""
    count = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry.stat().st_uid == user:
                count += sum(1 for _ in (entry / "task").iterdir())
    return count


def started_at(pid: int) -> str | None:
    """Return the kernel's start time of a process, so that a reused pid is told apart."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return stat.rsplit(")", 1)[1].split()[19]


def sweep(pid: int, started: str) -> bool:
    """Kill the group of an orphan whose pid still is the same process; say whether it was.

    A leader that died with its engine leaves what it had started: no other process gets its pid
    while its group lives.
    """
    now = started_at(pid)
    if now != started and not (now is None and group_of(pid)):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    return True
