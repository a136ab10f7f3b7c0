"""Loaded by every Python process of a test run: nobody is called who is not this machine.

CDML_FENCE names a file that gets a line for each attempt; the attempt fails. Without that variable
nothing happens; the project's own code knows of none of this.
"""

import errno
import ipaddress
import os
import sys
from typing import Any

CALLS = ("socket.connect", "socket.sendto", "socket.sendmsg")
NAMES = ("socket.getaddrinfo", "socket.gethostbyname")


def is_here(host: object) -> bool:
    """Say whether an address or a name is this machine's own."""
    name = os.fsdecode(host) if isinstance(host, str | bytes) else ""
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return host is None or name in ("", "localhost", os.uname().nodename)


def fence(file: str) -> None:
    """Note and fail every call to elsewhere, and every question where elsewhere is."""

    def heard(event: str, given: tuple[Any, ...]) -> None:
        if event in CALLS and isinstance(given[1], tuple):
            host, allowed = given[1][0], is_here(given[1][0])
        elif event in NAMES:
            host = given[0]
            allowed = is_here(host) or _is_number(host)
        else:
            return
        if not allowed:
            line = f"{event} {host!r} by {' '.join(sys.orig_argv)[:300]}\n"
            with open(file, "a", encoding="utf-8") as noted:  # noqa: PTH123 - in every process
                noted.write(line)
            raise OSError(errno.ENETUNREACH, "no test calls anybody but this machine")

    sys.addaudithook(heard)


def _is_number(host: object) -> bool:
    try:
        ipaddress.ip_address(os.fsdecode(host) if isinstance(host, str | bytes) else "")
    except ValueError:
        return False
    return True


if os.environ.get("CDML_FENCE"):
    fence(os.environ["CDML_FENCE"])
