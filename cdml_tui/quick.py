"""One question to the engine in a few milliseconds and never longer than a deadline.

For what a shell waits for: the login banner and completion. httpx alone takes longer to import.
"""

import socket
import time
from pathlib import Path
from typing import TypeVar

import msgspec

from cdml_tui.client import ConsoleError, EngineLost

T = TypeVar("T")


def ask(door: Path, path: str, kind: type[T], seconds: float) -> T:
    """Return what the engine behind a socket answers to a look, in so many seconds or never."""
    attempt = f"Asking the engine for {path}"
    end = time.monotonic() + seconds
    try:
        raw = _exchanged(door, path, end)
    except TimeoutError:
        raise EngineLost(f"{attempt}: no answer within {seconds:g} s.", sent=True) from None
    except PermissionError:
        raise ConsoleError("forbidden", f"{attempt}: you may not open its socket.") from None
    except OSError as fault:
        raise EngineLost(f"{attempt}: nobody answers ({fault.strerror}).", sent=False) from None
    head, _, body = raw.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ConsoleError("refused", f"{attempt}: it said {head[:60]!r}.")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as fault:
        raise ConsoleError("bad_answer", f"{attempt}: not understood ({fault}).") from None


def _exchanged(door: Path, path: str, end: float) -> bytes:
    """Send a request and read until the engine closes the connection."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(_left(end))
        link.connect(str(door))
        request = f"GET /api/v1{path} HTTP/1.1\r\nhost: engine\r\nconnection: close\r\n\r\n"
        link.sendall(request.encode())
        came = bytearray()
        while True:
            link.settimeout(_left(end))
            part = link.recv(262_144)
            if not part:
                return bytes(came)
            came += part


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
