"""A program that is told something on stdin: bounded in time, in a process group of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from engine.errors import CdmlError, UnavailableError

# How the program that posts to URLs says what went wrong, without a word of what is secret.
REFUSED, UNKNOWN_KIND = 10, 11
_SAID = {
    REFUSED: "it was not accepted there",
    UNKNOWN_KIND: "the URL is of no kind that is known (see https://github.com/caronc/apprise/wiki)",
}
LOOK_S = 0.2
POST = [sys.executable, "-P", "-m", "engine", "post"]


def run(
    words: Sequence[str], content: bytes, deadline_s: float, folder: Path, ending: Event
) -> None:
    """Run a program until it ends or its time is over; UnavailableError where that is no success.

    What it writes is not kept: it might hold the secret that it was given.
    """
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=folder, start_new_session=True,
        )  # fmt: skip
    except OSError as e:
        raise _failed(f'"{words[0]}" could not be started: {e.strerror}') from e
    unsaid: bytes | None = content
    try:
        for _ in range(max(1, round(deadline_s / LOOK_S))):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(unsaid, timeout=LOOK_S)
                break
            unsaid = None  # it goes on with what it was given first
            if ending.is_set():
                raise _failed("the engine ends")
        else:
            raise _failed(f"it took longer than {deadline_s:g} s")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    code = process.returncode
    if code:
        ended = f"it ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"
        raise _failed(_SAID.get(code, ended))


def _failed(found: str) -> CdmlError:
    return UnavailableError(found, code="not_told")
