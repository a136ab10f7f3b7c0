"""The end of what the process of a run wrote, as lines; bounded, whatever a process may write."""

from pathlib import Path

from engine.errors import UnavailableError
from engine.wire import JobRow, RunLog

TAIL = 64 * 2**10
NAME = "log.txt"


def tail(folder: Path, run: JobRow) -> RunLog:
    """Return the last lines in the log of a run; a line that was cut in two is left out."""
    path = folder / NAME
    try:
        with path.open("rb") as log:
            before = max(0, log.seek(0, 2) - TAIL)
            log.seek(before)
            found = log.read(TAIL)
    except FileNotFoundError:
        return RunLog(run.id, [], missing=_why_none(run))
    except OSError as fault:
        raise UnavailableError(
            f'Reading the log "{path}": {fault.strerror}. Look whether the disk is well.',
            code="log_not_readable",
        ) from None
    if before:
        cut, _, found = found.partition(b"\n")
        before += len(cut) + 1
    lines = found.decode("utf-8", errors="replace").splitlines()
    missing = "" if lines else _why_none(run)
    return RunLog(run.id, lines, before, missing)


def _why_none(run: JobRow) -> str:
    if run.state == "queued":
        return f"{run.id} waits for its turn and has written nothing yet"
    if run.ended_at is None:
        return f"{run.id} has no process of its own yet, or it has written nothing"
    return f"{run.id} had no process of its own, or it wrote nothing"
