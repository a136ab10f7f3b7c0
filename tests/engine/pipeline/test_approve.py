"""In mode approve nothing steps up without a person's yes, and everybody sees what waits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.domain.lifecycle import Fitness
from engine.domain.rollouts import Next
from engine.errors import InvalidError, RefusedError
from engine.pipeline import overview, rollout, rollout_page
from engine.pipeline.approve import approve, reject
from engine.wire import Change
from tests.engine.pipeline.place import PERSON, SETTINGS, Place, roles
from tests.engine.pipeline.test_rollout import matured, shadowing


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Place]:
    """A workspace whose policy asks a person before each step up."""
    shadow = "shadow = { rows = 100 }"
    found = Place.made(tmp_path, SETTINGS.replace(shadow, f'mode = "approve"\n{shadow}'))
    yield found
    found.close()


def test_a_step_waits_for_a_person_and_is_seen_to(asking: Place) -> None:
    v1, v2 = shadowing(asking)
    asking.answered(v1, v2, late=0.9, score=0.3, shadow_score=0.9, n=200, days=5)
    asking.clock.passes(days=-3)
    with pytest.raises(RefusedError, match=r"inconclusive: \d+ of 100 labelled pairs"):
        approve(asking, "late", PERSON, Change("early", to=v2))
    asking.clock.passes(days=3)
    assert matured(asking) is Next.WAIT
    assert matured(asking) is Next.WAIT
    (told,) = [t for t in asking.told_of("rollout") if "waits for a person" in t]
    assert told.startswith(f"{v2} waits for a person to become champion: live pairs: +")
    assert f"cdml approve late {v2}" in told
    row = next(r for r in overview.version_rows(asking, "late") if r.version == v2)
    assert row.state == "shadow, waits for approval"
    assert overview.model_status(asking, "late").rollout == f"{v2} shadow, waits for approval"
    assert rollout_page.page(asking, "late").waiting == "to become champion"

    asked = Change("yes", to=v2, reason="looks right")
    made = approve(asking, "late", PERSON, asked)
    assert approve(asking, "late", PERSON, asked) == made
    assert (roles(asking).champion, roles(asking).anchor) == (v2, v2)
    entry = asking.ledger.audit_entries()[-1]
    assert (entry.action, entry.actor) == ("promote", "ada")
    assert entry.reason.startswith("looks right; live pairs: +")


def test_a_step_that_waits_is_still_aborted_by_harm(asking: Place) -> None:
    v1, v2 = shadowing(asking)
    asking.answered(v1, v2, late=0.9, score=0.3, shadow_score=0.9, n=200, days=5)
    assert matured(asking) is Next.WAIT
    with asking.store.write() as db:
        db.execute("update shadow_answers set answer = [0.01]")
    assert matured(asking) is Next.ABORT
    assert roles(asking).champion == v1


def test_a_no_stops_the_version_and_keeps_the_reason(asking: Place) -> None:
    v1, v2 = shadowing(asking)
    with pytest.raises(InvalidError, match="the reason is missing"):
        reject(asking, "late", PERSON, Change("no", to=v2))
    asked = Change("no", to=v2, reason="not on a Friday")
    made = reject(asking, "late", PERSON, asked)
    assert reject(asking, "late", PERSON, asked) == made
    assert asking.ledger.version("late", v2).fitness is Fitness.ABORTED
    assert (roles(asking).champion, roles(asking).shadow) == (v1, None)
    entry = asking.ledger.audit_entries()[-1]
    assert (entry.action, entry.reason) == ("reject", "not on a Friday")
    parked = asking.blessed(against=v1)
    reject(asking, "late", PERSON, Change("no 2", to=parked, reason="nor this one"))
    assert asking.ledger.version("late", parked).fitness is Fitness.ABORTED
    with pytest.raises(RefusedError, match=f"Rejecting {v1} of late: it is champion"):
        reject(asking, "late", PERSON, Change("no 3", to=v1, reason="x"))


def test_where_the_engine_steps_by_itself_nothing_waits_for_a_yes(place: Place) -> None:
    v1, v2 = shadowing(place)
    with pytest.raises(RefusedError, match='rollout mode is "automatic"'):
        approve(place, "late", PERSON, Change("yes", to=v2))
    with pytest.raises(RefusedError, match="v2 is being brought in"):
        approve(place, "late", PERSON, Change("yes 2", to=v1))
    rollout.stop(place, "late", PERSON, "enough")
    with pytest.raises(RefusedError, match="nothing is being brought in"):
        approve(place, "late", PERSON, Change("yes 3", to=v2))
