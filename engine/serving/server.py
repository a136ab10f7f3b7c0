"""The serving process: binds the port, loads what the ledger names, answers until told to stop.

Reads ledger and artifacts, writes only the spool; never the metric store. With several workers it
is their keeper, and each of them a process of its own that comes in by `run_worker`.
"""

import asyncio
import ctypes
import hashlib
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from engine import logs, tokens
from engine.errors import CdmlError
from engine.listening import taken_port
from engine.serving.control import bind
from engine.serving.last_good import last_good
from engine.settings import Settings
from engine.spool import last_number
from engine.telemetry.shared import VARIABLE
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.serving.process import ServingProcess
    from engine.serving.worker import Place

PR_SET_PDEATHSIG = 1
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# The model thread and the event loop hand the interpreter to each other this often.
SWITCH_S = 0.001

_log = logging.getLogger("cdml.serving")
T = TypeVar("T")


def run(
    workspace_root: Path,
    *,
    seed: int | None = None,
    listen: str | None = None,
    port_fd: int | None = None,
) -> int:
    """Serve a workspace until SIGTERM; the exit code is 0 for a drained stop, else 1.

    `port_fd` is a listening socket that was handed over.
    """
    os.environ.pop(VARIABLE, None)

    def serve(workspace: Workspace) -> int:
        settings = last_good(workspace)
        workspace.create(list(settings.models))
        address_wanted = listen or settings.serving.listen
        tokens.check_reach(workspace.tokens, address_wanted)
        with taken_port(address_wanted, port_fd) as port:
            # A replay has one worker: with more, luck would decide what its ids are.
            if settings.serving.workers > 1 and seed is None:
                return _keep(workspace, settings.serving.workers, port)
            return _serve(workspace, settings, port, seed)

    return _guarded(workspace_root, serve)


def run_worker(workspace_root: Path, place: "Place") -> int:
    """Serve as one of several workers, for as long as their keeper lives."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != place.keeper:
        return 1
    return _guarded(workspace_root, lambda workspace: _work(workspace, place))


def _guarded(workspace_root: Path, serve: Callable[[Workspace], int]) -> int:
    """Prepare the process and serve; what stands in the way is said in a sentence."""
    # NumPy's and scikit-learn's thread pools read these once, when they are imported.
    for name in THREAD_LIMITS:
        os.environ.setdefault(name, "1")
    sys.setswitchinterval(SWITCH_S)
    # Each connection is a file: the usual 1,024 would be used up before our own limit is reached.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    logs.onto_stderr()
    try:
        return serve(Workspace(workspace_root))
    except CdmlError as e:
        _log.critical("%s", e.message)
        return 1
    except OSError as e:
        _log.critical(
            'Serving the workspace "%s": %s. Give this user the right to its folders and files, or '
            "free space, then start again.", workspace_root, e
        )  # fmt: skip
        return 1


def boot_name(spool: Path, seed: int | None) -> str:
    """Return the name of this start: random, or in a replay made from the seed and the segments."""
    if seed is None:
        return os.urandom(8).hex()
    return hashlib.sha256(f"{seed}:{last_number(spool)}".encode()).hexdigest()[:16]


def _serve(workspace: Workspace, settings: Settings, port: socket.socket, seed: int | None) -> int:
    def make() -> "ServingProcess":
        from engine.serving.process import ServingProcess

        boot = boot_name(workspace.spool, seed)
        return ServingProcess(workspace, settings, boot, merge=seed is None)

    return _answer(port, workspace.serving_socket, make)


def _work(workspace: Workspace, place: "Place") -> int:
    def make() -> "ServingProcess":
        from engine.serving.process import ServingProcess
        from engine.serving.seats import Seat, Seats

        boot = boot_name(workspace.spool, None)
        seat = Seat(place.worker, Seats(place.seats_fd))
        return ServingProcess(workspace, last_good(workspace), boot, merge=True, seat=seat)

    with socket.socket(fileno=place.port_fd) as port:
        return _answer(port, place.socket(workspace), make)


def _answer(port: socket.socket, path: Path, make: Callable[[], "ServingProcess"]) -> int:
    import uvloop

    control = bind(path)
    with control, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            process = make()
            runner.run(_until_told(process.serve(port, control), process.stop))
        finally:
            path.unlink(missing_ok=True)
    return 0


def _keep(workspace: Workspace, workers: int, port: socket.socket) -> int:
    """Keep several workers; what they import is never imported here."""
    from engine.serving.crew import Crew

    port.setblocking(False)
    control = bind(workspace.serving_socket)
    with control, asyncio.Runner() as runner:
        try:
            crew = Crew(workspace, workers, port)
            return runner.run(_until_told(crew.keep(control), crew.stop))
        finally:
            workspace.serving_socket.unlink(missing_ok=True)


async def _until_told(serving: Coroutine[None, None, T], stop: Callable[[], None]) -> T:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return await serving
