"""A past moment: roles, versions, locks, numbers, alerts, events and runs as they stood then."""

from datetime import datetime, timedelta

import msgspec
import pytest

from engine.errors import RefusedError
from engine.ledger.change import ENGINE
from engine.pipeline import locks, past
from engine.pipeline.monitor import monitor
from engine.pipeline.overview import model_then
from engine.pipeline.quiet import ack
from engine.pipeline.rollback import rollback
from engine.store import runs
from engine.wire import AlertRequest, Change, JobRow, LockRequest, ModelState, Plan
from tests.engine.pipeline.place import PERSON, START, Place

NO_PLAN = Plan("rollback", False, "", None, None)


def shown(state: ModelState) -> ModelState:
    """What can be told of a past moment: an alert is known by its last finding alone."""
    found = [
        msgspec.structs.replace(
            a, text="", value=None, n=0, seen="", looks=0, sure="", cost="", because="", next=[]
        )
        for a in state.alerts
    ]
    return msgspec.structs.replace(
        state, rollback=NO_PLAN, alerts=found, breach=None, breach_since=None
    )


def test_every_past_moment_shows_what_was_shown_then(place: Place) -> None:
    seen: dict[datetime, tuple[ModelState, list[str]]] = {}

    def notice() -> None:
        state = shown(model_then(place, "late", NO_PLAN))
        told = [e.text for e in place.ledger.events(limit=1000)]
        seen[place.clock.now()] = (state, told)
        place.clock.passes(minutes=1)

    place.champions(0.3)
    notice()
    place.champions(0.4)
    place.version()
    notice()
    locks.hold(place, "late", PERSON, LockRequest("hold", reason="inspection"))
    notice()
    place.answered("v2", n=200, late=0.9, score=0.1)
    for _ in range(3):
        monitor(place, "late")
        notice()
        place.clock.passes(days=1)
    assert place.ledger.incidents.standing("late") is not None
    ack(place, 1, PERSON, AlertRequest("known", reason="seen"))
    notice()
    rollback(place, "late", PERSON, Change("back", to="v1"))
    locks.resume(place, "late", PERSON, LockRequest("resume", reason="done"))
    notice()
    assert seen[max(seen)][0].champion == "v1"
    for moment, (state, told) in seen.items():
        then = past.site_then(place, moment)
        (found,) = past.model_states(then)
        assert msgspec.to_builtins(shown(found)) == msgspec.to_builtins(state), moment
        assert [e.text for e in then.ledger.events(limit=1000)] == told


def test_a_run_is_shown_at_the_stage_it_was_in(place: Place) -> None:
    at = [(START + timedelta(minutes=m)).strftime("%Y-%m-%dT%H:%M:%SZ") for m in (1, 2, 3)]
    row = JobRow("r1", "late", "train", "succeeded", "timetable", *at, note="done", verdict="pass")
    runs.put(place.store, row)
    place.clock.passes(minutes=10)

    def stage(seconds: int) -> list[tuple[str, str | None, str]]:
        then = past.site_then(place, START + timedelta(seconds=seconds))
        return [(r.state, r.ended_at, r.note) for r in past.run_rows(then)]

    assert stage(59) == []
    assert stage(60) == [("queued", None, "")]
    assert stage(120) == [("running", None, "")]
    assert stage(180) == [("succeeded", at[2], "done")]


def test_before_the_first_change_there_is_no_model(place: Place) -> None:
    place.champions(0.3)
    assert past.model_states(past.site_then(place, START - timedelta(days=1))) == []


def test_the_future_is_not_shown(place: Place) -> None:
    with pytest.raises(RefusedError, match="after now"):
        past.site_then(place, place.clock.now() + timedelta(seconds=1))


def test_the_past_cannot_be_written_to(place: Place) -> None:
    place.champions(0.3)
    then = past.site_then(place, place.clock.now())
    with pytest.raises(RefusedError, match="past"), then.store.write():
        raise AssertionError
    with pytest.raises(Exception, match="readonly"):
        then.ledger.tell(START, "INFO", "x", "late", "no")
    with (
        pytest.raises(Exception, match="readonly"),
        then.ledger.change(ENGINE, "x", "late", now=START, wall=START),
    ):
        pass
    assert place.ledger.audit_fault() is None
