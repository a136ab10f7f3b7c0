"""The door of a real serving process: what is not let in, and how that is said."""

import contextlib
import http.client
import json
import resource
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from engine import tokens
from engine.serving import connection
from engine.workspace import Workspace

from .conftest import Service, make_rows

PREDICT = "/v1/models/late/predict"
BODY = json.dumps({"rows": [{"features": make_rows(1)[0]}]}).encode()
Start = Callable[..., Service]


def address(service: Service) -> tuple[str, int]:
    host, _, port = service.url.removeprefix("http://").partition(":")
    return host, int(port)


def said(link: socket.socket, give_up_s: float = 30.0) -> bytes:
    """Return all that is sent until the other end hangs up."""
    link.settimeout(give_up_s)
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := link.recv(65536):
            found += part
    return found


def raw(service: Service, text: bytes) -> tuple[int, dict[str, Any]]:
    """Send bytes and read one answer as JSON."""
    with socket.create_connection(address(service), timeout=30.0) as link:
        link.sendall(text)
        answer = http.client.HTTPResponse(link)
        answer.begin()
        return answer.status, json.loads(answer.read())


@pytest.mark.parametrize(
    "target", ["*", "//", "/%zz", "http://elsewhere/x", "/v2/%2e%2e/x", "/" + "a" * 3000]
)
def test_an_odd_target_is_a_sentence_in_json(shared: Service, target: str) -> None:
    for method in ("OPTIONS", "GET", "POST"):
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        status, found = raw(shared, head.encode())
        assert 400 <= status < 500
        assert found["error"]


def test_two_lengths_are_one_error(shared: Service) -> None:
    head = (
        f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"
    )
    status, found = raw(shared, head.encode())
    assert (status, found["error"]["code"]) == (400, "bad_http")


def test_requests_in_one_piece_are_answered_in_order(shared: Service) -> None:
    one = (
        f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    )
    last = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(address(shared), timeout=30.0) as link:
        link.sendall(one * 3 + last)
        found = said(link)
    assert found.count(b"HTTP/1.1 200 OK") == 4
    assert found.count(b'"prediction_id"') == 3
    assert found.endswith(b'{"live":true}')


def test_a_flood_of_requests_in_one_piece_is_refused(shared: Service) -> None:
    flood = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 5000
    with socket.create_connection(address(shared), timeout=30.0) as link:
        with contextlib.suppress(OSError):
            link.sendall(flood)
        found = said(link)
    assert found.count(b"HTTP/1.1 200") < 100
    assert b"HTTP/1.1 503 Service Unavailable" in found
    assert b"retry-after: 1\r\n" in found
    assert httpx.get(shared.url + "/v2/health/live").status_code == 200


def test_whoever_leaves_its_answers_unread_is_cut_off(start: Start) -> None:
    service = start(first="import engine.serving.connection as c; c.WRITE_DEADLINE_S = 0.5; ")
    content = json.dumps({"rows": [{"features": row} for row in make_rows(1000)]}).encode()
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
    requests = (head.encode() + content) * 1000
    with (
        socket.create_connection(address(service), timeout=60.0) as link,
        pytest.raises((BrokenPipeError, ConnectionResetError)),
    ):
        link.sendall(requests)
    assert httpx.post(service.url + PREDICT, content=BODY).status_code == 200


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(shared: Service) -> None:
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n"
    head += "Expect: 100-continue\r\n\r\n"
    with socket.create_connection(address(shared), timeout=30.0) as link:
        link.sendall(head.encode())
        assert b"100 Continue" in link.recv(1000)
        link.sendall(BODY)
        assert b"200 OK" in link.recv(65536)


def test_a_page_in_a_browser_may_ask_only_with_a_token(workspace: Workspace, start: Start) -> None:
    service = start()
    page = {"origin": "http://elsewhere.example"}
    refused = httpx.post(service.url + PREDICT, content=BODY, headers=page)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "from_a_page")
    tokens.add(workspace.tokens, "tower", "cdml_t", "2013-07-01T00:00:00Z")
    own = {**page, "authorization": "Bearer cdml_t"}
    until(lambda: httpx.post(service.url + PREDICT, headers=page).status_code == 401)
    assert httpx.post(service.url + PREDICT, content=BODY, headers=own).status_code == 200


def test_errors_of_the_open_inference_protocol_have_its_form(shared: Service) -> None:
    with httpx.Client(base_url=shared.url) as client:
        found = [
            client.get("/v2/models/nobody"),
            client.get("/v2/nowhere"),
            client.post("/v2/nowhere", content=b"{}"),
            client.get("/v2/models/late/infer"),
            client.post("/v2/models/late/infer", content=b"{"),
            client.post("/v2/models/late/infer", content=b"x" * (2**20 + 1)),
        ]
    assert [a.status_code for a in found] == [404, 404, 404, 405, 400, 413]
    assert all(isinstance(a.json()["error"], str) for a in found)


