"""The listening socket of the prediction port: bound here, or handed over by whoever holds it.

Whoever holds it, systemd or our supervisor, keeps it open while serving is started again: clients
wait in the kernel's queue meanwhile, and none is refused.
"""

import os
import socket

from engine.errors import UnavailableError
from engine.quantities import address

FIRST_FD = 3


def bind_port(listen: str) -> socket.socket:
    """Take the port; UnavailableError where another program has it."""
    host, port = address(listen)
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


def taken_port(listen: str, handed: int | None) -> socket.socket:
    """Return the socket that was handed over, as a number or as systemd does it; else bind one."""
    if handed is None and from_systemd():
        handed = FIRST_FD
    return bind_port(listen) if handed is None else socket.socket(fileno=handed)


def from_systemd() -> bool:
    """Say whether this process was given one socket, as sd_listen_fds(3) has it."""
    ours = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    count = os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    return ours and count == "1"
