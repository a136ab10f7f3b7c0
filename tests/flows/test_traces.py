"""Traces of the real processes: a client's request, and a promotion told after a dead collector."""

import http.client
import json
from typing import Any

from engine.telemetry.spans import trace_of
from tests.box import Box, eventually, free_port, row
from tests.engine.telemetry.collector import Receiver, about

TRACE = "0af7651916cd43dd8448eb211c80319c"


def asked(box: Box) -> None:
    """Send a row as a client that traces."""
    link = http.client.HTTPConnection("127.0.0.1", box.port, timeout=10)
    body = json.dumps({"rows": [row("t-1")]})
    link.request(
        "POST",
        "/v1/models/late/predict",
        body,
        {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "x-request-id": "r-1"},
    )
    answer = link.getresponse()
    assert (answer.status, answer.headers["x-request-id"]) == (200, "r-1")
    link.close()


def by(receiver: Receiver, version: str) -> Any:
    """Return the answer of a version; what was asked earlier may be told again until then."""
    found = (s for s in receiver.named("predict late") if about(s)["cdml.version"] == version)
    return next(found, None)


def test_one_trace_from_a_client_and_one_from_training_to_promotion(box: Box) -> None:
    port = free_port()
    box.down()
    box.write(
        {"[models.late]\n": f'[telemetry]\notlp = "http://127.0.0.1:{port}"\n\n[models.late]\n'}
    )
    headers = box.path / "keys" / "otlp.toml"
    headers.touch(mode=0o600)
    headers.write_text('[headers]\nauthorization = "Bearer s3cr3t"\n')
    box.up()
    asked(box)
    eventually("it is told that nobody takes it", lambda: "does not take" in "".join(box.events()))
    box.ask("promote", "late", "v2")
    box.kill("run")
    receiver = Receiver(port)
    try:
        eventually("the engine is back", box.answers)
        (moved,) = eventually("the promotion", lambda: receiver.named("promote"))
        run = about(moved)["cdml.run"]
        assert moved.trace_id == trace_of("box", "late", run).to_bytes(16, "big")
        assert about(moved)["cdml.version"] == "v2"
        asked(box)
        inner = eventually("the request", lambda: by(receiver, "v2"))
        (request,) = [s for s in receiver.spans if s.span_id == inner.parent_span_id]
        assert request.name == "POST /v1/models/{model}/predict"
        assert about(request) == {
            "http.request.method": "POST",
            "http.route": "/v1/models/{model}/predict",
            "url.path": "/v1/models/late/predict",
            "url.scheme": "http",
            "http.response.status_code": 200,
            "cdml.request": "r-1",
        }
        assert request.trace_id.hex() == inner.trace_id.hex() == TRACE
        eventually(
            "numbers of both",
            lambda: (
                {"cdml_rollback_ready", "cdml_job_runs", "cdml_predictions"} <= {*receiver.numbers}
            ),
        )
        assert receiver.services == {"cdml-engine", "cdml-serving"}
        assert {h["authorization"] for h in receiver.headers} == {"Bearer s3cr3t"}
    finally:
        receiver.end()
    assert "s3cr3t" not in "".join(p.read_text() for p in (box.path / "logs").iterdir())