def test_whoever_sends_no_whole_headers_is_cut_off(start: Start) -> None:
    service = start(first="import engine.serving.connection as c; c.HEADER_DEADLINE_S = 2.0; ")
    began = time.monotonic()
    with (
        socket.create_connection(address(service)) as silent,
        socket.create_connection(address(service)) as slow,
        socket.create_connection(address(service)) as again,
        socket.create_connection(address(service)) as blank,
        socket.create_connection(address(service)) as late,
        socket.create_connection(address(service)) as other,
    ):
        slow.sendall(b"POST /v1/models/late/predict HTTP/1.1\r\nHost: x\r\nX-A")
        again.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\nGE")
        blank.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        blank.recv(1000)
        blank.sendall(b"\r\n")  # begins no request, but the link is no longer idle
        late.sendall(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        late.recv(1000)
        late.sendall(b"some")
        other.sendall(b"POST /v2/models/late/infer HTTP/1.1\r\nHost: x\r\nX-A")
        found = [said(link) for link in (silent, slow, again, blank, late)]
        _, _, theirs = said(other).partition(b"\r\n\r\n")
    assert time.monotonic() - began > 2.0 * 0.9
    for answer in found:
        assert b"408 Request Timeout" in answer
        assert b"headers did not arrive" in answer
    assert b"200 OK" in found[2]
    assert isinstance(json.loads(theirs)["error"], str)


def test_more_connections_than_allowed_are_told_so_and_the_others_stay(shared: Service) -> None:
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, most))
        open_ = [
            stack.enter_context(socket.create_connection(address(shared), timeout=30.0))
            for _ in range(connection.MAX_CONNECTIONS)
        ]
        head = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        open_[0].sendall(head)
        assert b"200 OK" in open_[0].recv(1000)
        with socket.create_connection(address(shared), timeout=30.0) as late:
            answer = said(late)
        assert b"503 Service Unavailable" in answer
        assert b"retry-after: 1" in answer
        open_[1].sendall(head)
        assert b"200 OK" in open_[1].recv(1000)
    assert httpx.get(shared.url + "/v2/health/live").status_code == 200


def test_too_much_in_flight_is_refused_with_a_time_to_come_back(start: Start) -> None:
    service = start(first="import engine.serving.app as app; app.MAX_IN_FLIGHT = 4; ")
    body = json.dumps({"rows": [{"features": row} for row in make_rows(1000)]}).encode()
    head = b"POST %s HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    links = [socket.create_connection(address(service), timeout=30.0) for _ in range(40)]
    for link in links:
        link.sendall(head % (PREDICT.encode(), len(body)) + body[:-1])
    for link in links:
        link.sendall(body[-1:])
    answers = [said(link) for link in links]
    for link in links:
        link.close()
    served = [a for a in answers if a.startswith(b"HTTP/1.1 200")]
    refused = [a for a in answers if a.startswith(b"HTTP/1.1 503")]
    assert len(served) + len(refused) == 40
    assert len(served) >= 4
    assert all(b"retry-after: 1" in a and b'"overloaded"' in a for a in refused)
    assert httpx.post(service.url + PREDICT, content=BODY).status_code == 200


def test_bodies_held_at_once_are_bounded(start: Start) -> None:
    service = start(first="import engine.serving.app as app; app.MAX_HELD = 2**20; ")
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {2**20}\r\n\r\n".encode()
    links = [socket.create_connection(address(service), timeout=30.0) for _ in range(4)]
    for link in links:
        link.sendall(head + b"x" * (2**20 - 1))
    answers = [said(link) for link in links]
    for link in links:
        link.close()
    assert sum(b"503 Service Unavailable" in a for a in answers) >= 2
    assert httpx.post(service.url + PREDICT, content=BODY).status_code == 200


def test_tokens_are_obeyed_as_their_file_changes(workspace: Workspace, start: Start) -> None:
    service = start()
    assert httpx.post(service.url + PREDICT, content=BODY).status_code == 200
    tokens.add(workspace.tokens, "tower", "cdml_t", "2013-07-01T00:00:00Z")
    until(lambda: httpx.get(service.url + "/metrics").status_code == 401)
    refused = httpx.post(service.url + PREDICT, content=BODY)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "no_token")
    assert refused.headers["www-authenticate"] == "Bearer"
    own = {"authorization": "Bearer cdml_t"}
    assert httpx.post(service.url + PREDICT, content=BODY, headers=own).status_code == 200
    assert httpx.get(service.url + "/metrics", headers=own).status_code == 200
    assert isinstance(httpx.get(service.url + "/v2").json()["error"], str)
    assert httpx.get(service.url + "/v2/health/live").status_code == 200
    workspace.tokens.write_bytes(b"{")
    until(lambda: httpx.get(service.url + "/metrics", headers=own).status_code == 503)
    assert httpx.get(service.url + "/v2/health/live").status_code == 200
    assert b"Nobody is let in" in service.errors.read_bytes()
    workspace.tokens.unlink()
    until(lambda: httpx.get(service.url + "/metrics").status_code == 200)
    assert b"cdml_t" not in service.errors.read_bytes()


def test_a_client_that_asks_too_often_is_told_when_to_come_back(
    workspace: Workspace, start: Start
) -> None:
    settings = workspace.config.read_text()
    workspace.config.write_text(f"[serving]\nrate = 0.01\n{settings}")
    service = start()
    path = "/v2/models/late"
    mine, yours = {"x-client-id": "a"}, {"x-client-id": "b"}
    assert httpx.get(service.url + path, headers=mine).status_code == 200
    again = httpx.get(service.url + path, headers=mine)
    assert again.status_code == 429
    assert 90 <= int(again.headers["retry-after"]) <= 100
    assert httpx.get(service.url + path, headers=yours).status_code == 200
    assert httpx.get(service.url + "/v2/health/live", headers=mine).status_code == 200
    workspace.config.write_text(settings)
    service.link.sync()
    assert httpx.get(service.url + path, headers=mine).status_code == 200


def until(true: Callable[[], bool], give_up_s: float = 30.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + give_up_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
