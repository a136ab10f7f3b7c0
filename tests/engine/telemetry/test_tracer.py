"""Requests reach a collector as spans; a client's traceparent is honoured; drops are counted."""

import socket
import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram

from engine.clock import SystemClock
from engine.errors import InvalidError
from engine.settings_telemetry import TelemetrySettings
from engine.telemetry import names
from engine.telemetry import tracer as tracing
from engine.telemetry.engine_metrics import Shown
from engine.telemetry.otlp import Collector
from engine.telemetry.spans import parent_of, span_of, trace_of
from engine.telemetry.tracer import AT_ONCE, Tracer
from tests.box import eventually, free_port
from tests.engine.telemetry.collector import Receiver, about
from tests.engine.telemetry.everything import MODEL, WHOLE

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PART = ("late", "v2", "champion", 3, "b-1")
PREDICT = "POST /v1/models/{model}/predict"
OK: dict[str, str | int | float | bool] = {"http.response.status_code": 200}
FAILED = OK | {"http.response.status_code": 503, "error.type": "503"}


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
    tracer.ended(asked, PREDICT, OK)
    own = tracer.began([])
    assert own is not None
    tracer.ended(own, PREDICT, FAILED)
    eventually("they are taken", lambda: len(receiver.spans) == 3)
    tracer.close()
    request, inner, other = receiver.spans
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    assert (request.kind, request.name) == (2, PREDICT)
    assert about(request) == {"http.response.status_code": 200}
    assert inner.parent_span_id == request.span_id
    assert about(inner)["cdml.version"] == "v2"
    assert request.start_time_unix_nano <= inner.end_time_unix_nano
    assert (other.status.code, other.parent_span_id) == (2, b"")
    assert about(other)["error.type"] == "503"
    assert other.trace_id != request.trace_id
    assert receiver.services == {"cdml-serving"}
    assert receiver.headers[0]["x-key"] == "k"


def test_numbers_go_the_same_way(receiver: Receiver) -> None:
    registry = CollectorRegistry()
    Counter("cdml_a", "A.", ["model"], registry=registry).labels("late").inc(3)
    took = Histogram("cdml_b_seconds", "B.", buckets=(1.0, 2.0), registry=registry)
    for value in (0.5, 1.5, 1.6, 9.0):
        took.observe(value)
    tracer = traced(receiver.base, [], registry)
    eventually("they are taken", lambda: "cdml_b_seconds" in receiver.numbers)
    tracer.close()
    (point,) = receiver.numbers["cdml_a"].sum.data_points
    assert (point.as_double, about(point)) == (3.0, {"model": "late"})
    (point,) = receiver.numbers["cdml_b_seconds"].histogram.data_points
    assert receiver.numbers["cdml_b_seconds"].unit == "s"
    assert list(point.bucket_counts) == [1, 2, 1]
    assert (list(point.explicit_bounds), point.count, point.sum) == ([1.0, 2.0], 4, 12.6)


def test_every_number_of_an_engine_goes_too(receiver: Receiver) -> None:
    collector = Collector(receiver.base, {}, tracing.about("engine", "0", "box"))
    assert collector.take_numbers(Shown({"late": MODEL}, WHOLE).collect(), 1, 2)
    collector.close()
    wanted = {n.name.removesuffix("_total") for n in names.ALL if n.by in ("engine", "both")}
    assert {*receiver.numbers} == wanted


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
        tracer.ended(asked, PREDICT, OK)
    eventually("all are counted", lambda: sum(dropped) == 50)
    tracer.close()


def test_a_burst_is_handed_over_whole_and_what_waits_at_the_end_too(receiver: Receiver) -> None:
    dropped: list[int] = []
    tracer = traced(receiver.base, dropped)
    for _ in range(3 * AT_ONCE + 7):
        asked = tracer.began([])
        assert asked is not None
        tracer.ended(asked, PREDICT, OK)
    tracer.close()
    assert (len(receiver.spans), dropped) == (3 * AT_ONCE + 7, [])


def test_at_the_end_a_collector_that_hangs_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "CLOSE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        tracer = traced(f"http://127.0.0.1:{deaf.getsockname()[1]}", [])
        asked = tracer.began([])
        assert asked is not None
        tracer.ended(asked, PREDICT, OK)
        began = time.monotonic()
        tracer.close()
        assert time.monotonic() - began < 2.0


def test_a_share_of_the_requests_is_traced_and_what_a_client_says_comes_first(
    receiver: Receiver,
) -> None:
    told = tracing.about("serving", "0", "box")
    tracer = Tracer(
        lambda: Collector(receiver.base, {}, told), "b", SystemClock(), list, lambda _: None, 0.25
    )
    drawn = [tracer.began([]) is not None for _ in range(2000)]
    assert 400 < sum(drawn) < 600
    assert all(tracer.began(header("01")) for _ in range(20))
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
