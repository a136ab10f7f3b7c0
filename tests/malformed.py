"""Malformed requests by the seed: bodies, headers, paths and HTTP itself, in both dialects."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.box import row

HOLE = "\x00hole\x00"
RAW = [
    *("null", "true", "0", "-1", '""', '"\\u0000"', '"\\ud800"', "[]", "{}", "[null]", '{"x":1}'),
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "1e400",
        "-1e999",
        "1e308",
        "1e-400",
        "01",
        "+1",
        "0x1",
    ),
    *(
        ".5",
        "5.",
        "1_000",
        "--1",
        "'x'",
        "undefined",
        '"2024-13-45"',
        '"99999-01-01"',
        '"x',
        "\x07",
    ),
    *("9" * 25, "-" + "9" * 400, f'"{"x" * 5000}"', "18446744073709551616", '"\U0001f600"'),
]
WHOLE = [
    *(
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        b'"x"',
        b"1",
        b"nul",
        b"{" * 50,
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
    ),
    *(
        b'{"rows":[]}',
        b'{"rows":[{}]}',
        b'{"rows":{}}',
        b'{"rows":[[]]}',
        b'{"rows":[{"features":{}}]}',
    ),
    *(
        b'{"labels":[]}',
        b'{"labels":[{}]}',
        b'{"inputs":[]}',
        b'{"inputs":[{}]}',
        b'{"inputs":null}',
    ),
    *(b"[" * 20_000, b'{"rows":' + b"[" * 20_000, b'{"a":' * 20_000, b"[" * 500 + b"]" * 500),
    *(b"<xml/>", b"rows=1&x=2", b"\x00" * 300, "{}".encode("utf-16"), "{}".encode("utf-32")),
]
NAMES = ["", "x", "row", "ROWS", "__class__", "\u0000", "wind ", "féature", "a" * 3000, "$ref"]
METHODS = ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "POST", "TRACE", "PROPFIND"]
PATHS = [
    *("/", "//", "/v1", "/v2/", "/v3", "/v1/models", "/v1/models//predict", "/v1/models/late"),
    *("/v1/models/late/predict/", "/v1/models/late/predict/x", "/v1/models/nosuch/predict"),
    *("/v1/models/late/explain", "/v1/models/../late/predict", "/v1/models/%00/predict", "/%"),
    *(
        "/v1/models/%ff%fe/labels",
        "/v1/models/late%2fpredict",
        "/v2/models/nosuch/infer",
        "/?" * 50,
    ),
    *("/v2/models/late/versions/v1", "/v2/models/late/versions/v1/infer", "/v2/health", "/" * 500),
    *(
        "/v2/models/" + "m" * 3000,
        "/api/v1/state",
        "/metrics/x",
        "/openapi.json/..",
        "/v1/models/late?x",
    ),
]
HEADERS = [
    *("content-encoding: gzip", "content-encoding: br", "content-type: text/html", "content-type:"),
    *(
        "x-client-id: \xff\xfe",
        "x-client-id: " + "c" * 3000,
        "x-client-id:",
        "authorization: Bearer",
    ),
    *("authorization: Basic \xff", "accept: nothing", "cookie: " + "c" * 8000, "expect: 200-maybe"),
    *(
        "connection: close",
        "connection: upgrade\r\nupgrade: websocket",
        "range: bytes=0-1",
        "te: x",
    ),
    *("inference-header-content-length: 5", "transfer-encoding: chunked", "content-length: 3"),
    *("host: x", "forwarded: for=x", "x" * 200 + ": y", "if-match: *", "content-length: nine"),
]
PREDICT, LABELS = "/v1/models/late/predict", "/v1/models/late/labels"
INFER = "/v2/models/late/infer"
RIGHT: dict[str, Any] = {
    PREDICT: {"rows": [row("f-1"), row("f-2")]},
    LABELS: {"labels": [{"id": "f-1", "ts": "2024-02-01T07:00:00Z", "value": True}]},
    INFER: {
        "id": "r-1",
        "parameters": {"a": 1},
        "inputs": [
            {"name": "wind", "shape": [2], "datatype": "FP64", "data": [9.5, 3.0]},
            {"name": "kind", "shape": [2, 1], "datatype": "BYTES", "data": [["b"], ["a"]]},
            {"name": "hour", "shape": [2], "datatype": "INT64", "data": [7, 8]},
        ],
        "outputs": [{"name": "score", "parameters": {"binary_data": False}}],
    },
}


# The same for the control socket: none of it may succeed even where it is right by chance.
CHANGE: dict[str, Any] = {
    "idempotency_key": "k", "expect": "v99", "to": "v98", "reason": "x", "override": ["hold"],
    "share_pct": 5.5,
}  # fmt: skip
CONTROL: dict[str, Any] = {
    **{f"/api/v1/models/late/{verb}": CHANGE for verb in ("promote", "rollback", "canary")},
    "/api/v1/models/nosuch/hold": {"idempotency_key": "k", "reason": "x", "version": "v1"},
    "/api/v1/models/late/taint": {"idempotency_key": "k", "reason": "x", "version": "v99"},
    "/api/v1/models/nosuch/train": {"idempotency_key": "k", "reason": "x"},
    "/api/v1/models/late/validate": {"idempotency_key": "k", "version": "v99"},
    "/api/v1/jobs/r999/cancel": {"idempotency_key": "k", "reason": "x"},
    "/api/v1/alerts/99/mute": {"idempotency_key": "k", "for": "12h", "reason": "x"},
    "/api/v1/incidents/99": {"text": "x", "close": True},
    "/api/v1/models/nosuch/ingest?name=x.csv": {"a": 1},
}
CONTROL_PATHS = [
    *("/", "//", "/api", "/api/v2/state", "/api/v1/", "/api/v1/models", "/api/v1/models/late"),
    *("/api/v1/models/late/promote/x", "/api/v1/models/%00/promote", "/api/v1/jobs/%ff/cancel"),
    *("/api/v1/incidents/x", "/api/v1/incidents/-1", "/api/v1/incidents/" + "9" * 400, "/%"),
    *("/api/v1/alerts/1e9/ack", "/api/v1/models/late%2fpromote", "/v1/models/late/predict"),
    *("/api/v1/models/late/proof?generation=x", "/api/v1/state/..", "/?" * 50, "/" * 500),
]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A request as it is sent; `kept` where it is whole HTTP, so that an answer must come."""

    method: str
    path: str
    content: bytes
    kept: bool


