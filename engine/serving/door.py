"""uvicorn as we want it: errors in JSON, a limit on headers, signals left to the process."""

import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.serving.app import App, error_body

MAX_HEADER_BYTES = 16 * 1024
KEEP_ALIVE_S = 30


class _Protocol(HttpToolsProtocol):
    """One connection."""

    _header_bytes = 0

    def on_message_begin(self) -> None:
        self._header_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._measure(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._measure(name + value)
        super().on_header(name, value)

    def _measure(self, part: bytes) -> None:
        """Raising here makes the parser give up, which becomes a 400."""
        self._header_bytes += len(part)
        if self._header_bytes > MAX_HEADER_BYTES:
            raise ValueError("headers are too large")

    def send_400_response(self, msg: str) -> None:
        text = f"Reading the request: {msg} Headers may take {MAX_HEADER_BYTES} bytes in all."
        body = error_body("bad_http", text, None)
        head = (
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
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
        logging.getLogger("uvicorn.error").addFilter(_is_no_gone_client)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield

    async def answer(self, port: socket.socket) -> None:
        """Serve until told to stop, then drain."""
        await self.serve(sockets=[port])


def _is_no_gone_client(record: logging.LogRecord) -> bool:
    """Say nothing of clients that left before their answer: they could fill the disk."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, RuntimeError) and "handler is closed" in str(error))
