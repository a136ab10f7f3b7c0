"""Where a rollback goes, what it says, and what is seen after it."""

from typing import Any

import pytest

from engine.artifacts import ManifestFeature
from engine.domain.lifecycle import Event, Fitness
from engine.domain.roles import canarying
from engine.errors import InvalidError, RefusedError
from engine.ledger.change import ENGINE
from engine.pipeline import aftermath, locks, readiness
from engine.pipeline.promote import promote
from engine.pipeline.rollback import rollback
from engine.pipeline.undo import undo
from engine.pipeline.way_back import plan
from engine.wire import Change, ChangeAnswer, LockRequest
from tests.engine.pipeline.place import PERSON, ROBOT, Place, roles


def back(place: Place, key: str = "back", **more: Any) -> ChangeAnswer:
    return rollback(place, "late", PERSON, Change(key, **more))


def refused(act: Any) -> RefusedError:
    with pytest.raises(RefusedError) as found:
        act()
    return found.value


def simple_beside(place: Place, version: str) -> str:
    """Seal the safe mode that training leaves beside a version."""
    made = place.version(safe_mode=True, beside=version)
    assert made == f"{version}-safe"
    return made


def test_the_very_first_champion_has_a_way_back_too(place: Place) -> None:
    v1 = place.blessed()
    simple = simple_beside(place, v1)
    promote(place, "late", PERSON, Change("p", to=v1))
    assert roles(place).standby == (simple,)
    assert (plan(place, "late").to, plan(place, "late").ready) == (simple, True)
    answer = back(place)
    assert (answer.from_, answer.to, answer.changed) == (v1, simple, True)
    assert "v1-safe is safe mode, the simple baseline: every answer is flagged" in answer.message
    assert not back(place, "again").changed
    assert undo(place, "late", PERSON, Change("u")).to == v1
    assert roles(place).standby == (simple,)


def test_safe_mode_is_the_last_rung_whatever_came_before(place: Place) -> None:
    (v1,) = place.champions(0.5)
    v2 = place.blessed()
    simple = simple_beside(place, v2)
    promote(place, "late", PERSON, Change("p", to=v2))
    assert roles(place).standby == (v1, simple)
    assert back(place, "one").to == v1
    assert back(place, "two", expect=v1).to == simple
    assert (
        "no former champion is fit" in refused(lambda: back(place, "three", expect=simple)).message
    )


def test_nothing_trained_on_rows_after_a_moment_is_gone_back_to(place: Place) -> None:
    v1, v2, _ = place.champions(0.5, 0.4, 0.3)
    reseal(place, v1, "2024-01-15T00:00:00Z")
    assert back(place, "x", before="2024-02-01").to == v1
    assert place.ledger.version("late", v2).fitness is Fitness.BLESSED
    found = refused(lambda: back(place, "y", before="2024-01-01"))
    assert "trained on rows before 2024-01-01 only" in found.message
    with pytest.raises(InvalidError):
        back(place, "z", before="yesterday")


def reseal(place: Place, version: str, trained_to: str) -> None:
    """Have the ledger say until when a version was trained."""
    now = place.clock.now()
    with place.ledger.change(ENGINE, "register", "late", now=now, wall=now) as change:
        fitness = change.fitness_of(version)
        manifest = place.ledger.version("late", version).manifest or ""
        change.restore_fitness(version, Fitness.BUILDING)
        change.seal_version(version, manifest, "2024-01-01T00:00:00Z", trained_to, safe_mode=False)
        change.restore_fitness(version, fitness)


def test_a_person_may_name_what_would_never_be_chosen_and_is_told(place: Place) -> None:
    v1, v2 = place.champions(0.5, 0.4)
    rejected = place.version(Event.VALIDATION_BEGAN, Event.GATE_FAILED)
    robot = refused(lambda: rollback(place, "late", ROBOT, Change("r", to=rejected)))
    assert (robot.code, roles(place).champion) == ("not_eligible", v2)
    answer = back(place, "x", to=rejected)
    assert answer.to == rejected
    assert f"Warning: {rejected} is rejected" in answer.message
    assert "Warning" not in back(place, "y", to=v1).message
    unproven = place.blessed()
    assert "was never champion" in back(place, "z", to=unproven).message