def request(method: str, path: str, body: bytes, *more: str) -> bytes:
    """Write a request as HTTP."""
    head = [f"{method} {path} HTTP/1.1", "host: box", f"content-length: {len(body)}", *more]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def malformed(
    draw: random.Random, right: dict[str, Any] = RIGHT, paths: Sequence[str] = PATHS
) -> Malformed:
    """Make the next request; now and then one is right by chance."""
    path = draw.choice(list(right))
    kind = draw.random()
    if kind < 0.8:
        body = draw.choice(BODIES)(draw, right[path])
        return Malformed("POST", path, request("POST", path, body), kept=True)
    body = json.dumps(right[path]).encode()
    if kind < 0.9:
        if draw.random() < 0.5:
            path = draw.choice(paths)
        method = draw.choice(METHODS)
        return Malformed(method, path, request(method, path, body), kept=True)
    return Malformed("POST", path, _raw(draw, path, body), kept=False)


# ------------------------------------------------------------------------------- bodies


def _flipped(draw: random.Random, right: Any) -> bytes:
    body = bytearray(json.dumps(right).encode())
    for _ in range(draw.randint(1, 8)):
        body[draw.randrange(len(body))] = draw.randrange(256)
    return bytes(body)


def _cut(draw: random.Random, right: Any) -> bytes:
    body = json.dumps(right).encode()
    return body[: draw.randrange(len(body))]


