"""The prediction port as a client program sees it, against a server that says what it is told."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.errors import CdmlError, InvalidError, RefusedError, UnavailableError, UnknownError
from engine.port import MAX_BODY, Port
from engine.wire import PredictRow

ROW = PredictRow({"wind": 1.5}, "f-1")
DONE = {"model": "late", "generation": 1, "logged": True, "predictions": []}
Reply = tuple[int, dict[str, str], Any]


class Scripted(http.server.ThreadingHTTPServer):
    """Gives its replies one after the other and remembers what it was asked."""

    def __init__(self, replies: list[Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.replies = replies
        self.asked: list[tuple[str, dict[str, str]]] = []


class _Answering(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, headers))
        status, more, content = self.server.replies.pop(0)
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Callable[..., tuple[Port, Scripted]]]:
    """Return a way to start a server with its replies; gives a port to it."""
    started: list[Scripted] = []
    ports: list[Port] = []

    def start(*replies: Reply, **more: str) -> tuple[Port, Scripted]:
        started.append(Scripted(list(replies)))
        threading.Thread(target=started[-1].serve_forever, args=(0.01,), daemon=True).start()
        ports.append(Port(f"127.0.0.1:{started[-1].server_address[1]}", **more))
        return ports[-1], started[-1]

    yield start
    for port in ports:
        port.close()
    for one in started:
        one.shutdown()
        one.server_close()


def test_a_client_says_who_it_is_and_shows_its_token(server) -> None:
    port, there = server((200, {}, DONE), client="me", token="secret")
    assert port.predict("late", [ROW]).generation == 1
    ((path, headers),) = there.asked
    assert path == "/v1/models/late/predict"
    assert headers["x-client-id"] == "me"
    assert headers["authorization"] == "Bearer secret"


def test_one_that_is_told_to_wait_asks_again(server) -> None:
    later = {"error": {"code": "too_fast", "message": "Wait.", "field": None}}
    port, there = server(
        (429, {"retry-after": "0"}, later), (503, {"retry-after": "0"}, later), (200, {}, DONE)
    )
    assert port.predict("late", [ROW]).logged
    assert len(there.asked) == 3


@pytest.mark.parametrize(
    ("status", "family"),
    [
        (401, RefusedError),
        (404, UnknownError),
        (422, InvalidError),
        (500, UnavailableError),
        (503, UnavailableError),
    ],
)
def test_an_error_keeps_its_words_and_gets_its_family(server, status, family) -> None:
    port, _ = server((status, {}, {"error": {"code": "c", "message": "No.", "field": "wind"}}))
    with pytest.raises(CdmlError) as caught:
        port.predict("late", [ROW])
    assert type(caught.value) is family
    assert (caught.value.code, caught.value.message, caught.value.field) == ("c", "No.", "wind")


def test_an_error_of_the_open_protocol_is_a_mere_text(server) -> None:
    port, _ = server((404, {}, {"error": "There is none."}))
    with pytest.raises(UnknownError, match=r"There is none\."):
        port.inputs("late")


def test_another_program_on_the_port_is_noticed(server) -> None:
    port, _ = server((200, {}, b"<html>"))
    with pytest.raises(UnavailableError, match="Another program"):
        port.inputs("late")


def test_more_than_is_read_at_once_is_not_sent(server) -> None:
    port, there = server()
    rows = [PredictRow({"text": "x" * 600}) for _ in range(MAX_BODY // 600)]
    with pytest.raises(InvalidError, match="Send fewer"):
        port.predict("late", rows)
    assert there.asked == []
