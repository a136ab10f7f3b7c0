"""A loopback port on which Prometheus reads the engine's numbers; nothing else is there."""

import contextlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import AF_INET, AF_INET6, SHUT_RDWR
from threading import Thread, Timer

from engine.errors import UnavailableError
from engine.quantities import address
from engine.telemetry.engine_metrics import CONTENT_TYPE

SLOW_S = 5.0


class Listener:
    """Answers GET /metrics, one reader after the other, in a thread of its own."""

    def __init__(self, listen: str, text: Callable[[], bytes]) -> None:
        try:
            self._server = _Server(address(listen), text)
        except OSError as e:
            raise UnavailableError(
                f'Listening on "{listen}" for Prometheus: {e.strerror}. The control socket has the '
                "same numbers. Free the port, or name another as telemetry.listen, then cdml "
                "reload.",
                code="port_taken",
                field="telemetry.listen",
            ) from e
        Thread(target=self._server.serve_forever, daemon=True, name="metrics").start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


class _Server(HTTPServer):
    # Of a restarted engine the former connections may still be closing.
    allow_reuse_address = True

    def __init__(self, to: tuple[str, int], text: Callable[[], bytes]) -> None:
        self.address_family = AF_INET6 if ":" in to[0] else AF_INET
        self.text = text
        super().__init__(to, _Handler)

    def handle_error(self, *_: object) -> None:
        """Say nothing: a reader that breaks off harms nobody, and could fill the log."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def setup(self) -> None:
        """Hang up on whoever takes longer, a byte at a time too: others wait, and `close` does."""
        super().setup()
        self._late = Timer(SLOW_S, self._hang_up)
        self._late.daemon = True
        self._late.start()

    def finish(self) -> None:
        """Let the clock stand."""
        self._late.cancel()
        super().finish()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(SHUT_RDWR)

    def do_GET(self) -> None:
        found = self.path == "/metrics"
        body = self.server.text() if found else b"There is /metrics only.\n"
        self.send_response(200 if found else 404)
        self.send_header("content-type", CONTENT_TYPE if found else "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of a scrape: there is one every few seconds."""
