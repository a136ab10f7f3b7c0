"""The four questions to the audit: who and why, what served then, which data, in spite of what."""

import pytest

from engine.clock import iso
from engine.domain.lifecycle import Event
from engine.errors import RefusedError, UnknownError
from engine.pipeline import locks, rollout, tracing
from engine.pipeline.promote import promote
from engine.pipeline.rollback import rollback
from engine.wire import AuditAnswer, AuditQuestion, Change, LockRequest
from tests.engine.pipeline.place import PERSON, Place


def ask(place: Place, **what: object) -> AuditAnswer:
    return tracing.answer(place, 100, AuditQuestion(**what))  # type: ignore[arg-type]


def test_who_promoted_a_version_and_on_what_evidence(place: Place) -> None:
    v1, v2 = place.champions(0.5, 0.4)
    place.blessed()
    found = ask(place, model="late", version=v2)
    assert [e.action for e in found.entries] == ["register", "promote"]
    registered, promoted = found.entries
    assert (promoted.actor, promoted.from_version, promoted.to_version) == ("ada", v1, v2)
    evidence = promoted.detail["evidence"]
    assert (evidence["judged"], evidence["verdict"]) == (registered.seq, "pass")
    assert evidence["manifest"] == place.ledger.version("late", v2).manifest
    assert registered.detail["report"]["against"] == v1
    with pytest.raises(UnknownError, match="Known: v1, v2, v3"):
        ask(place, version="v99")
    assert [e.seq for e in ask(place, version=v1).entries][-1] == promoted.seq


def test_what_served_at_a_time(place: Place) -> None:
    v1, v2 = place.champions(0.5, 0.4)
    between = place.clock.now()
    shadow = place.blessed(against=v2)
    assert rollout.begin(place, "late", shadow)
    began = iso(place.clock.now())
    place.clock.passes(hours=1)
    rollback(place, "late", PERSON, Change("r"))
    (now,) = ask(place, at=iso(place.clock.now())).served
    assert (now.champion, now.shadow, now.generation) == (v1, None, 5)
    (then,) = ask(place, at=iso(between)).served
    assert (then.champion, then.shadow, then.since) == (v2, shadow, began)
    assert ask(place, at="2001-01-01").served == []
    answer = ask(place, at=iso(between))
    assert [e.seq for e in answer.entries] == [then.audit_seq]


def test_all_overrides_of_a_month(place: Place) -> None:
    v1, _ = place.champions(0.5, 0.4)
    forced = place.version(Event.VALIDATION_BEGAN, Event.GATE_FAILED)
    promote(place, "late", PERSON, Change("f", to=forced, override=[forced], reason="r"))
    locks.freeze(place, "late", PERSON, LockRequest("z"))
    promote(place, "late", PERSON, Change("g", to=v1, override=["freeze"], reason="r"))
    spites = [e.detail["overrides"] for e in ask(place, overrides=True).entries]
    assert spites == [[forced], ["freeze"]]
    place.clock.passes(days=31)
    assert ask(place, overrides=True).entries == []
    assert len(ask(place, overrides=True, since="2024-03-01").entries) == 2


def test_the_entries_of_one_model_and_the_whole_engine_are_told_apart(place: Place) -> None:
    place.champions(0.5)
    locks.freeze(place, "*", PERSON, LockRequest("z"))
    assert {e.model for e in ask(place, model="late").entries} == {"late", "*"}
    with pytest.raises(UnknownError, match="no such model"):
        ask(place, model="x")
    checked = ask(place, verify=True)
    assert (checked.verified, checked.head) == (True, place.ledger.audit_head())


def test_lineage_names_what_a_version_was_made_of_and_what_came_of_it(place: Place) -> None:
    v1, v2 = place.champions(0.5, 0.4)
    found = tracing.lineage(place, "late", v1)
    assert (found.recipe, found.window, found.against, found.measured) == (
        "linear", "all", None, [v2]
    )  # fmt: skip
    assert found.led == [2]
    assert (found.from_, found.to) == ("2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z")
    now = place.clock.now()
    with place.ledger.change(PERSON, "register", "late", now=now, wall=now) as change:
        building = change.add_version("r9", "t")
    with pytest.raises(RefusedError, match="cdml job r9"):
        tracing.lineage(place, "late", building)
