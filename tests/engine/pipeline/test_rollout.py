"""A shadow steps only on evidence of live rows, and a hold stops it."""

from collections.abc import Callable

import pytest

from engine.domain.lifecycle import Event, Fitness
from engine.domain.rollouts import Next
from engine.errors import RefusedError
from engine.jobs import triggers
from engine.jobs.runner import Runner
from engine.pipeline import locks, rollout, taints, validate
from engine.pipeline.promote import promote
from engine.pipeline.rollback import rollback
from engine.pipeline.undo import undo
from engine.store import predictions
from engine.wire import Change, GateReport, LockAnswer, LockRequest, TaintRequest
from tests.engine.pipeline.place import PERSON, Place, roles


def shadowing(place: Place) -> tuple[str, str]:
    """Return a champion and the challenger that shadows it, six days later."""
    (v1,) = place.champions(0.3)
    v2 = place.blessed(0.9, against=v1)
    assert rollout.begin(place, "late", v2)
    assert roles(place).shadow == v2
    place.clock.passes(days=6)
    return v1, v2


def matured(place: Place) -> Next | None:
    place.clock.passes(days=1, minutes=1)
    return rollout.advance(place, "late")


def test_a_shadow_that_is_shown_better_is_promoted(place: Place) -> None:
    v1, v2 = shadowing(place)
    place.answered(v1, v2, late=0.9, score=0.3, shadow_score=0.9, n=200, days=5)
    assert matured(place) is Next.PROMOTE
    assert (roles(place).champion, roles(place).shadow, roles(place).standby) == (v2, None, (v1,))
    assert roles(place).anchor == v1
    entry = place.ledger.audit_entries()[-1]
    assert "live pairs: +" in entry.reason
    assert "n 200" in entry.reason


def test_a_shadow_that_is_shown_worse_is_aborted(place: Place) -> None:
    v1, v2 = shadowing(place)
    place.answered(v1, v2, late=0.1, score=0.1, shadow_score=0.9, n=200, days=5)
    assert matured(place) is Next.ABORT
    assert place.ledger.version("late", v2).fitness is Fitness.ABORTED
    assert (roles(place).champion, roles(place).shadow) == (v1, None)


def test_too_few_or_unripe_rows_are_waited_for(place: Place) -> None:
    v1, v2 = shadowing(place)
    place.answered(v1, v2, late=0.9, score=0.3, shadow_score=0.9, n=99, days=5)
    assert rollout.advance(place, "late") is Next.WAIT
    assert matured(place) is Next.WAIT
    assert roles(place).shadow == v2


def test_a_shadow_that_shows_nothing_is_given_up_after_four_times_its_rows(place: Place) -> None:
    v1, v2 = shadowing(place)
    place.answered(v1, v2, score=0.5, shadow_score=0.5, n=399, days=5)
    assert matured(place) is Next.WAIT
    place.answered(v1, v2, score=0.5, shadow_score=0.5, n=10, days=0.5)
    assert matured(place) is Next.ABORT


def test_a_hold_stops_the_step_up_but_not_the_step_down(place: Place) -> None:
    v1, v2 = shadowing(place)
    locks.hold(place, "late", PERSON, LockRequest("h"))
    place.answered(v1, v2, late=0.9, score=0.3, shadow_score=0.9, n=200, days=5)
    assert matured(place) is Next.WAIT
    assert roles(place).champion == v1
    with place.store.write() as db:
        db.execute("update shadow_answers set answer = [0.01]")
    assert rollout.advance(place, "late") is Next.ABORT


def test_a_rollback_ends_the_rollout_and_its_hold_keeps_the_next_one_from_beginning(
    place: Place,
) -> None:
    place.champions(0.3, 0.4)
    v3 = place.blessed(against="v2")
    rollout.begin(place, "late", v3)
    rollback(place, "late", PERSON, Change("back"))
    assert rollout.advance(place, "late") is None
    assert not rollout.begin(place, "late", place.blessed(against="v1"))
    assert place.told_of("hold")[-1] == "stopped: shadow v4"


def test_a_version_judged_against_a_former_champion_begins_no_rollout(place: Place) -> None:
    v1, v2 = place.champions(0.3, 0.4)
    assert not rollout.begin(place, "late", place.blessed(against=v1))
    assert f"judged against {v1}, the champion is {v2}" in place.told_of("rollout")[-1]


