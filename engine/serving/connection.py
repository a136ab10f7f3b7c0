"""One HTTP connection as both of our servers have it: errors in JSON, headers and waiting bounded.

Light to import: the engine's control socket uses it too.
"""

import asyncio
import logging

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.wire import ErrorAnswer, ErrorBody

MAX_HEADER_BYTES = 8 * 1024
MAX_CONNECTIONS = 256
MAX_WAITING = 16
HEADER_DEADLINE_S = 5.0
KEEP_ALIVE_S = 30
# So long a client may leave its answers unread.
WRITE_DEADLINE_S = 30.0


class Connection(HttpToolsProtocol):
    """One connection."""

    # So long one without a request stays open when the process ends, and is answered still.
    linger_s = 1.0
    url = b""
    _header_bytes = 0
    _idle_bytes = 0  # what came since something of a request was last understood
    _heading = True  # its next request's line and headers have not all arrived
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _overrun = False  # too many requests wait, each of them as it should be
    leaving = False  # the process ends: what is asked now is the last on this connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if (crowd := self._crowd()) is not None:
            self._refuse(f"Connecting: {crowd}, which is the most. Try later.")
        else:
            self._expect_headers()

    def _crowd(self) -> str | None:
        """Say how many connections there are where that is too many; None where it is not."""
        if len(self.server_state.connections) <= MAX_CONNECTIONS:
            return None
        return f"{MAX_CONNECTIONS} connections are open"

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_came()
        super().connection_lost(exc)  # which calls resume_writing

    def data_received(self, data: bytes) -> None:
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._idle_bytes > MAX_HEADER_BYTES and not self.transport.is_closing():
            # A header without an end, or after a body: the parser keeps it whole until it ends.
            self.send_400_response("It brings too much that is no body.")
        # Mostly a request's headers come in one piece, and no clock needs to run for them.
        if self._deadline is None and (self._heading or self._is_forgotten()):
            self._expect_headers()

    def shutdown(self) -> None:
        """Answer what comes yet: to close under a request that is on its way would reset it."""
        self.leaving = True
        if self._is_busy():
            super().shutdown()
        else:
            self.loop.call_later(self.linger_s, self._leave)

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
        self._header_bytes = self._idle_bytes = 0
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
        self._idle_bytes = 0
        self._headers_came()
        super().on_headers_complete()
        if self.leaving:
            self.cycle.keep_alive = False
        if len(self.pipeline) > MAX_WAITING:
            self._overrun = True
            raise ValueError("too many requests wait for their answers")

    def on_body(self, body: bytes) -> None:
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._idle_bytes = 0
        super().on_message_complete()

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


def error_body(code: str, message: str, field: str | None) -> bytes:
    """Write the one shape of errors."""
    return msgspec.json.encode(ErrorAnswer(ErrorBody(code, message, field)))


def is_ours(record: logging.LogRecord) -> bool:
    """Say nothing of what clients do wrong, or that they left: they could fill the disk."""
    error = record.exc_info[1] if record.exc_info else None
    gone = isinstance(error, RuntimeError) and "handler is closed" in str(error)
    return not gone and record.levelno >= logging.ERROR
