"""uvicorn as we want it: errors in JSON, connections and headers limited, signals left alone."""

import asyncio
import contextlib
import logging
import resource
import socket
from collections.abc import Iterator

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.serving.app import App, error_body

MAX_HEADER_BYTES = 16 * 1024
MAX_CONNECTIONS = 1000
MAX_WAITING = 16
# Files besides connections: the log, the ledger, versions as they are loaded.
OTHER_FILES = 200
HEADER_DEADLINE_S = 10.0
KEEP_ALIVE_S = 30
# So long a connection without a request stays open when the process ends, and is answered still.
LINGER_S = 1.0
# What was taken in the instant of the end is a connection by then.
LATE_S = 0.05
# So long a client may leave its answers unread.
WRITE_DEADLINE_S = 30.0


class _Protocol(HttpToolsProtocol):
    """One connection."""

    url = b""
    _header_bytes = 0
    _heading = True  # its next request's line and headers have not all arrived
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _overrun = False  # too many requests wait, each of them as it should be
    leaving = False  # the process ends: what is asked now is the last on this connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.server_state.connections) > MAX_CONNECTIONS:
            self._refuse(
                f"Connecting: {MAX_CONNECTIONS} connections are open, which is the most. Try later."
            )
        else:
            self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_came()
        super().connection_lost(exc)  # which calls resume_writing

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Mostly a request's headers come in one piece, and no clock needs to run for them.
        if self._deadline is None and (self._heading or self._is_forgotten()):
            self._expect_headers()

    def shutdown(self) -> None:
        """Answer what comes yet: to close under a request that is on its way would reset it."""
        self.leaving = True
        if self._is_busy():
            super().shutdown()
        else:
            self.loop.call_later(LINGER_S, self._leave)

    def _leave(self) -> None:
        if not self._is_busy() and not self.transport.is_closing():
            self.transport.close()

    def pause_writing(self) -> None:
        self._unread = self.loop.call_later(WRITE_DEADLINE_S, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def on_message_begin(self) -> None:
        self._header_bytes = 0
        self._heading = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._measure(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._measure(name + value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._heading = False
        self._headers_came()
        super().on_headers_complete()
        if self.leaving:
            self.cycle.keep_alive = False
        if len(self.pipeline) > MAX_WAITING:
            self._overrun = True
            raise ValueError("too many requests wait for their answers")

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _is_forgotten(self) -> bool:
        """Say whether no clock runs: bytes that begin no request stop the one of idle links."""
        return not self._is_busy() and self.timeout_keep_alive_task is None

    def _expect_headers(self) -> None:
        self._deadline = self.loop.call_later(HEADER_DEADLINE_S, self._too_slow)

    def _headers_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self._is_busy():  # the next request begins to arrive while this one is answered
            self._expect_headers()
        elif not self.transport.is_closing():
            text = (
                f"Reading the request: its headers did not arrive within {HEADER_DEADLINE_S:.0f} s."
                " Send them faster."
            )
            self._hang_up(b"408 Request Timeout", "slow_headers", text)

    def _measure(self, part: bytes) -> None:
        """Raising here makes the parser give up, which becomes a 400."""
        self._header_bytes += len(part)
        if self._header_bytes > MAX_HEADER_BYTES:
            raise ValueError("headers are too large")

    def send_400_response(self, msg: str) -> None:
        if self._overrun:
            self._refuse(
                f"Reading the request: {MAX_WAITING} others of this connection wait for their "
                "answers, which is the most. Try again in a second."
            )
        else:
            text = f"Reading the request: {msg} Headers may take {MAX_HEADER_BYTES} bytes in all."
            self._hang_up(b"400 Bad Request", "bad_http", text)

    def _refuse(self, text: str) -> None:
        self._hang_up(b"503 Service Unavailable", "overloaded", text, b"retry-after: 1\r\n")

    def _hang_up(self, status: bytes, code: str, text: str, header: bytes = b"") -> None:
        """Answer without the application, and close."""
        body = error_body(code, text, None)
        if self.url == b"/v2" or self.url.startswith(b"/v2/"):
            body = msgspec.json.encode({"error": text})
        head = (
            b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"%sconnection: close\r\n\r\n" % (status, len(body), header)
        )
        self.transport.write(head + body)
        self.transport.close()


class Door(uvicorn.Server):
    """The HTTP server of a bound port; ends when `should_exit` is set."""

    def __init__(self, app: App, drain_s: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
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
        logging.getLogger("uvicorn.error").addFilter(_is_ours)

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
            if isinstance(connection, _Protocol) and not connection.leaving:
                connection.shutdown()


def _make_room() -> None:
    """Let this process open a file for every connection; the usual limit is just below that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _is_ours(record: logging.LogRecord) -> bool:
    """Say nothing of what clients do wrong, or that they left: they could fill the disk."""
    error = record.exc_info[1] if record.exc_info else None
    gone = isinstance(error, RuntimeError) and "handler is closed" in str(error)
    return not gone and record.levelno >= logging.ERROR
