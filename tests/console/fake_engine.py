"""A small engine for the console's tests: a real HTTP server on a real Unix socket.

It keeps roles, generations and idempotency keys as the engine does, and can be told to lose an
answer, to have been overtaken by somebody else, or to fall silent.

    python tests/console/fake_engine.py SOCKET [--hz 1] [--calm]
"""

import argparse
import socket
import socketserver
import threading
import time
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flights
import msgspec

from engine import wire


class Engine:
    """The engine's world, and the switches that a test throws."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.state = flights.state()
        self.answers: dict[str, wire.ChangeAnswer] = {}
        self.changes: list[tuple[str, wire.Change | wire.RunRequest | wire.AlertRequest]] = []
        self.lose_answers = 0
        self.overtaken_by = ""
        self.silent = False
        self.pages: dict[str, object] = {}
        self.posted: list[tuple[str, dict[str, object]]] = []
        self.prove_after = 1
        self.proofs_asked = 0
        self.hints = threading.Condition()
        self.hint = 0

    def model(self) -> wire.ModelState:
        return self.state.models[0]

    def set_model(self, model: wire.ModelState, **changes: object) -> None:
        self.state = msgspec.structs.replace(self.state, models=[model], **changes)
        with self.hints:
            self.hint += 1
            self.hints.notify_all()

    def change(self, verb: str, change: wire.Change) -> wire.ChangeAnswer | wire.ErrorBody:
        with self.lock:
            self.changes.append((verb, change))
            if change.idempotency_key in self.answers:
                return self.answers[change.idempotency_key]
            model = self.model()
            if self.overtaken_by:
                return wire.ErrorBody("conflict", self.overtaken_by)
            if change.expect != model.champion:
                said = f"already on {model.champion} by ben 4 s ago"
                return wire.ErrorBody("conflict", said)
            to = {"rollback": "v1", "undo": "v3"}.get(verb) or change.to or ""
            answer = self._move(model, verb, to)
            self.answers[change.idempotency_key] = answer
            return answer

    def _move(self, model: wire.ModelState, verb: str, to: str) -> wire.ChangeAnswer:
        left, generation = model.champion, model.generation + 1
        rows = [
            msgspec.structs.replace(
                row,
                roles=["champion"] if row.version == to else ["standby"] * (row.version == left),
                share_pct=100.0 if row.version == to else 0.0,
            )
            for row in model.versions
        ]
        until = flights.ahead(seconds=60) if verb != "undo" else None
        no_way = msgspec.structs.replace(
            model.rollback, ready=False, to=None, from_version=to, why="v1 is the last known good."
        )
        way_back = model.rollback if verb == "undo" else no_way
        self.proofs_asked = 0
        self.set_model(
            msgspec.structs.replace(
                model, champion=to, generation=generation, versions=rows, undo_until=until,
                undo_of=verb, rollback=way_back,
                breach=None if verb == "rollback" else model.breach,
            )
        )  # fmt: skip
        return wire.ChangeAnswer(model.model, left, to, generation, 51, True, undo_until=until)

    def proof(self, generation: int) -> wire.Proof:
        self.proofs_asked += 1
        to = self.model().champion or ""
        proven = self.proofs_asked >= self.prove_after
        seen = {to: 37} if proven else {}
        return wire.Proof("late", generation, to, seen, "live", proven)


class Handler(BaseHTTPRequestHandler):
    """The control routes that the console uses."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def log_message(self, *said: object) -> None:
        """Keep quiet."""

    def address_string(self) -> str:
        return "unix"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        engine = self.server.engine
        if url.path == "/api/v1/state":
            while engine.silent and not self.server.ended.wait(0.05):
                pass
            self.answer(engine.state)
        elif url.path == "/api/v1/events":
            self.stream()
        elif url.path.removeprefix("/api/v1") in engine.pages:
            self.answer(engine.pages[url.path.removeprefix("/api/v1")])
        elif url.path.endswith("/proof"):
            self.answer(engine.proof(int(parse_qs(url.query)["generation"][0])))
        else:
            self.answer(wire.ErrorAnswer(wire.ErrorBody("unknown", url.path)), 404)

    def do_POST(self) -> None:
        engine = self.server.engine
        body = self.rfile.read(int(self.headers["Content-Length"]))
        posted = f"POST {self.path.removeprefix('/api/v1')}"
        if posted in engine.pages:
            engine.posted.append((posted, msgspec.json.decode(body)))
            self.answer(engine.pages[posted])
            return
        verb = self.path.rpartition("/")[2]
        if verb == "train":
            engine.changes.append((verb, msgspec.json.decode(body, type=wire.RunRequest)))
            self.answer(wire.JobRow("r-32", "late", "train", "queued", "operator", flights.ago()))
            return
        if verb in ("ack", "mute"):
            engine.changes.append((verb, msgspec.json.decode(body, type=wire.AlertRequest)))
            alert = engine.model().alerts[0]
            self.answer(wire.AlertAnswer(alert, 52, changed=True, message=f"alert {verb} done"))
            return
        made = engine.change(verb, msgspec.json.decode(body, type=wire.Change))
        if engine.lose_answers > 0:
            engine.lose_answers -= 1
            self.close_connection = True
            return
        if isinstance(made, wire.ErrorBody):
            self.answer(wire.ErrorAnswer(made), 409)
        else:
            self.answer(made)

    def answer(self, value: object, status: int = 200) -> None:
        body = msgspec.json.encode(value)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self) -> None:
        engine, seen = self.server.engine, self.server.engine.hint
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            while not self.server.ended.is_set():
                with engine.hints:
                    engine.hints.wait(1.0)
                    now = engine.hint
                if not engine.silent:
                    self.wfile.write(b": keep\n\n" if now == seen else b"event: state\n\n")
                    seen = now
        except OSError:
            return


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The server, with its engine."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, engine: Engine) -> None:
        self.engine = engine
        self.ended = threading.Event()
        self.open: set[socket.socket] = set()
        path.unlink(missing_ok=True)
        super().__init__(str(path), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A console that went away is no error."""


class Running:
    """An engine that serves until closed; the socket goes with it, as after a crash."""

    def __init__(self, path: Path, engine: Engine | None = None) -> None:
        self.path = path
        self.engine = engine or Engine()
        self.server = Server(path, self.engine)
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self.thread.start()

    def close(self) -> None:
        if self.server.ended.is_set():
            return
        self.server.ended.set()
        with self.engine.hints:
            self.engine.hints.notify_all()
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.server.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.path.unlink(missing_ok=True)
        self.thread.join(2)


def main() -> None:
    """Serve for a person to look at the console, or for a measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("socket", type=Path)
    parser.add_argument("--hz", type=float, default=0.0)
    parser.add_argument("--calm", action="store_true")
    told = parser.parse_args()
    running = Running(told.socket)
    engine, turn = running.engine, 0
    start = time.monotonic()
    if told.calm:
        engine.set_model(flights.model(breach=None, breach_since=None))
    while True:
        time.sleep(1 / told.hz if told.hz else 0.5)
        turn += 1
        with engine.lock:
            model = engine.model()
            wall = flights.NOW + timedelta(seconds=time.monotonic() - start)
            clock = msgspec.structs.replace(
                engine.state.engine, wall=wall.isoformat(), now=wall.isoformat()
            )
            engine.state = msgspec.structs.replace(engine.state, engine=clock)
            if told.hz:
                moved = [
                    msgspec.structs.replace(s, values=[*s.values[1:], v], last=v)
                    for s in model.signals
                    for v in [(s.last or 0.4) * (1 + 0.02 * ((turn * 7 + len(s.name)) % 5 - 2))]
                ]
                engine.set_model(msgspec.structs.replace(model, signals=moved))


if __name__ == "__main__":
    main()
