"""Requests reach a collector as spans; a client's traceparent is honoured; drops are counted."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram

from engine.clock import SystemClock
from engine.errors import InvalidError
from engine.settings_telemetry import TelemetrySettings
from engine.telemetry import tracer as tracing
from engine.telemetry.otlp import Collector
from engine.telemetry.spans import parent_of, span_of, trace_of
from engine.telemetry.tracer import Tracer
from tests.box import eventually, free_port
from tests.engine.telemetry.collector import Receiver, about

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PART = ("late", "v2", "champion", 3, "b-1")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(tracing, "PAUSE_S", 0.02)
    made = Receiver()
    yield made
    made.end()


def traced(base: str, dropped: list[int], registry: CollectorRegistry | None = None) -> Tracer:
    told = tracing.about("serving", "0", "box")
    shown = registry or CollectorRegistry()
    return Tracer(
        lambda: Collector(base, {"x-key": "k"}, told), "b", SystemClock(), shown.collect,
        dropped.append,
    )  # fmt: skip


def header(flags: str) -> list[tuple[bytes, bytes]]:
    return [(b"traceparent", f"00-{TRACE}-{PARENT}-{flags}".encode())]


def test_a_request_is_a_span_of_its_clients_trace_and_holds_who_answered(
    receiver: Receiver,
) -> None:
    tracer = traced(receiver.base, [])
    assert tracer.began(header("00")) is None
    tracer.answered([PART])
    asked = tracer.began(header("01"))
    assert asked is not None
    tracer.answered([PART])
    tracer.ended(asked, "POST predict", 200)
    own = tracer.began([])
    assert own is not None
    tracer.ended(own, "POST predict", 503)
    eventually("they are taken", lambda: len(receiver.spans) == 3)
    tracer.close()
    request, inner, other = receiver.spans
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    assert request.kind == 2
    assert about(request) == {"http.response.status_code": 200}
    assert inner.parent_span_id == request.span_id
    assert about(inner)["cdml.version"] == "v2"
    assert request.start_time_unix_nano <= inner.end_time_unix_nano
    assert (other.status.code, other.parent_span_id) == (2, b"")
    assert other.trace_id != request.trace_id
    assert receiver.services == {"cdml-serving"}
    assert receiver.headers[0]["x-key"] == "k"


def test_numbers_go_the_same_way(receiver: Receiver) -> None:
    registry = CollectorRegistry()
    Counter("cdml_a", "A.", ["model"], registry=registry).labels("late").inc(3)
    took = Histogram("cdml_b", "B.", buckets=(1.0, 2.0), registry=registry)
    for value in (0.5, 1.5, 1.6, 9.0):
        took.observe(value)
    tracer = traced(receiver.base, [], registry)
    eventually("they are taken", lambda: "cdml_b" in receiver.numbers)
    tracer.close()
    (point,) = receiver.numbers["cdml_a"].sum.data_points
    assert (point.as_double, about(point)) == (3.0, {"model": "late"})
    (point,) = receiver.numbers["cdml_b"].histogram.data_points
    assert list(point.bucket_counts) == [1, 2, 1]
    assert (list(point.explicit_bounds), point.count, point.sum) == ([1.0, 2.0], 4, 12.6)


def test_a_dead_collector_costs_spans_that_are_counted_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "PAUSE_S", 0.02)
    monkeypatch.setattr(tracing, "MOST", 10)
    monkeypatch.setattr("engine.telemetry.otlp.TIMEOUT_S", 0.2)
    dropped: list[int] = []
    tracer = traced(f"http://127.0.0.1:{free_port()}", dropped)
    for _ in range(50):
        asked = tracer.began([])
        assert asked is not None
        tracer.ended(asked, "POST predict", 200)
    eventually("all are counted", lambda: sum(dropped) == 50)
    tracer.close()


@pytest.mark.parametrize(
    "text",
    [b"", b"00", f"00-{TRACE}-{PARENT}".encode(), f"ff-{TRACE}-{PARENT}-01".encode(),
     f"00-{'0' * 32}-{PARENT}-01".encode(), f"00-{TRACE}-{'0' * 16}-01".encode(),
     f"00-{TRACE.upper()}-{PARENT}-01".encode(), b"\xff" * 55, b"0" * 100_000],
)  # fmt: skip
def test_what_is_no_traceparent_is_none(text: bytes) -> None:
    assert parent_of(text) is None


def test_ids_come_of_names() -> None:
    assert trace_of("box", "late", "r1") == trace_of("box", "late", "r1")
    assert trace_of("box", "late", "r1") != trace_of("box", "later", "1")
    assert span_of(1, "a") != span_of(2, "a")


@pytest.mark.parametrize("otlp", ["127.0.0.1:4318", "ftp://x", "http://", "http://u:p@x:4318"])
def test_a_collector_is_a_url_without_a_password(otlp: str) -> None:
    with pytest.raises(InvalidError) as caught:
        TelemetrySettings(otlp=otlp)
    assert "u:p" not in caught.value.message