def _doubled(draw: random.Random, right: Any) -> bytes:
    body = json.dumps(right).encode()
    at, end = sorted(draw.randrange(len(body)) for _ in range(2))
    return body[:end] + body[at:]


def _strange_bytes(draw: random.Random, right: Any) -> bytes:
    body = json.dumps(right).encode()
    at = draw.randrange(len(body))
    strange = draw.choice(
        [b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\x00", b"{", b"]", b'"', b"," * 9]
    )
    return body[:at] + strange + body[at:]


def _strange_value(draw: random.Random, right: Any) -> bytes:
    return _filled(draw, right, draw.choice(RAW))


def _deep(draw: random.Random, right: Any) -> bytes:
    depth = draw.choice([5, 17, 100, 1000, 30_000])
    open_, close = draw.choice([("[", "]"), ('{"a":', "}")])
    return _filled(draw, right, open_ * depth + "1" + close * draw.choice([depth, 0]))


def _filled(draw: random.Random, right: Any, text: str) -> bytes:
    """Put a text where a value stands, at any place of the body."""
    copy = json.loads(json.dumps(right))
    holder, key = draw.choice(_places(copy))
    holder[key] = HOLE
    return json.dumps(copy).replace(json.dumps(HOLE), text).encode("utf-8", "surrogatepass")


def _other_keys(draw: random.Random, right: Any) -> bytes:
    """Take a key away, call it otherwise, add another, or write one twice."""
    copy = json.loads(json.dumps(right))
    holder, key = draw.choice([(h, k) for h, k in _places(copy) if isinstance(h, dict)])
    match draw.randrange(4):
        case 0:
            del holder[key]
        case 1:
            holder[draw.choice(NAMES)] = holder.pop(key)
        case 2:
            holder[draw.choice(NAMES)] = draw.choice([1, None, "x", [], {}])
        case _:
            name, value = json.dumps(key), json.dumps(holder[key])
            return (
                json.dumps(copy).replace(f"{name}: {value}", f"{name}: {value}, {name}: 1").encode()
            )
    return json.dumps(copy).encode()


def _too_many(draw: random.Random, right: Any) -> bytes:
    copy = json.loads(json.dumps(right))
    lists = [(h, k) for h, k in _places(copy) if isinstance(h[k], list)]
    if not lists:
        return _whole(draw, right)
    holder, key = draw.choice(lists)
    holder[key] = holder[key] * draw.choice([2, 40, 1001 if draw.random() < 0.05 else 3])
    return json.dumps(copy).encode()


def _whole(draw: random.Random, right: Any) -> bytes:
    return draw.choice(WHOLE)


BODIES: list[Callable[[random.Random, Any], bytes]] = [
    *(_flipped, _cut, _doubled, _strange_bytes, _strange_value, _strange_value, _strange_value),
    *(_deep, _other_keys, _other_keys, _too_many, _whole),
]


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return every place of a JSON value as its holder and its key there."""
    found = []
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found += _places(value[key])
    return found


# ----------------------------------------------------------------------------- no whole HTTP


def _raw(draw: random.Random, path: str, body: bytes) -> bytes:
    """Write something that is hardly HTTP; who sends it hangs up after it."""
    right = request("POST", path, body)
    head = len(right) - len(body)
    length = f"content-length: {len(body)}".encode()
    match draw.randrange(10):
        case 0:
            return draw.randbytes(draw.randrange(600))
        case 1:
            flipped = bytearray(right)
            for _ in range(draw.randint(1, 4)):
                flipped[draw.randrange(head)] = draw.randrange(256)
            return bytes(flipped)
        case 2:
            return right[: draw.randrange(len(right))]
        case 3:
            wrong = [len(body) + 7, len(body) - 7, 0, -5, 10**30, "", "5, 6", "+5", "0x5", 2**21]
            return right.replace(length, f"content-length: {draw.choice(wrong)}".encode())
        case 4:
            chunk = draw.choice(
                [b"5\r\nhello\r\n", b"-1\r\n", b"zz\r\nx\r\n", b"f" * 20 + b"\r\n", b""]
            )
            end = draw.choice([b"0\r\n\r\n", b"0\r\n", b"\r\n\r\n", b""])
            return right[:head].replace(length, b"transfer-encoding: chunked") + chunk + end
        case 5:
            return right.replace(length, length + b"\r\ntransfer-encoding: chunked")
        case 6:
            start = draw.choice([b"\x16\x03\x01\x02\x00\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
            return start + right
        case 7:
            return right.replace(b"\r\n", draw.choice([b"\n", b"\r", b"\n\n", b"\r\n "]))
        case 8:
            version = draw.choice([b"HTTP/9.9", b"HTTP/1.0", b"HTTP/0.9", b"HTTPS/1.1", b"", b"x"])
            return right.replace(b"HTTP/1.1", version)
        case _:
            header = draw.choice(
                [*HEADERS, "x: " + "y" * draw.choice([7_000, 9_000, 17_000, 100_000])]
            )
            return request("POST", path, body, header)


def tricks(path: str, body: bytes) -> dict[str, bytes]:
    """Return what front ends and servers read differently: each is refused, and the link closed."""
    right = request("POST", path, body)
    length = f"content-length: {len(body)}".encode()
    head, whole = right[: len(right) - len(body)], b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    chunked = head.replace(length, b"transfer-encoding: chunked")
    told = {
        "both": right.replace(length, length + b"\r\ntransfer-encoding: chunked"),
        "both, otherwise": head.replace(length, b"transfer-encoding: chunked\r\n" + length) + whole,
        "two lengths": right.replace(length, length + b"\r\ncontent-length: 3"),
        "a list of lengths": right.replace(length, length + b", 3"),
        "a signed length": right.replace(b"content-length: ", b"content-length: +"),
        "a negative length": right.replace(b"content-length: ", b"content-length: -"),
        "a length in hex": right.replace(length, b"content-length: 0x10"),
        "an endless length": right.replace(length, b"content-length: " + b"9" * 40),
        "chunked first": chunked.replace(b": chunked", b": chunked, identity") + whole,
        "a name with a blank": right.replace(b"content-length:", b"content-length :"),
        "a folded line": right.replace(b"host: box", b"host: box\r\n x: y"),
        "a zero in a name": right.replace(b"host: box", b"ho\x00st: box"),
        "a zero in a value": right.replace(b"host: box", b"host: b\x00ox"),
        "a bare return": right.replace(b"host: box\r\n", b"host: box\rx: y\r\n"),
        "a huge chunk": chunked + b"f" * 17 + b"\r\n" + body,
        "a negative chunk": chunked + b"-1\r\n" + body,
        "a chunk that is longer": chunked + b"1\r\n" + body,
        "a header of 100 KB": right.replace(b"host: box", b"host: box\r\nx: " + b"y" * 100_000),
        "a header without end": head[:-4] + b"\r\nx: " + b"y" * 600_000,
        "a name without end": head[:-4] + b"\r\n" + b"y" * 600_000,
        "a path of 100 KB": right.replace(b" HTTP/1.1", b"/" + b"p" * 100_000 + b" HTTP/1.1", 1),
        "400 headers": right.replace(b"host: box", b"\r\n".join(b"x%d: yyyyyyyyyyyyyyyyyyyy" % n
                                                              for n in range(400))),
        "blank lines without end": b"\r\n" * 300_000,
        "a trailer without end": chunked + whole[:-2] + b"x: " + b"y" * 600_000,
        "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + right,
        "a version of its own": right.replace(b"HTTP/1.1", b"HTTP/9.9"),
    }  # fmt: skip
    assert all(content != right for content in told.values())
    return told
