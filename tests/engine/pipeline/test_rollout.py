"""A shadow steps only on evidence of live rows, and a hold stops it."""

from engine.domain.lifecycle import Fitness
from engine.domain.rollouts import Next
from engine.pipeline import locks, rollout
from engine.pipeline.rollback import rollback
from engine.store import predictions
from engine.wire import Change, LockRequest
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
