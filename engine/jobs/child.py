"""The inside of a job's process: limits first, then one verb, its result written whole."""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from threading import Lock, Thread
from time import sleep

import msgspec

from engine.clock import SystemClock
from engine.errors import CdmlError, CorruptError, InvalidError, RefusedError
from engine.jobs.process import FILE_LIMIT

BEAT_S = 1.0
NICE = 10
MIB = 2**20
SLACK = 512 * 2**20
PR_SET_PDEATHSIG = 1
_FAMILIES = {InvalidError: "invalid", CorruptError: "corrupt", RefusedError: "refused"}


def main(folder: Path, report_to: int) -> int:
    """Run the verb that task.json names; exit code 0 with a result, 1 with an error."""
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    _limit(task)
    if os.getppid() != task["parent"]:
        return 1
    reporter = _Reporter(report_to)
    reporter.start()
    try:
        found = _run(task["verb"], folder, reporter)
        reporter.repeat()  # what it used in all is told before it ends
        _write(folder / "result.json", found)
    except CdmlError as e:
        family = next((name for kind, name in _FAMILIES.items() if isinstance(e, kind)), "")
        body = {"family": family, "code": e.code, "message": e.message, "field": e.field}
        _write(folder / "error.json", json.dumps(body).encode())
        return 1
    except MemoryError:
        limit = task["memory"] // 2**20
        message = f"Running {task['verb']}: it needed more than its {limit} MiB of memory. "
        body = {"family": "invalid", "code": "out_of_memory", "field": "train.memory"}
        body["message"] = message + "Raise train.memory, or train on a shorter window."
        _write(folder / "error.json", json.dumps(body).encode())
        return 1
    return 0


def _run(verb: str, folder: Path, reporter: "_Reporter") -> bytes:
    text = (folder / "inputs.json").read_bytes()
    if verb == "pull":
        from engine.pipeline import pull

        return msgspec.json.encode(
            pull.asked(msgspec.json.decode(text, type=pull.PullInputs), folder)
        )
    from engine.pipeline import fitting, scoring

    if verb == "train":
        training = msgspec.json.decode(text, type=fitting.TrainInputs)
        return msgspec.json.encode(
            fitting.fit(training, folder, reporter.say, SystemClock().monotonic)
        )
    validation = msgspec.json.decode(text, type=scoring.ValidateInputs)
    return msgspec.json.encode(scoring.score(validation, reporter.say))


def _limit(task: dict[str, int]) -> None:
    """Die with the engine, be nice, and stay inside memory, CPU, file and process limits."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(NICE)
    # Where the kernel groups by session, a session competes as one: niceness inside is not seen.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICE), encoding="ascii")
    for kind, limit in (
        (resource.RLIMIT_AS, task["memory"] + SLACK),
        (resource.RLIMIT_CPU, task["cpu_s"]),
        (resource.RLIMIT_FSIZE, FILE_LIMIT),
        (resource.RLIMIT_NPROC, task["processes"]),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


class _Reporter(Thread):
    """Says at least once a second that the process lives, and how far it is."""

    def __init__(self, report_to: int) -> None:
        super().__init__(daemon=True)
        self._to = report_to
        self._lock = Lock()
        self._last = (0.0, "starting")

    def say(self, fraction: float, text: str) -> None:
        """Report progress now, to the engine and into the log."""
        if (fraction, text) != self._last:
            cpu_s, memory_mib = used()
            sys.stdout.write(f"{fraction:4.0%}  {text}  ({cpu_s:.1f} s CPU, {memory_mib} MiB)\n")
            sys.stdout.flush()
        self._report(fraction, text)

    def repeat(self) -> None:
        """Report the last progress again, with what was used by now."""
        self._report(*self._last)

    def run(self) -> None:
        """Repeat the last report until the process ends."""
        while True:
            sleep(BEAT_S)
            self.repeat()

    def _report(self, fraction: float, text: str) -> None:
        with self._lock:
            self._last = (fraction, text)
            os.write(self._to, json.dumps((fraction, text, *used())).encode() + b"\n")


def used() -> tuple[float, int]:
    """Return the CPU seconds that this process and its ended children took, and its peak memory.

    The peak is in MiB and of this program alone: the kernel's own count begins with its parent's.
    """
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return round(sum(s.ru_utime + s.ru_stime for s in spent), 2), -(-peak // MIB)


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