@pytest.mark.parametrize("where", ["late", "*"])
def test_a_freeze_never_stands_in_the_way_of_going_back(place: Place, where: str) -> None:
    v1, _ = place.champions(0.5, 0.4)
    locks.freeze(place, where, PERSON, LockRequest("f", "deploy day"))
    assert plan(place, "late").ready
    assert back(place).to == v1
    assert "freeze" in {k.kind for k in locks.standing(place, "late")}


def test_a_pin_asks_a_person_to_confirm_and_is_gone_with_what_it_pinned(place: Place) -> None:
    v1, v2 = place.champions(0.5, 0.4)
    locks.pin(place, "late", PERSON, LockRequest("p", "for the audit"))
    shown = plan(place, "late")
    assert not shown.ready
    assert "cdml rollback late --override pin --reason TEXT" in shown.why
    assert refused(lambda: back(place)).code == "locked"
    assert roles(place).champion == v2
    assert back(place, "b", override=["pin"], reason="it is on fire").to == v1
    assert [k.kind for k in place.ledger.locks("late")] == ["hold"]


def test_a_canary_goes_with_its_champion_and_a_second_press_changes_nothing(place: Place) -> None:
    v1, _ = place.champions(0.5, 0.4)
    canary = place.blessed()
    now = place.clock.now()
    with place.ledger.change(ENGINE, "x", "late", now=now, wall=now) as change:
        change.set_roles(canarying(change.roles, canary, 10.0, "s"))
    assert back(place, "one").to == v1
    assert (roles(place).canary, roles(place).shadow) == (None, None)
    assert not back(place, "two").changed


def test_the_target_is_chosen_again_where_roles_moved_meanwhile(place: Place) -> None:
    v1, _ = place.champions(0.5, 0.4)
    whole, looked = place.artifacts.intact, []

    def slow(name: str, *, afresh: bool = False) -> bool:
        if not looked:
            looked.append(name)
            place.champions(0.2)
        return whole(name, afresh=afresh)

    place.artifacts.intact = slow  # type: ignore[method-assign]
    answer = back(place)
    assert (answer.from_, answer.to) == ("v3", "v2")
    assert roles(place).standby == (v1,)


# ---------------------------------------------------------------- readiness


def checks(place: Place) -> dict[str, bool]:
    return {c.name: c.ok for c in plan(place, "late").checks}


def test_readiness_is_kept_and_looked_at_anew_after_a_minute_or_a_change(place: Place) -> None:
    place.champions(0.5, 0.4)
    assert readiness.keep(place, "late")
    assert not readiness.keep(place, "late")
    place.clock.passes(seconds=61)
    assert readiness.keep(place, "late")
    back(place)
    assert readiness.keep(place, "late")


def test_a_feature_gone_upstream_turns_the_way_back_red_before_the_key(place: Place) -> None:
    v1 = place.blessed()
    promote(place, "late", PERSON, Change("one", to=v1))
    place.clock.passes(minutes=10)
    narrow = [ManifestFeature("gust", "numeric", nullable=True)]
    v2 = place.version(Event.VALIDATION_BEGAN, Event.GATE_PASSED, features=narrow)
    simple = place.version(safe_mode=True, beside=v2, features=narrow)
    promote(place, "late", PERSON, Change("two", to=v2))
    place.answered(v1, n=150)
    readiness.refresh(place, "late")
    assert (plan(place, "late").to, checks(place)["contract"]) == (v1, True)

    place.answered(v2, n=200, features='{"gust":1.0}')
    readiness.refresh(place, "late")
    shown = plan(place, "late")
    assert shown.to == simple
    (red,) = [c for c in shown.checks if not c.ok]
    assert red.name == f"{v1} passed over"
    assert red.found == 'takes 0 of the newest 200 live rows: missing feature "wind"'
    assert any(f"the way back: {v1}: takes 0 of" in text for text in place.told_of("readiness"))
    readiness.refresh(place, "late")
    assert len(place.told_of("readiness")) == 1
    answer = back(place, to=v1)
    assert "Warning: v1 takes 0 of the newest 200 live rows" in answer.message


def test_other_packages_and_damaged_files_are_said_before_the_key(place: Place) -> None:
    v1 = place.version(Event.VALIDATION_BEGAN, Event.GATE_PASSED, packages={"numpy": "1.0"})
    promote(place, "late", PERSON, Change("one", to=v1))
    place.clock.passes(minutes=10)
    place.champions(0.4)
    readiness.refresh(place, "late")
    assert checks(place)["environment"] is False
    manifest = place.artifacts.manifest(place.ledger.version("late", v1).manifest or "")
    (place.workspace.artifacts / f"{manifest.artifact}.skops").unlink()
    readiness.refresh(place, "late")
    shown = plan(place, "late")
    assert not shown.ready
    assert f"no way back is fit: {v1} its files are damaged or gone" in shown.why


