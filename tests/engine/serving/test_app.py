"""The prediction port as a client sees it: answers, and one error body for everything wrong."""

import json
import random
import socket
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from engine.spool import PredictionRecord, decode, read, segments
from engine.wire import ErrorAnswer, PredictAnswer

from .conftest import Service, make_rows

ROWS = [
    {"id": f"f-{n}", "ts": "2013-07-01T14:05:00+02:00", "features": row}
    for n, row in enumerate(make_rows(6, 9))
]
GOOD = json.dumps({"rows": ROWS[:2]}).encode()
PATH = "/v1/models/late/predict"


def changed(**features: Any) -> dict[str, Any]:
    """A body with one row whose features are changed."""
    return {"rows": [{"id": "f-1", "features": ROWS[0]["features"] | features}]}


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Check that an answer is exactly the one error shape and return it."""
    body = response.json()
    assert list(body) == ["error"]
    if response.url.path.startswith("/v2"):
        assert isinstance(body["error"], str)
        return {"message": body["error"]}
    assert list(body["error"]) == ["code", "message", "field"]
    msgspec.convert(body, type=ErrorAnswer)
    found: dict[str, Any] = body["error"]
    return found


def test_every_row_is_answered_in_order(client: httpx.Client) -> None:
    answer = client.post(PATH, json={"rows": ROWS}, headers={"x-client-id": "tower"})
    assert answer.status_code == 200
    found = msgspec.json.decode(answer.content, type=PredictAnswer)
    assert (found.model, found.generation, found.logged) == ("late", 1, True)
    assert [p.id for p in found.predictions] == [r["id"] for r in ROWS]
    assert len({p.prediction_id for p in found.predictions}) == len(ROWS)
    for one in found.predictions:
        assert one.version == "v1"
        assert one.score is not None
        assert one.decision is (one.score >= 0.5)


def test_multiclass_and_regression_answer_in_their_own_form(client: httpx.Client) -> None:
    found = client.post("/v1/models/kind/predict", json={"rows": ROWS[:1]}).json()
    one = found["predictions"][0]
    assert set(one["probabilities"]) == {"early", "noon", "late"}
    assert sum(one["probabilities"].values()) == pytest.approx(1.0)
    assert one["decision"] == max(one["probabilities"], key=one["probabilities"].get)
    one = client.post("/v1/models/delay/predict", json={"rows": ROWS[:1]}).json()["predictions"][0]
    assert isinstance(one["value"], float)
    assert "score" not in one
    assert "decision" not in one


def test_an_answered_request_is_one_record_with_everything(
    client: httpx.Client, shared: Service
) -> None:
    answer = client.post(PATH, json={"rows": ROWS}, headers={"x-client-id": "tower"}).json()
    newest = segments(shared.workspace.spool)[-1].path
    record = decode(list(read(newest))[-1].payload)
    assert isinstance(record, PredictionRecord)
    assert (record.model, record.client, record.generation) == ("late", "tower", 1)
    assert record.prediction_ids == [p["prediction_id"] for p in answer["predictions"]]
    assert record.answers == [[p["score"]] for p in answer["predictions"]]
    assert set(record.times) == {"2013-07-01T12:05:00Z"}
    assert record.features == {k: [r["features"][k] for r in ROWS] for k in ROWS[0]["features"]}


def test_a_row_without_time_gets_the_present_and_unusual_values_are_flagged(
    client: httpx.Client, shared: Service
) -> None:
    answer = client.post(PATH, json=changed(carrier="ZZ", hour=99.0)).json()
    assert answer["predictions"][0]["flags"] == ["range:hour", "unseen:carrier"]
    record = decode(list(read(segments(shared.workspace.spool)[-1].path))[-1].payload)
    assert isinstance(record, PredictionRecord)
    assert record.times[0][:4] == record.received[:4]


def test_labels_are_taken_and_durable(client: httpx.Client, shared: Service) -> None:
    labels = [{"id": f"f-{n}", "ts": "2013-07-01T18:00:00Z", "value": n % 2 == 0} for n in range(5)]
    labels.append({"id": "f-9", "ts": "2013-07-01T18:00:00Z", "value": None})
    headers = {"x-client-id": "feed"}
    answer = client.post("/v1/models/late/labels", json={"labels": labels}, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"model": "late", "accepted": 6})
    record = decode(list(read(segments(shared.workspace.spool)[-1].path))[-1].payload)
    assert msgspec.to_builtins(record)["labels"] == labels
    assert msgspec.to_builtins(record)["source"] == "feed"


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"", 400, "malformed_json", None),
        (b"{", 400, "malformed_json", None),
        (b"\xff\xfe", 400, "malformed_json", None),
        (b'{"rows":[{"features":{"carrier":"\xff"}}]}', 400, "malformed_json", None),
        (b'{"rows":[{"features":{"hour":NaN}}]}', 400, "malformed_json", None),
        (b'{"rows":[{"features":{"hour":-Infinity}}]}', 400, "malformed_json", None),
        (b'{"rows":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 422, "wrong_type", "rows[0]"),
        (b'{"rows":[{"features":{"hour":1e400}}]}', 422, "wrong_type", "hour"),
        (b'{"rows":[{"features":{"hour":[1]}}]}', 422, "wrong_type", "hour"),
        (b'{"rows":[{"features":{"hour":{"a":1}}}]}', 422, "wrong_type", "hour"),
        (b'{"rows":[{"id":"a"}]}', 422, "wrong_type", "features"),
        (b'{"rows":[{"id":5,"features":{}}]}', 422, "wrong_type", "rows[0].id"),
        (b'{"rows":[],"more":1}', 422, "wrong_type", "more"),
        (b"[]", 422, "wrong_type", None),
        (b'{"rows":[]}', 422, "no_rows", "rows"),
        ({"rows": [ROWS[0]] * 1001}, 422, "too_many_rows", "rows"),
        ({"rows": [ROWS[0] | {"id": "x" * 300}]}, 422, "bad_id", "id"),
        ({"rows": [ROWS[0] | {"ts": "yesterday"}]}, 422, "bad_time", "ts"),
        ({"rows": [ROWS[0] | {"ts": "0001-01-01T00:00:00+23:00"}]}, 422, "bad_time", "ts"),
        (changed(hour="6"), 422, "wrong_type", "hour"),
        (changed(hour=True), 422, "wrong_type", "hour"),
        (changed(hour=10**400), 422, "wrong_type", "hour"),
        (b'{"rows":[{"features":{"hour":' + b"9" * 5000 + b"}}]}", 422, "wrong_type", "hour"),
        (changed(carrier=10**4000), 422, "wrong_type", "carrier"),
        (changed(hour=None), 422, "wrong_type", "hour"),
        (changed(carrier=1), 422, "wrong_type", "carrier"),
        (changed(holiday=1), 422, "wrong_type", "holiday"),
        (changed(**{"\x1b[31mx": 1}), 422, "unknown_feature", "\x1b[31mx"),
        ({"rows": [{"features": {"hour": 1.0}}]}, 422, "missing_feature", "distance"),
        (GOOD.replace(b'"hour"', b'"hour": 1.0, "hour"', 1), 422, "duplicate_key", "hour"),
        (GOOD.replace(b'"id"', b'"id": null, "id"', 1), 422, "duplicate_key", "id"),
        (b" " * (2**20 + 1), 413, "body_too_large", None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    client: httpx.Client, body: Any, status: int, code: str, field: str | None
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post(PATH, content=content)
    found = error_of(answer)
    assert (answer.status_code, found["code"], found["field"]) == (status, code, field)


def test_keys_in_strings_are_no_duplicates(client: httpx.Client) -> None:
    body = changed(carrier='a": "b": "c')
    assert client.post(PATH, json=body).status_code == 200


@pytest.mark.parametrize(
    ("label", "field"),
    [
        ({"id": "", "ts": "2013-07-01", "value": True}, "id"),
        ({"id": "a", "ts": "soon", "value": True}, "ts"),
        ({"id": "a", "ts": "2013-07-01", "value": 7}, "value"),
        ({"id": "a", "ts": "2013-07-01"}, "value"),
        ({"id": "a", "ts": "2013-07-01", "value": True, "x": 1}, "x"),
    ],
)
def test_a_wrong_label_is_named(client: httpx.Client, label: dict[str, Any], field: str) -> None:
    answer = client.post("/v1/models/late/labels", json={"labels": [label]})
    assert answer.status_code == 422
    assert error_of(answer)["field"] == field


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", PATH, 405),
        ("DELETE", "/v1/models/late/labels", 405),
        ("POST", "/metrics", 405),
        ("POST", "/v2", 405),
        ("POST", "/v1/models/none/predict", 404),
        ("POST", "/v1/models/none/labels", 404),
        ("POST", "/v1/models/none/promote", 404),
        ("POST", "/v1/models/late/promote", 404),
        ("GET", "/api/v1/state", 404),
        ("POST", "/api/v1/stop", 404),
        ("GET", "/", 404),
        ("GET", "/v2/models/none", 404),
        ("GET", "/v2/models/none/ready", 404),
        ("GET", "/v2/models/../../etc/passwd", 404),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
        ("GET", "/v2/models/%00", 404),
        ("POST", "/v1/models/idle/predict", 503),
    ],
)
def test_other_paths_and_methods_are_refused(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path, content=GOOD if method == "POST" else None)
    assert answer.status_code == status
    error_of(answer)


def test_a_compressed_body_is_refused(client: httpx.Client) -> None:
    answer = client.post(PATH, content=GOOD, headers={"content-encoding": "gzip"})
    assert (answer.status_code, error_of(answer)["code"]) == (415, "content_encoding")


def test_a_body_in_chunks_is_read_up_to_the_limit(client: httpx.Client) -> None:
    assert client.post(PATH, content=iter([GOOD[:10], GOOD[10:]])).status_code == 200
    try:
        answer = client.post(PATH, content=(b" " * 65536 for _ in range(100)))
    except httpx.TransportError:
        return  # the answer was sent and the rest of the body refused
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "raw",
    [
        b"not http at all\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_400_in_json(shared: Service, raw: bytes) -> None:
    host, _, port = shared.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as link:
        link.sendall(raw)
        head, _, body = link.recv(65536).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    msgspec.json.decode(body, type=ErrorAnswer)


def test_a_client_that_leaves_before_its_answer_leaves_no_trace_in_the_log(
    client: httpx.Client, shared: Service
) -> None:
    before = shared.errors.read_text()
    host, _, port = shared.url.removeprefix("http://").rpartition(":")
    content = json.dumps({"rows": ROWS * 100}).encode()
    for _ in range(30):
        with socket.create_connection((host, int(port)), timeout=5) as link:
            head = b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
            link.sendall(head % (PATH.encode(), len(content)) + content)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    assert client.post(PATH, content=GOOD).status_code == 200
    assert shared.errors.read_text() == before


def mutated(rng: random.Random) -> bytes:
    """A good body, damaged at random."""
    body = bytearray(GOOD)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(body) or 1)
        match rng.randrange(6):
            case 0:
                body[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del body[at : at + rng.randint(1, 20)]
            case 2:
                body[at:at] = rng.choice([b"NaN", b"1e999", b"null", b"[[[[", b'"', b"\x00", b"{"])
            case 3:
                body[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
            case 4:
                body[at:at] = body[: rng.randint(1, 400)]
            case _:
                body = body[:at] or bytearray(b"x")
    return bytes(body)


def test_no_malformed_body_is_a_server_error(client: httpx.Client, shared: Service) -> None:
    rng = random.Random(1)
    before = shared.link.status().failed
    refused = 0
    for n in range(600):
        path = PATH if n % 3 else "/v1/models/late/labels"
        answer = client.post(path, content=mutated(rng))
        assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text
        if answer.status_code != 200:
            error_of(answer)
            refused += 1
    assert refused > 400
    assert shared.link.status().failed == before
    assert client.post(PATH, content=GOOD).status_code == 200


def test_health_speaks_of_every_model(client: httpx.Client) -> None:
    assert client.get("/v2").json()["name"] == "cdml"
    assert client.get("/v2/health/live").json() == {"live": True}
    # One model of this workspace has no champion.
    assert (client.get("/v2/health/ready").status_code) == 503
    assert client.get("/v2/models/late/ready").json() == {"name": "late", "ready": True}
    assert client.get("/v2/models/idle/ready").status_code == 503


def test_infer_answers_what_predict_answers(client: httpx.Client) -> None:
    described = client.get("/v2/models/late").json()
    rows = make_rows(4, 3)
    inputs = [
        {
            "name": i["name"],
            "shape": [4, 1] if n % 2 else [4],
            "datatype": i["datatype"],
            "data": [[r[i["name"]]] if n % 2 else r[i["name"]] for r in rows],
        }
        for n, i in enumerate(described["inputs"])
    ]
    answer = client.post("/v2/models/late/infer", json={"id": "q1", "inputs": inputs}).json()
    plain = client.post(PATH, json={"rows": [{"features": r} for r in rows]}).json()
    outputs = {o["name"]: o for o in answer["outputs"]}
    assert answer["id"] == "q1"
    assert answer["model_version"] == "v1"
    assert [o["name"] for o in answer["outputs"]] == [o["name"] for o in described["outputs"]]
    assert outputs["score"]["shape"] == [4]
    np.testing.assert_allclose(
        outputs["score"]["data"], [p["score"] for p in plain["predictions"]], atol=1e-12
    )


def test_no_key_of_infer_stands_twice_and_colons_in_its_values_are_none(
    client: httpx.Client,
) -> None:
    row = make_rows(1, 3)[0] | {"carrier": "a:b"}
    kinds = {i["name"]: i["datatype"] for i in client.get("/v2/models/late").json()["inputs"]}
    inputs = [
        {"name": name, "shape": [1], "datatype": kind, "data": [row[name]]}
        for name, kind in kinds.items()
    ]
    body = json.dumps({"id": "q:1", "parameters": {}, "inputs": inputs}).encode()
    path = "/v2/models/late/infer"
    assert client.post(path, content=body).status_code == 200
    for key in (b'"id"', b'"shape"', b'"inputs"'):
        twice = body.replace(key, key + b": null, " + key, 1)
        answer = client.post(path, content=twice)
        assert answer.status_code == 422
        assert "twice" in error_of(answer) or b"null" in twice


@pytest.mark.parametrize(
    "tensor",
    [
        {"name": "hour", "shape": [2], "datatype": "FP64", "data": [1.0]},
        {"name": "hour", "shape": [1], "datatype": "FP16", "data": [1.0]},
        {"name": "hour", "shape": [1], "datatype": "INT64", "data": [1.5]},
        {"name": "hour", "shape": [1], "datatype": "BOOL", "data": [1]},
        {"name": "hour", "shape": [1], "datatype": "BYTES", "data": [1]},
        {"name": "hour", "shape": [0], "datatype": "FP64", "data": []},
        {"name": "minute", "shape": [1], "datatype": "FP64", "data": [1.0]},
    ],
)
def test_a_wrong_tensor_is_a_422(client: httpx.Client, tensor: dict[str, Any]) -> None:
    answer = client.post("/v2/models/late/infer", json={"inputs": [tensor]})
    assert answer.status_code == 422
    error_of(answer)


def test_metrics_have_their_names_and_bounded_labels(client: httpx.Client) -> None:
    client.post(PATH, content=GOOD)
    for n in range(5):
        client.post(f"/v1/models/made-up-{n}/predict", content=GOOD)
    text = client.get("/metrics").text
    for name in (
        'cdml_predictions_total{code="200",model="late",role="champion",version="v1"}',
        'cdml_prediction_seconds_bucket{le="0.001",model="late",version="v1"}',
        'cdml_generation{model="late"} 1.0',
        "cdml_spool_bytes ",
        "cdml_log_dropped_total 0.0",
    ):
        assert name in text
    assert "made-up" not in text


def test_the_openapi_document_names_every_path_and_shape(client: httpx.Client) -> None:
    found = client.get("/openapi.json").json()
    assert found["openapi"].startswith("3.1")
    assert PATH.replace("late", "{model}") in found["paths"]
    assert {"PredictRequest", "PredictAnswer", "ErrorAnswer"} <= set(found["components"]["schemas"])
