"""Who is at the other end of the socket, as the kernel proves it: pid, uid, and so the name."""

import asyncio
import grp
import os
import pwd
import socket
import struct
from pathlib import Path
from typing import Any, Literal

from litestar import Request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.errors import RefusedError
from engine.ledger.change import Actor
from engine.serving.control import short_path

_CREDENTIALS = struct.Struct("3i")
_GROUPS = {"cdml-admin": "admin", "cdml-operate": "operator", "cdml-view": "viewer"}
Role = Literal["viewer", "operator", "admin"]
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


def role_of(state: dict[str, Any]) -> Role:
    """Return what a person may do: the engine's own user and root all, others by Unix group."""
    _, uid, gid = state["peer"]
    if uid in (0, os.getuid()):
        return "admin"
    name = _name(uid)
    for group, role in _GROUPS.items():
        try:
            entry = grp.getgrnam(group)
        except KeyError:
            continue
        if entry.gr_gid == gid or name in entry.gr_mem:
            return role  # type: ignore[return-value]
    return "viewer"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def operator(request: Req) -> Actor:
    """Return who asks for a change; RefusedError where the socket proves only a viewer."""
    peer = request.scope["state"]
    actor = actor_of(peer)
    if role_of(peer) == "viewer":
        raise RefusedError(
            f"Changing something as {actor.name}: this user may only look. Ask to be added to the "
            "group cdml-operate.",
            code="forbidden",
        )
    return actor


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
