"""`cdml up` without systemd: keeps one engine running, and starts it again when it is killed.

It holds the prediction port open, so that nobody is refused while serving is started again.
"""

import contextlib
import logging
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from engine import logs
from engine.errors import CdmlError, InvalidError, RefusedError, UnavailableError
from engine.listening import bind_port
from engine.serving.control import short_path
from engine.serving.last_good import found
from engine.workspace import Workspace

log = logging.getLogger("cdml.supervisor")
BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0, 15.0)
STEADY_S = 10.0
_FAMILIES: dict[int, type[CdmlError]] = {1: CdmlError, 2: InvalidError, 4: RefusedError}
READY_S = 30.0


def supervise(root: Path, arguments: list[str]) -> int:
    """Run the engine until it ends by itself; a killed one is started again, ever more slowly."""
    logs.onto_stderr()
    failures = 0
    stopping: list[int] = []
    port = _held(root)
    handed = () if port is None else (port.fileno(),)
    while True:
        began = time.monotonic()
        engine = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine", "run", "-w", str(root), *arguments]
            + [f"--port-fd={fd}" for fd in handed],
            stdin=subprocess.DEVNULL,
            pass_fds=handed,
        )

        def forward(number: int, _: FrameType | None, to: subprocess.Popen[bytes] = engine) -> None:
            stopping.append(number)
            with contextlib.suppress(ProcessLookupError):
                to.send_signal(signal.SIGTERM)

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, forward)
        code = engine.wait()
        # An exit code of its own is a decision: only a killed engine is started again.
        if stopping or code >= 0:
            return 0 if stopping else code
        failures = 0 if time.monotonic() - began > STEADY_S else failures + 1
        pause = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
        log.warning("the engine, pid %d, was killed by signal %d and is started again in %g s",
                    engine.pid, -code, pause)  # fmt: skip
        ends = time.monotonic() + pause
        while not stopping and time.monotonic() < ends:
            time.sleep(0.05)  # in one go, a signal would be obeyed only at its end
        if stopping:
            return 0


def _held(root: Path) -> socket.socket | None:
    """Take the port of a workspace; None where serving of before still has it, or says why not."""
    try:
        return bind_port(found(Workspace(root)).settings.serving.listen)
    except CdmlError:
        return None


def detach(root: Path, arguments: list[str]) -> int:
    """Start a supervisor in the background and wait until its engine answers."""
    workspace = Workspace(root)
    workspace.create([])
    # What an engine wrote as it died stays: whoever looks has started the next one before.
    path = workspace.logs / "supervisor.log"
    logs.keep_small(path)
    with path.open("ab") as log:
        before = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine", "supervise", "-w", str(root), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    wait_ready(workspace, process, before)
    return process.pid


def wait_ready(workspace: Workspace, process: "subprocess.Popen[bytes]", before: int) -> None:
    """Wait until the engine's socket answers; an error of its family and words otherwise.

    Its words are those of the log after its first bytes, which are of engines before it.
    """
    deadline = time.monotonic() + READY_S
    while workspace.holder() is None or not _listens(workspace.engine_socket):
        if process.poll() is not None or time.monotonic() > deadline:
            log = (workspace.logs / "supervisor.log").read_bytes()[before:].decode().strip()
            lines = [logs.text_of(line) for line in log.splitlines()]
            said = [line for line in lines if line.startswith("cdml: ")] or lines
            words = said[-1] if said else "it did not become ready; see logs/engine.log"
            family = _FAMILIES.get(process.poll() or 0, UnavailableError)
            raise family(words.removeprefix("cdml: "), code="engine_failed")
        time.sleep(0.05)


def _listens(path: Path) -> bool:
    """Say whether somebody accepts there; a killed engine leaves its socket behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            with short_path(path) as address:
                probe.connect(address)
        except OSError:
            return False
    return True
