"""The way of a version is one trace, from its trigger to its end, over any number of restarts."""

import msgspec

from engine.pipeline import traced
from engine.pipeline.promote import promote
from engine.pipeline.rollback import rollback
from engine.store import runs
from engine.telemetry.spans import span_of, trace_of
from engine.wire import Change, JobRow
from tests.engine.pipeline.place import PERSON, Place


def spans(place: Place) -> list[traced.Span]:
    """Return what is to be told since the last time, and count it as told."""
    found, until = traced.fresh(place, traced.told(place))
    traced.tell(place, until)
    return found


def test_trigger_run_gate_promotion_and_rollback_are_one_trace(place: Place) -> None:
    place.champions(0.5)
    assert spans(place) == [], "nothing of the past is told"
    began = place.moment()
    place.clock.passes(minutes=1)
    v2 = place.blessed(0.4)
    row = JobRow("r1", "late", "train", "done", "drift over its limit", began, began)
    runs.put(place.store, msgspec.structs.replace(row, ended_at=place.moment(), version=v2))
    first = spans(place)
    promote(place, "late", PERSON, Change("one", to=v2))
    place.clock.passes(minutes=10)
    rollback(place, "late", PERSON, Change("two", to="v1"))
    # Another process, later: the same trace.
    second = spans(place)
    trace = trace_of("cdml", "late", "r1")
    assert {s.trace for s in (*first, *second)} == {trace}
    assert [s.name for s in first] == ["trigger train", "run train", "trained"]
    assert [s.name for s in second] == ["promote", "rollback"]
    root, run, *rest = (*first, *second)
    assert root.parent is None
    assert root.about["cdml.cause"] == "drift over its limit"
    assert {s.parent for s in (run, *rest)} == {root.number} == {span_of(trace, "trigger")}
    assert len({s.number for s in (*first, *second)}) == 5
    assert first[-1].about["cdml.verdict"] == "pass"
    assert {s.about["cdml.version"] for s in rest} == {v2}
    assert root.ended - root.began == 60 * 10**9
    assert spans(place) == []


def test_a_run_that_broke_is_a_failed_span_and_a_refused_one_is_not(place: Place) -> None:
    spans(place)
    began = place.moment()
    place.clock.passes(minutes=1)
    for number, state in enumerate(("failed", "refused", "queued")):
        ended = None if state == "queued" else place.moment()
        row = JobRow(f"r{number}", "late", "train", state, "x", began, began, ended)
        runs.put(place.store, row)
    failed = {s.about["cdml.outcome"]: s.failed for s in spans(place) if s.name == "run train"}
    assert failed == {"failed": True, "refused": False}
