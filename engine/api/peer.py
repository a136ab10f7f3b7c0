"""Who is at the other end of the socket, as the kernel proves it: pid, uid, and so the name."""

import asyncio
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

from litestar import Request

from engine.api.origin import ssh_of, tty_of, user_of
from engine.ledger.change import Actor
from engine.serving.connection import Connection
from engine.serving.control import short_path
from engine.serving.credentials import credentials

Req = Request[Any, Any, Any]
# So many connections one user may have; the engine's own user and root have no such limit.
MOST_OF_ONE = 32


class PeerConnection(Connection):
    """Puts the peer's credentials into this connection's own copy of the application state."""

    linger_s = 0.0
    uid = -1

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Read SO_PEERCRED once per connection."""
        peer = credentials(transport.get_extra_info("socket"))
        self.uid = peer[1]
        self.app_state = {**self.app_state, "peer": peer}
        super().connection_made(transport)

    def _crowd(self) -> str | None:
        """Keep a user from taking every connection, so that others can act."""
        own = [c for c in self.server_state.connections if getattr(c, "uid", -1) == self.uid]
        if len(own) > MOST_OF_ONE and self.uid not in (0, os.getuid()):
            return f"{MOST_OF_ONE} connections of {user_of(self.uid)} are open"
        return super()._crowd()


def actor_of(state: dict[str, Any]) -> Actor:
    """Return the person behind a connection."""
    pid, uid, _ = state["peer"]
    return Actor("human", user_of(uid), uid, pid)


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
