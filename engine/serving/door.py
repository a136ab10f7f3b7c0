"""uvicorn as the prediction port has it: our own connections, room for them, signals left alone."""

import asyncio
import contextlib
import logging
import resource
import socket
from collections.abc import Iterator

import uvicorn

from engine.serving.app import App
from engine.serving.connection import KEEP_ALIVE_S, MAX_CONNECTIONS, Connection, is_ours

# Files besides connections: the log, the ledger, versions as they are loaded.
OTHER_FILES = 200
# What was taken in the instant of the end is a connection by then.
LATE_S = 0.05


class Door(uvicorn.Server):
    """The HTTP server of a bound port; ends when `should_exit` is set."""

    def __init__(self, app: App, drain_s: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=drain_s,
            )
        )
        logging.getLogger("uvicorn.error").addFilter(is_ours)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield

    async def answer(self, port: socket.socket) -> None:
        """Serve until told to stop, then drain."""
        _make_room()
        await self.serve(sockets=[port])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and let go of those that there are as they allow it."""
        asyncio.get_running_loop().call_later(LATE_S, self._tell_late_ones)
        await super().shutdown(sockets)

    def _tell_late_ones(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection) and not connection.leaving:
                connection.shutdown()


def _make_room() -> None:
    """Let this process open a file for every connection; the usual limit is just below that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
