"""Hostile and unfinished input: a clear reason each time, never a 5xx, nothing else disturbed."""

import http.client
import json
import random
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.box import Box, copied, deliver, eventually, row

LATER = datetime(2024, 1, 20)  # noqa: DTZ001 - as in a file
BODIES = 600
VALUES = [
    *("null", "true", '""', '"\\u0000"', "NaN", "Infinity", "1e400", "-1e999", "[]", "{}", "1e308"),
    *(f'"{"x" * 5000}"', "9" * 23, "-" + "9" * 400, '"2024-13-45"', "[[[[[[]]]]]]"),
]

WHOLE = [
    *(b"", b"null", b"[]", b"{}", b'"x"', b"1", b'{"rows":[]}', b'{"rows":[{"features":{}}]}'),
    *(b"[" * 10_000, b'{"rows":' + b"[" * 5000),
]


@pytest.fixture(scope="module")
def asked(stock: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Return a running workspace that is only asked, by one test after the other."""
    with copied(stock, tmp_path_factory.mktemp("asked") / "box") as box:
        box.up()
        yield box


def broken(draw: random.Random, whole: bytes) -> bytes:
    """Return a body with something wrong in it; some are still right."""
    body = bytearray(whole)
    match draw.randrange(6):
        case 0:
            del body[draw.randrange(len(body)) :]
        case 1:
            for _ in range(draw.randint(1, 8)):
                body[draw.randrange(len(body))] = draw.randrange(256)
        case 2:
            at = draw.randrange(len(body))
            body[at:at] = draw.choice(
                [b"\xff\xfe", b"\x00", b"{", b"]", b'"', b"\\ud800", b"," * 50]
            )
        case 3:
            text = whole.decode()
            old = draw.choice(["9.5", '"b"', "7", '"f-1"', '"2024-02-01T07:00:00Z"'])
            return text.replace(old, draw.choice(VALUES)).encode()
        case 4:
            name = draw.choice(["rows", "features", "wind", "kind", "hour", "id", "ts", "value"])
            return whole.replace(
                name.encode(), draw.choice(["", "x", "__class__", "rows"]).encode()
            )
        case _:
            return draw.choice(WHOLE)
    return bytes(body)


def test_no_malformed_body_is_answered_with_5xx_or_disturbs_another(asked: Box) -> None:
    draw = random.Random(33)
    labels = [{"id": "f-1", "ts": "2024-02-01T07:00:00Z", "value": True}]
    right = {
        "predict": json.dumps({"rows": [row("f-1")]}).encode(),
        "labels": json.dumps({"labels": labels}).encode(),
    }
    wrong = 0
    for number in range(BODIES):
        what = draw.choice(["predict", "labels"])
        body = broken(draw, right[what])
        status, answer = asked.post(what, body)
        assert status == 200 or 400 <= status < 500, f"{number}: {status} to {body[:200]!r}"
        if status != 200:
            wrong += 1
            assert set(answer["error"]) == {"code", "message", "field"}
            assert "Traceback" not in answer["error"]["message"]
        if number % 50 == 0:
            assert asked.predict()[0] == 200
    assert wrong > BODIES / 2


def raw(box: Box, content: bytes) -> bytes:
    """Send bytes as they are and return what comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", box.port), timeout=10) as link:
        link.sendall(content)
        link.shutdown(socket.SHUT_WR)
        answer = b""
        while part := link.recv(65536):
            answer += part
    return answer


def test_no_broken_http_brings_the_service_down(asked: Box) -> None:
    draw = random.Random(34)
    head = b"POST /v1/models/late/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello"
    for content in (
        b"", b"\x00" * 1000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
        head.replace(b"5", b"-5"), head.replace(b"5", b"9" * 30), head.replace(b"5", b"500"),
        head.replace(b"host: x", b"x" * 100_000 + b": y"),
        head.replace(b"content-length: 5", b"transfer-encoding: chunked\r\ncontent-length: 5"),
        *(bytes(draw.randrange(256) for _ in range(draw.randrange(400))) for _ in range(100)),
    ):  # fmt: skip
        assert b"HTTP/1.1 5" not in raw(asked, content)
    assert raw(asked, head.replace(b"5", b"3000000")).startswith(b"HTTP/1.1 413 ")
    assert asked.predict()[0] == 200


def test_what_does_not_exist_is_404_or_422_and_named(asked: Box) -> None:
    link = http.client.HTTPConnection("127.0.0.1", asked.port, timeout=10)
    link.request("POST", "/v1/models/nosuch/predict", json.dumps({"rows": [row("x")]}))
    answer = link.getresponse()
    body = json.loads(answer.read())
    link.close()
    assert answer.status == 404
    assert "nosuch" in body["error"]["message"]
    strange = row("x")
    strange["features"]["speed"] = 1
    status, body = asked.predict(strange)
    assert 400 <= status < 500
    assert "speed" in body["error"]["message"]
    lacking = row("x")
    del lacking["features"]["wind"]
    status, body = asked.predict(lacking)
    assert 400 <= status < 500
    assert "wind" in body["error"]["message"]


def said(box: Box, words: str) -> Callable[[], bool]:
    """Return a look at whether an event has these words."""
    return lambda: any(words in text for text in box.events())


def test_a_half_written_file_waits_and_a_cut_one_is_set_aside_whole(
    box: Box, tmp_path: Path
) -> None:
    incoming = box.path / "incoming" / "late"
    content = deliver(tmp_path / "rows.csv", 7, LATER).read_bytes()
    growing = incoming / ".growing.csv.part"
    growing.write_bytes(content[: len(content) // 2])
    cut = incoming / "cut.parquet"
    cut.write_bytes(b"PAR1" + b"\x00" * 5000)
    eventually("the cut one is in quarantine", said(box, '"cut.parquet" quarantined'))
    (kept,) = (box.path / "quarantine" / "late").glob("*cut.parquet")
    assert kept.read_bytes() == b"PAR1" + b"\x00" * 5000
    assert growing.exists()
    assert not said(box, "growing.csv")()

    # One written in place is taken only after it has not changed for a while.
    slow = incoming / "slow.csv"
    with slow.open("wb") as file:
        for at in range(0, len(content), len(content) // 20):
            file.write(content[at : at + len(content) // 20])
            file.flush()
            eventually("the next part", lambda: True)
    growing.write_bytes(content.replace(b"7-", b"8-"))
    growing.rename(incoming / "growing.csv")
    eventually("the whole one is taken", said(box, '"growing.csv" accepted 600 rows'))
    eventually("the slow one is taken whole", said(box, '"slow.csv" accepted 600 rows'))
    assert not list(incoming.glob("*.csv"))
    assert box.predict()[0] == 200
