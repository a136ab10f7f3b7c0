"""Promote, roll back, undo, hold, resume: what each may do, and what it leaves alone."""

from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from engine.domain.lifecycle import Event, Fitness
from engine.domain.roles import canarying, shadowing
from engine.errors import (
    CdmlError,
    ConflictError,
    RefusedError,
    UnavailableError,
    UnknownError,
)
from engine.ledger.change import ENGINE
from engine.pipeline import locks, rollout
from engine.pipeline.promote import promote
from engine.pipeline.rollback import rollback
from engine.pipeline.undo import undo
from engine.pipeline.way_back import plan
from engine.wire import Change, ChangeAnswer, LockRequest
from tests.engine.pipeline.place import PERSON, ROBOT, Place, roles


def fitness(place: Place, version: str) -> Fitness:
    return place.ledger.version("late", version).fitness


def back(place: Place, key: str = "back", **more: Any) -> ChangeAnswer:
    return rollback(place, "late", PERSON, Change(key, **more))


def undone(place: Place, key: str = "undo", **more: Any) -> ChangeAnswer:
    return undo(place, "late", PERSON, Change(key, **more))


def refused(act: Any, code: str, kind: type[CdmlError] = RefusedError) -> str:
    with pytest.raises(kind) as found:
        act()
    assert found.value.code == code
    return found.value.message


def in_rollout(place: Place, version: str, share: float = 0.0) -> None:
    with place.ledger.change(
        ENGINE, "x", "late", now=place.clock.now(), wall=place.clock.now()
    ) as c:
        c.set_roles(
            canarying(c.roles, version, share, "s") if share else shadowing(c.roles, version)
        )


def test_a_promotion_answers_with_from_to_and_the_audit_entry(place: Place) -> None:
    v1, v2 = place.champions(0.5, 0.4)
    made = place.ledger.audit_entries()[-1]
    again = promote(place, "late", PERSON, Change("made v2", to=v2))
    assert (again.from_, again.to, again.generation, again.audit_seq) == (v1, v2, 2, made.seq)
    assert again.changed
    assert roles(place).standby == (v1,)


def test_the_same_key_changes_once_and_always_gets_the_same_answer(place: Place) -> None:
    place.champions(0.5, 0.4, 0.3)
    first = back(place, "k")
    place.clock.passes(minutes=5)
    assert back(place, "k") == first
    assert roles(place).generation == first.generation


def test_a_champion_other_than_expected_is_a_conflict_that_tells_who_did_it(place: Place) -> None:
    v1, v2 = place.champions(0.5, 0.4)
    before = roles(place)
    for act in (
        lambda: back(place, expect=v1),
        lambda: undone(place, expect=v1),
        lambda: promote(place, "late", PERSON, Change("p", v1, place.blessed())),
    ):
        place.clock.time = place.clock.time - timedelta(minutes=10)  # within undo's minute
        said = refused(act, "conflict", ConflictError)
        assert f"expected champion {v1}, it is {v2}, by ada" in said
    assert roles(place) == before


def test_a_second_rollback_while_the_hold_stands_changes_nothing_and_says_so(place: Place) -> None:
    v1, v2, v3 = place.champions(0.5, 0.4, 0.3)
    assert back(place, "one").to == v2
    again = back(place, "two")
    assert not again.changed
    assert f"already rolled back from {v3} to {v2} at 2024-03-01T" in again.message
    assert roles(place).champion == v2
    assert back(place, "three", expect=v2).to == v1


