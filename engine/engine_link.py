"""The engine's control socket as other processes of ours ask it: plain HTTP over a Unix socket."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from engine.errors import CdmlError, UnavailableError
from engine.serving.control import short_path


class EngineLink:
    """One engine; every question is a connection of its own."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s

    def get(self, url: str) -> Any:
        """Return what a route answers; UnavailableError where the engine is not there."""
        return self._ask("GET", url, None)

    def post(self, url: str, body: dict[str, Any]) -> Any:
        """Ask for a change."""
        return self._ask("POST", url, json.dumps(body))

    def _ask(self, method: str, url: str, body: str | None) -> Any:
        link = http.client.HTTPConnection("engine", timeout=self._timeout_s)
        try:
            link.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.sock.settimeout(self._timeout_s)
            with short_path(self._path) as address:
                link.sock.connect(address)
            link.request(method, url, body, {"content-type": "application/json"})
            answer = link.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as e:
            raise UnavailableError(
                f"Asking the engine: it does not answer ({e}).", code="engine_lost"
            ) from e
        finally:
            link.close()
        if answer.status != 200:
            error = json.loads(content)["error"]
            raise CdmlError(error["message"], code=error["code"])
        return json.loads(content)