def test_the_last_drill_stands_in_the_plan(place: Place) -> None:
    v1, _ = place.champions(0.5, 0.4)
    readiness.drilled(place, "late", v1, ok=True, found="120 live rows answered")
    readiness.refresh(place, "late")
    (drill,) = [c for c in plan(place, "late").checks if c.name == "drill"]
    assert drill.found == "2024-03-01T00:20Z 120 live rows answered"


# ---------------------------------------------------------------- afterwards


def last_reason(place: Place, action: str) -> str:
    return next(e.reason for e in reversed(place.ledger.audit_entries()) if e.action == action)


def test_a_rollback_is_verified_on_probe_rows_and_a_minute_of_live_ones(place: Place) -> None:
    v1, _ = place.champions(0.5, 0.4)
    back(place)
    aftermath.verify(place, "late")
    assert "verify" not in {e.action for e in place.ledger.audit_entries()}
    place.clock.passes(seconds=61)
    place.serving.counted = {v1: (300, 1)}
    aftermath.verify(place, "late")
    said = f"{v1} answers the probe rows as recorded; 300 live rows answered, 1 failed"
    assert said in place.told_of("rollback")
    assert last_reason(place, "verify") == said
    count = len(place.ledger.audit_entries())
    aftermath.verify(place, "late")
    assert len(place.ledger.audit_entries()) == count


def test_a_rollback_that_does_not_answer_is_critical_and_names_the_next_rung(place: Place) -> None:
    v1, v2, _ = place.champions(0.5, 0.4, 0.3)
    back(place)
    place.serving.broken = {v2}
    aftermath.verify(place, "late")
    assert f"Next: cdml rollback late --to {v1}" in last_reason(place, "verify")
    assert place.ledger.events()[-1].level == "CRIT"
    assert roles(place).champion == v2
    back(place, "next", to=v1)
    place.serving.counted = {v1: (10, 10)}
    place.clock.passes(seconds=61)
    aftermath.verify(place, "late")
    assert "10 of 20 live rows failed" in last_reason(place, "verify")


def test_no_live_row_is_said_and_is_no_success(place: Place) -> None:
    place.champions(0.5, 0.4)
    back(place)
    place.clock.passes(minutes=2)
    aftermath.verify(place, "late")
    assert "no live row came to be seen by" in last_reason(place, "verify")
    entry = place.ledger.audit_entries()[-1]
    assert entry.detail["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("score", "late", "said"),
    [
        (0.9, 0.95, "the rollback helped"),
        (0.4, 0.95, "the rollback did not help"),
    ],
)
def test_one_window_after_a_rollback_it_is_said_whether_it_helped(
    place: Place, score: float, late: float, said: str
) -> None:
    v1, v2 = place.champions(0.5, 0.4)
    place.clock.passes(days=8)
    place.answered(v2, n=400, days=7, late=late, score=0.4)
    back(place)
    place.clock.passes(days=7)
    place.answered(v1, n=400, days=6.9, late=late, score=score)
    aftermath.assess(place, "late")
    assert "assess" not in {e.action for e in place.ledger.audit_entries()}
    place.clock.passes(days=1, minutes=1)
    aftermath.assess(place, "late")
    assert last_reason(place, "assess").startswith(said)
    assert ("Suspect the data" in last_reason(place, "assess")) == (score == 0.4)
    assert any(text.startswith(said) for text in place.told_of("rollback"))


def test_a_rollback_that_was_undone_is_not_judged(place: Place) -> None:
    place.champions(0.5, 0.4)
    back(place)
    undo(place, "late", PERSON, Change("u"))
    place.clock.passes(days=30)
    aftermath.verify(place, "late")
    aftermath.assess(place, "late")
    actions = {e.action for e in place.ledger.audit_entries()}
    assert not actions & {"verify", "assess"}


def test_probe_rows_that_an_engine_died_over_are_asked_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    v1, _ = place.champions(0.5, 0.4)
    back(place)

    def dies(*_: Any) -> Any:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(place.serving, "probe", dies)
        with pytest.raises(SystemExit):
            aftermath.verify(place, "late")
    place.serving.broken.add(v1)
    aftermath.verify(place, "late")
    assert "its probe rows are not answered" in last_reason(place, "verify")