def test_two_presses_at_the_same_instant_go_back_one_step(place: Place) -> None:
    place.champions(0.5, 0.4, 0.3)
    gate, answers = Barrier(4), []

    def press(number: int) -> None:
        gate.wait()
        answers.append(back(place, f"k{number}"))

    threads = [Thread(target=press, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(a.changed for a in answers) == [False, False, False, True]
    assert roles(place).champion == "v2"


def test_a_rollback_leaves_the_champion_for_good_sets_a_hold_and_stops_all_else(
    place: Place,
) -> None:
    v1, v2 = place.champions(0.5, 0.4)
    v3 = place.blessed()
    in_rollout(place, v3, 10.0)
    answer = back(place, reason="complaints")
    assert (answer.from_, answer.to, answer.changed) == (v2, v1, True)
    assert fitness(place, v2) is Fitness.ROLLED_BACK
    assert fitness(place, v3) is Fitness.ABORTED
    assert (roles(place).canary, roles(place).shadow, roles(place).standby) == (None, None, ())
    (lock,) = place.ledger.locks("late")
    assert (lock.kind, lock.owner, lock.reason) == ("hold", "ada", "complaints")
    refused(lambda: back(place, "more", expect=v1), "no_target")


def test_a_shadow_is_aborted_by_a_rollback(place: Place) -> None:
    place.champions(0.5, 0.4)
    shadow = place.blessed()
    in_rollout(place, shadow)
    back(place)
    assert fitness(place, shadow) is Fitness.ABORTED


def test_an_attack_taints_what_is_left(place: Place) -> None:
    _, v2 = place.champions(0.5, 0.4)
    back(place, attack=True)
    assert fitness(place, v2) is Fitness.TAINTED
    refused(lambda: back(place, "to", to=v2), "tainted")
    refused(lambda: promote(place, "late", PERSON, Change("p", to=v2)), "tainted")


def test_a_champion_forced_past_its_gate_can_be_left(place: Place) -> None:
    (v1,) = place.champions(0.5)
    forced = place.version(Event.VALIDATION_BEGAN, Event.GATE_FAILED)
    plain = Change("a", to=forced)
    said = refused(lambda: promote(place, "late", PERSON, plain), "gate_not_passed")
    assert f"--override {forced} --reason" in said
    for half in (
        Change("b", to=forced, override=[forced]),
        Change("c", to=forced, override=[v1], reason="r"),
    ):
        refused(lambda asked=half: promote(place, "late", PERSON, asked), "gate_not_passed")
    asked = Change("d", to=forced, override=[forced], reason="the gate is wrong")
    assert promote(place, "late", PERSON, asked).to == forced
    assert place.ledger.audit_entries()[-1].detail["overrides"] == [forced]
    assert back(place).to == v1
    assert fitness(place, forced) is Fitness.REJECTED


def test_a_forced_former_champion_is_never_a_target_by_itself(place: Place) -> None:
    v1, _ = place.champions(0.5, 0.4)
    forced = place.version(Event.VALIDATION_BEGAN, Event.GATE_FAILED)
    promote(place, "late", PERSON, Change("f", to=forced, override=[forced], reason="r"))
    place.clock.passes(minutes=10)
    place.champions(0.3)
    assert roles(place).standby == ("v2", v1, forced)
    assert plan(place, "late").to == "v2"
    assert back(place).to == "v2"
    assert back(place, "k2", to=v1).to == v1


def test_a_proven_former_champion_is_preferred_to_a_more_recent_one(place: Place) -> None:
    v1, v2, _ = place.champions(0.5, 0.4, 0.3)
    with place.ledger.change(
        ENGINE, "prove", "late", now=place.clock.now(), wall=place.clock.now()
    ) as change:
        change.happened(v1, Event.PROVED)
    assert plan(place, "late").to == v1
    assert back(place).to == v1
    assert v2 in roles(place).standby


def test_without_a_former_champion_a_rollback_is_refused_in_a_sentence(place: Place) -> None:
    said = refused(lambda: back(place), "no_target")
    assert "Rolling back late from nothing" in said
    place.champions(0.5)
    assert "no former champion" in refused(lambda: back(place), "no_target")
    assert not plan(place, "late").ready
    assert place.ledger.locks("late") == []


def test_safe_mode_is_gone_back_to_where_there_is_nothing_else(place: Place) -> None:
    simple = place.version(safe_mode=True)
    promote(place, "late", ROBOT, Change("f", to=simple, override=[simple], reason="safe mode"))
    place.champions(0.5)
    assert plan(place, "late").to == simple
    assert back(place).to == simple


def test_a_damaged_target_is_passed_over_and_refused_by_name(place: Place) -> None:
    v1, v2, v3 = place.champions(0.5, 0.4, 0.3)
    manifest = place.artifacts.manifest(place.ledger.version("late", v2).manifest or "")
    path = place.workspace.artifacts / f"{manifest.artifact}.skops"
    path.unlink()
    refused(lambda: back(place, "x", to=v2), "artifact_missing", UnavailableError)
    assert back(place).to == v1
    refused(
        lambda: promote(place, "late", PERSON, Change("p", to=v2, override=[v2], reason="r")),
        "artifact_missing",
        UnavailableError,
    )
    assert fitness(place, v3) is Fitness.ROLLED_BACK


def test_an_unknown_version_or_model_is_named(place: Place) -> None:
    place.champions(0.5, 0.4)
    refused(lambda: back(place, to="v99"), "unknown_version", UnknownError)
    refused(lambda: rollback(place, "x", PERSON, Change("k")), "unknown_model", UnknownError)
    assert place.ledger.audit_fault() is None


def test_an_automatic_promotion_decided_before_a_change_does_not_happen(place: Place) -> None:
    place.champions(0.5, 0.4)
    decided_at = roles(place).generation
    challenger = place.blessed()
    back(place)
    refused(
        lambda: promote(place, "late", ROBOT, Change("r", to=challenger), fence=decided_at),
        "conflict",
        ConflictError,
    )
    assert roles(place).champion == "v1"


def test_a_gate_passed_against_another_champion_is_no_evidence_now(place: Place) -> None:
    place.champions(0.5)
    challenger = place.blessed()
    place.champions(0.4)
    said = refused(
        lambda: promote(place, "late", PERSON, Change("p", to=challenger)), "gate_not_passed"
    )
    assert "judged against v1" in said
    forced = Change("f", to=challenger, override=[challenger], reason="I looked at it")
    assert promote(place, "late", PERSON, forced).changed


def test_only_a_persons_promotion_lifts_the_hold_and_moves_the_anchor(place: Place) -> None:
    place.champions(0.5, 0.4)
    back(place)
    by_robot = place.blessed()
    said = refused(
        lambda: promote(place, "late", ROBOT, Change("r", to=by_robot)), "conflict", ConflictError
    )
    assert "a hold stands" in said
    by_person = place.blessed()
    assert [k.kind for k in place.ledger.locks("late")] == ["hold"]
    assert roles(place).anchor == "v1"
    promote(place, "late", PERSON, Change("p", to=by_person))
    assert place.ledger.locks("late") == []
    assert roles(place).anchor == by_person


def test_what_serving_does_not_confirm_is_said_but_stays_recorded(place: Place) -> None:
    place.champions(0.5, 0.4)
    place.serving.behind = 1
    said = refused(lambda: back(place), "unconfirmed", UnavailableError)
    assert "it is recorded" in said
    assert roles(place).champion == "v1"
    place.serving.behind = 0
    assert back(place).changed


def test_undo_restores_roles_fitness_and_locks_as_they_were(place: Place) -> None:
    place.champions(0.5, 0.4)
    shadow = place.blessed()
    in_rollout(place, shadow)
    before = roles(place)
    back(place)
    place.clock.passes(seconds=59)
    answer = undone(place)
    assert (answer.from_, answer.to, answer.generation) == ("v1", "v2", before.generation + 2)
    now = roles(place)
    assert (now.champion, now.shadow, now.standby) == ("v2", shadow, ("v1",))
    assert fitness(place, "v2") is fitness(place, shadow) is Fitness.BLESSED
    assert place.ledger.locks("late") == []
    assert place.ledger.audit_fault() is None


def test_undo_is_for_a_minute_and_not_itself_undoable(place: Place) -> None:
    place.champions(0.5, 0.4)
    assert "60 s are allowed" in refused(lambda: undone(place), "not_undoable")
    back(place)
    place.clock.passes(seconds=61)
    refused(lambda: undone(place), "not_undoable")
    assert back(place, "x", to="v2", expect="v1").changed
    undone(place, "u1")
    assert "undo, which has no undo" in refused(lambda: undone(place, "u2"), "not_undoable")


def test_undo_is_refused_once_another_change_came_between(place: Place) -> None:
    place.champions(0.5, 0.4)
    back(place)
    locks.resume(place, "late", PERSON, LockRequest("r"))
    assert "last change was resume" in refused(lambda: undone(place), "not_undoable")
    assert roles(place).champion == "v1"


def test_news_of_other_versions_does_not_stand_between(place: Place) -> None:
    place.champions(0.5, 0.4)
    back(place)
    place.blessed()
    assert undone(place).to == "v2"


def test_an_automatic_promotion_taken_back_is_not_repeated_on_the_same_evidence(
    place: Place,
) -> None:
    (v1,) = place.champions(0.3)
    v2 = place.blessed(0.9, against=v1)
    assert rollout.begin(place, "late", v2)
    place.clock.passes(days=5)
    place.answered(v1, v2, late=0.9, score=0.3, shadow_score=0.9)
    place.clock.passes(days=1, minutes=1)
    assert rollout.advance(place, "late") == "promote"
    undone(place)
    assert roles(place).champion == v1
    assert rollout.advance(place, "late") == "wait"


def test_hold_and_resume_say_when_there_is_nothing_to_do(place: Place) -> None:
    place.champions(0.5)
    one = locks.hold(place, "late", PERSON, LockRequest("k1", "deploy freeze"))
    assert (one.changed, one.locks[0].reason) == (True, "deploy freeze")
    assert locks.hold(place, "late", PERSON, LockRequest("k1")) == one
    two = locks.hold(place, "late", PERSON, LockRequest("k2", "another"))
    assert (two.changed, two.locks) == (False, one.locks)
    assert "already held by ada" in two.message
    assert locks.resume(place, "late", PERSON, LockRequest("k3")).locks == []
    assert not locks.resume(place, "late", PERSON, LockRequest("k4")).changed
    assert len([e for e in place.ledger.audit_entries() if e.action in ("hold", "resume")]) == 2
