"""What systemd is told of this process, as sd_notify(3) has it: nothing where nobody asks."""

import contextlib
import os
import socket
from collections.abc import Callable

VARIABLE = "NOTIFY_SOCKET"
READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"


def tell(state: str) -> None:
    """Send one state; a manager that cannot be reached stops nobody."""
    path = os.environ.get(VARIABLE, "")
    if not path.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.setblocking(False)
        to.sendto(state.encode(), "\0" + path[1:] if path[0] == "@" else path)


def tell_alive(status: Callable[[], str]) -> None:
    """Send that this process lives, and in a line what it does; nobody asks, nothing is made up."""
    if os.environ.get(VARIABLE):
        tell(f"{ALIVE}\nSTATUS={status()}")


def pause_s() -> float | None:
    """Return how often this process has to say that it lives; None where nobody waits for it."""
    wanted = os.environ.get("WATCHDOG_USEC", "")
    mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(wanted) / 3e6 if mine and wanted.isdecimal() and int(wanted) else None
