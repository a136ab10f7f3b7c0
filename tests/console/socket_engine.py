"""An engine's socket that answers from a table of routes, for the one-shot verbs."""

import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from cdml_tui.client import Client
from engine import wire

T0, T1 = "2013-01-01T00:00:00Z", "2013-03-01T00:00:00Z"


def version(name: str, roles: list[str]) -> wire.VersionRow:
    share = 100.0 if "champion" in roles else 0.0
    return wire.VersionRow(name, "blessed", roles, share, "pass", T0, T1, 2, state="[bold]x\x1b[2J")


def plan(to: str, ready: bool) -> wire.Plan:
    return wire.Plan("promote", ready, "" if ready else "its gate failed", "v2", to)


def model_state(promote: dict[str, wire.Plan]) -> wire.ModelState:
    return wire.ModelState(
        "late", "binary", "log_loss", False, "v2", 2, [], [], [], [], "7d",
        wire.Plan("rollback", True, "", "v2", "v1"), promote, None, None, None,
    )  # fmt: skip


def state(promote: dict[str, wire.Plan]) -> wire.State:
    return wire.State(
        "box1", "/w", "anna", "operator",
        wire.EngineState(1, "0.1.0", "b", T0, T0, T0, True, "ready"),
        wire.ServingState(True, 2, "127.0.0.1:8080", 0, 0, 0, 0, None, None, None),
        [model_state(promote)], [], [], [], 0,
    )  # fmt: skip


STATUS = wire.Status(
    "ready", "up", [wire.ModelStatus("late", "v2", 2, [], wire.RollbackReady("v1", True, ""))]
)
CHANGED = wire.ChangeAnswer("late", "v2", "v1", 3, 41, True)
EVENT = wire.EventRow(7, T0, "INFO", "gate", "late", "v3 passed")
M = "/api/v1/models/late"
JOB = wire.JobRow("r-1", "late", "train", "queued", "operator", T0)


class Fake(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers from a table of routes and keeps every body it was sent."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path) -> None:
        self.routes: dict[str, tuple[int, object]] = {
            "GET /api/v1/status": (200, STATUS),
            f"GET {M}/versions": (200, [version("v1", ["standby"]), version("v2", ["champion"])]),
            "GET /api/v1/state": (200, state({"v3": plan("v3", True)})),
            f"POST {M}/rollback": (200, CHANGED),
            f"POST {M}/promote": (200, CHANGED),
            "GET /api/v1/events/recent": (200, [EVENT]),
        }
        self.bodies: list[tuple[str, bytes]] = []
        self.lose = 0
        super().__init__(str(path), Handler)

    def sent(self, place: str) -> list[wire.Change]:
        bodies = [body for where, body in self.bodies if where == place]
        return [msgspec.json.decode(body, type=wire.Change) for body in bodies]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Fake

    def log_message(self, *args: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        place = f"{method} {urlsplit(self.path).path}"
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.bodies.append((place, body))
        if method == "POST" and self.server.lose > 0:
            self.server.lose -= 1
            self.close_connection = True
            return
        missing = wire.ErrorAnswer(wire.ErrorBody("unknown", f"no {place}", "model"))
        status, value = self.server.routes.get(place, (404, missing))
        if isinstance(value, list) and value and isinstance(value[0], wire.JobRow):
            value = value.pop(0) if len(value) > 1 else value[0]
        raw = msgspec.json.encode(value)
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
        if place.endswith("/stop"):
            self.close_connection = True
            Path(str(self.server.server_address)).unlink()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "cdml.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CDML_WORKSPACE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def fake(workspace: Path) -> Iterator[Fake]:
    with Fake(workspace / "run" / "engine.sock") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(workspace: Path) -> Iterator[Client]:
    made = Client(workspace / "run" / "engine.sock")
    yield made
    made.close()
