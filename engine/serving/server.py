"""The serving process: binds the port, loads what the ledger names, answers until told to stop.

Reads ledger and artifacts, writes only the spool; never the metric store.
"""

import asyncio
import hashlib
import ipaddress
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import CdmlError, InvalidError, UnavailableError
from engine.settings import Settings, load
from engine.spool import last_number
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.serving.process import ServingProcess

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# The model thread and the event loop hand the interpreter to each other this often.
SWITCH_S = 0.001


def run(workspace_root: Path, *, seed: int | None = None, listen: str | None = None) -> int:
    """Serve a workspace until SIGTERM; the exit code is 0 for a drained stop, else 1."""
    # NumPy's and scikit-learn's thread pools read these once, when they are imported.
    for name in THREAD_LIMITS:
        os.environ.setdefault(name, "1")
    sys.setswitchinterval(SWITCH_S)
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    try:
        workspace = Workspace(workspace_root).require()
        settings = load(workspace.config)
        workspace.create(list(settings.models))
        port = bind_port(listen or settings.serving.listen)
        with port:
            return _serve(workspace, settings, port, seed)
    except CdmlError as e:
        sys.stderr.write(f"{e.message}\n")
        return 1
    except OSError as e:
        sys.stderr.write(
            f'Serving the workspace "{workspace_root}": {e}. Give this user the right to its '
            "folders and files, or free space, then start again.\n"
        )
        return 1


def bind_port(listen: str) -> socket.socket:
    """Take the port; UnavailableError where another program has it."""
    host, port = parse_listen(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as e:
        listener.close()
        raise UnavailableError(
            f'Listening on "{listen}": {os.strerror(e.errno or 0)}. Stop the program that has the '
            "port, or set another under [serving] listen in cdml.toml.",
            code="port_in_use",
            field="serving.listen",
        ) from e
    return listener


def parse_listen(listen: str) -> tuple[str, int]:
    """Read "host:port"; only this machine itself may be listened on."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
        number = int(port)
    except ValueError:
        raise InvalidError(
            f'Reading the address "{listen}": it is not HOST:PORT with a numeric host. '
            "Write it like 127.0.0.1:8080.",
            code="bad_listen",
            field="serving.listen",
        ) from None
    if not address.is_loopback or not 0 <= number < 65536:
        raise InvalidError(
            f'Listening on "{listen}": only a loopback address is served, since anyone who reaches '
            "the port may predict. Use 127.0.0.1:PORT and a tunnel or a proxy in front.",
            code="not_loopback",
            field="serving.listen",
        )
    return str(address), number


def boot_name(spool: Path, seed: int | None) -> str:
    """Return the name of this start: random, or in a replay made from the seed and the segments."""
    if seed is None:
        return os.urandom(8).hex()
    return hashlib.sha256(f"{seed}:{last_number(spool)}".encode()).hexdigest()[:16]


def _serve(workspace: Workspace, settings: Settings, port: socket.socket, seed: int | None) -> int:
    import uvloop

    from engine.serving.control import bind
    from engine.serving.process import ServingProcess

    control = bind(workspace.serving_socket)
    boot = boot_name(workspace.spool, seed)
    with control, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            process = ServingProcess(workspace, settings, boot, merge=seed is None)
            runner.run(_until_told(process, port, control))
        finally:
            workspace.serving_socket.unlink(missing_ok=True)
    return 0


async def _until_told(
    process: "ServingProcess", port: socket.socket, control: socket.socket
) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stop)
    await process.serve(port, control)
