"""Who is at the other end of the socket, as the kernel proves it: pid, uid, and so the name."""

import asyncio
import os
import pwd
import socket
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

from litestar import Request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.api.origin import ssh_of, tty_of
from engine.ledger.change import Actor
from engine.serving.control import short_path

_CREDENTIALS = struct.Struct("3i")
Req = Request[Any, Any, Any]


class PeerProtocol(HttpToolsProtocol):
    """Puts the peer's credentials into this connection's own copy of the application state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Read SO_PEERCRED once per connection."""
        peer: socket.socket = transport.get_extra_info("socket")
        found = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        self.app_state = {**self.app_state, "peer": _CREDENTIALS.unpack(found)}
        super().connection_made(transport)


def actor_of(state: dict[str, Any]) -> Actor:
    """Return the person behind a connection."""
    pid, uid, _ = state["peer"]
    return Actor("human", _name(uid), uid, pid)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def operator(request: Req) -> Actor:
    """Return who asks for a change, and from where; that they may was looked at before."""
    found = actor_of(request.scope["state"])
    pid = found.pid or 0
    return replace(found, tty=tty_of(pid), ssh=ssh_of(pid))


def listen(path: Path) -> socket.socket:
    """Bind the control socket, for owner and group only; the workspace's lock makes it ours."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        with short_path(path) as address:
            listener.bind(address)
    finally:
        os.umask(before)
    listener.listen(128)
    return listener
