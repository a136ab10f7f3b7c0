"""The evidence of a rollout: a readable path that outlives restarts, and whom it binds."""

from engine.domain.rollouts import Next
from engine.pipeline import evidence, locks, rollout, rollout_page
from engine.pipeline.promote import promote
from engine.pipeline.rollback import rollback
from engine.pipeline.undo import undo
from engine.wire import Change, LockRequest
from tests.engine.pipeline.place import PERSON, Place, roles
from tests.engine.pipeline.test_rollout import matured, shadowing


def test_evidence_is_kept_as_a_path_of_looks_and_outlives_a_restart(place: Place) -> None:
    v1, v2 = shadowing(place)
    for _ in range(3):
        place.answered(v1, v2, late=0.5, score=0.4, shadow_score=0.5, n=60, days=5)
        assert matured(place) is Next.WAIT
    page = rollout_page.page(place, "late")
    (quality,) = page.guardrails
    assert (page.phase, page.version, page.mode) == ("shadow", v2, "automatic")
    assert [look.n for look in quality.looks] == [120, 180]
    assert all((k.low or 0) < (k.value or 0) < (k.high or 0) for k in quality.looks)
    assert (quality.boundary, quality.acting) == (-0.01, True)
    assert page.why.startswith("inconclusive: live pairs: ")
    again = Place.made(place.workspace.root / "again")
    for key in ("rollout:late",):
        again.ledger.set_meta(key, place.ledger.meta(key) or "")
    assert evidence.kept(again, "late") == evidence.kept(place, "late")
    again.close()


def test_a_path_stays_short_however_often_one_looks(place: Place) -> None:
    v1, v2 = shadowing(place)
    place.answered(v1, v2, late=0.5, score=0.4, shadow_score=0.4, n=110, days=5)
    for _ in range(2 * evidence.LOOKS):
        place.answered(v1, v2, late=0.5, score=0.4, shadow_score=0.4, n=1, days=0.01)
        matured(place)
    kept = evidence.kept(place, "late")
    assert kept is not None
    looks = kept.guardrails[0].looks
    assert evidence.LOOKS / 2 < len(looks) <= evidence.LOOKS
    assert looks[0].n < 115
    assert [look.n for look in looks] == sorted({look.n for look in looks})


def test_undo_of_what_evidence_led_to_begins_the_evidence_anew(place: Place) -> None:
    v1, v2 = shadowing(place)
    place.answered(v1, v2, late=0.9, score=0.3, shadow_score=0.9, n=200, days=5)
    assert matured(place) is Next.PROMOTE
    undo(place, "late", PERSON, Change("u"))
    assert (roles(place).champion, roles(place).shadow) == (v1, v2)
    assert rollout.advance(place, "late") is Next.WAIT


def test_what_was_looked_at_before_a_change_is_not_remembered_after_it(place: Place) -> None:
    v1, v2 = shadowing(place)
    place.answered(v1, v2, late=0.9, score=0.3, shadow_score=0.9, n=200, days=5)
    place.clock.passes(days=1, minutes=1)
    looked = rollout.look(place, "late")
    assert looked is not None
    evidence.begun(place, "late", v2, roles(place).generation)
    assert not evidence.replaced(place, "late", looked.before, looked.after)
    kept = evidence.kept(place, "late")
    assert kept is not None
    assert kept.guardrails == []


def test_how_the_last_rollout_ended_stays_to_be_seen(place: Place) -> None:
    assert rollout_page.page(place, "late").phase == "none"
    v1, v2 = shadowing(place)
    place.answered(v1, v2, late=0.9, score=0.3, shadow_score=0.9, n=200, days=5)
    assert matured(place) is Next.PROMOTE
    assert rollout.advance(place, "late") is None
    page = rollout_page.page(place, "late")
    assert (page.phase, page.version, page.decision) == ("none", v2, "promote")
    assert page.ended.startswith("promoted")
    assert page.guardrails[0].n == 200


def test_a_training_that_began_before_a_rollback_does_not_go_live(place: Place) -> None:
    _, v2 = place.champions(0.3, 0.4)
    began = roles(place).generation
    v3 = place.blessed(against=v2)
    rollback(place, "late", PERSON, Change("back"))
    assert not rollout.begin(place, "late", v3, fence=began)  # the hold
    locks.resume(place, "late", PERSON, LockRequest("go on"))
    assert not rollout.begin(place, "late", v3, fence=began)  # judged against another champion
    forced = Change("again", to=v2, override=[v2], reason="it was the data")
    promote(place, "late", PERSON, forced)
    assert not rollout.begin(place, "late", v3, fence=began)  # the same champion, made anew
    said = f"its training began at generation {began}, {v2} became champion at"
    assert said in place.told_of("rollout")[-1]
    assert (roles(place).champion, roles(place).shadow) == (v2, None)
    assert rollout.begin(place, "late", v3, fence=roles(place).generation)