def test_without_anything_in_shadow_there_is_nothing_to_advance(place: Place) -> None:
    assert rollout.advance(place, "late") is None
    place.champions(0.3)
    assert rollout.advance(place, "late") is None
    assert predictions.count(place.store, "late", "v1") == 0


def judged(place: Place, fence: int | None = None) -> str:
    """Return a version that passes its gate now, in a run that began at a generation."""
    version = place.version(Event.VALIDATION_BEGAN)
    now = roles(place)
    report = GateReport("pass", now.champion, None, None, 100, [], [], 0.4)
    fence = now.generation if fence is None else fence
    validate.record(place, "late", version, report, fence=fence)
    return version


@pytest.mark.parametrize(
    ("set_it", "lift_it"), [(locks.hold, locks.resume), (locks.freeze, locks.thaw)]
)
def test_what_a_lock_kept_waiting_begins_once_it_is_lifted(
    place: Place, set_it: Callable[..., LockAnswer], lift_it: Callable[..., LockAnswer]
) -> None:
    place.champions(0.3)
    set_it(place, "late", PERSON, LockRequest("set"))
    older, newest = judged(place), judged(place)
    runner = Runner(place)
    assert not rollout.begin(place, "late", newest, fence=roles(place).generation)
    triggers.due(place, runner)
    assert roles(place).shadow is None
    lift_it(place, "late", PERSON, LockRequest("lift"))
    triggers.due(place, runner)
    assert roles(place).shadow == newest
    assert place.ledger.version("late", older).fitness is Fitness.BLESSED
    before = roles(place)
    triggers.due(place, runner)
    assert roles(place) == before


def test_what_passed_its_gate_begins_after_an_engine_that_ended_before_it_could(
    place: Place,
) -> None:
    place.champions(0.3)
    version = judged(place)
    assert rollout.take_up(place, "late")
    assert roles(place).shadow == version


def test_what_a_rollback_overtook_does_not_begin_when_the_hold_is_lifted(place: Place) -> None:
    place.champions(0.3, 0.4)
    began = roles(place).generation
    rollback(place, "late", PERSON, Change("back"))
    judged(place, fence=began)
    locks.resume(place, "late", PERSON, LockRequest("r"))
    assert not rollout.take_up(place, "late")
    assert roles(place).shadow is None


def test_what_a_person_took_back_does_not_begin_by_itself(place: Place) -> None:
    (v1,) = place.champions(0.3)
    version = judged(place)
    promote(place, "late", PERSON, Change("p", to=version))
    undo(place, "late", PERSON, Change("u"))
    assert roles(place).champion == v1
    assert not rollout.take_up(place, "late")


def test_a_version_that_is_brought_in_is_neither_judged_nor_begun_again(place: Place) -> None:
    _, v2 = shadowing(place)
    before = roles(place)
    with pytest.raises(RefusedError, match=f"Validating {v2} of late: it is being brought in"):
        validate.check_askable(place, "late", v2)
    assert rollout.begin(place, "late", v2)
    assert roles(place) == before
    assert place.ledger.version("late", v2).fitness is Fitness.BLESSED


def test_a_version_tainted_while_it_was_judged_begins_no_rollout(place: Place) -> None:
    place.champions(0.3)
    version = place.version(Event.VALIDATION_BEGAN)
    taints.taint(place, "late", PERSON, TaintRequest("t", version=version))
    report = GateReport("pass", roles(place).champion, None, None, 100, [], [], 0.4)
    validate.record(place, "late", version, report, fence=roles(place).generation)
    assert not rollout.begin(place, "late", version, fence=roles(place).generation)
    assert roles(place).shadow is None
    assert place.told_of("rollout")[-1].startswith(f"{version} waits: it is tainted")


def test_a_lock_set_while_a_rollout_begins_still_stops_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.champions(0.3)
    version = judged(place)
    outdated = rollout._outdated

    def meanwhile(*args: object) -> str | None:
        locks.hold(place, "late", PERSON, LockRequest("h"))
        return outdated(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(rollout, "_outdated", meanwhile)
    assert not rollout.begin(place, "late", version)
    assert roles(place).shadow is None
    assert place.told_of("hold")[-1] == f"stopped: shadow {version}"
