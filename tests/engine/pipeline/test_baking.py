"""An automatic rollback: while baking, on fresh alarms, once, and never where it is the data."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.domain.lifecycle import Event
from engine.ledger.change import ENGINE
from engine.pipeline import baking, locks
from engine.pipeline.promote import promote
from engine.pipeline.rollback import rollback
from engine.wire import Change, LockRequest
from tests.engine.pipeline.place import PERSON, SETTINGS, Place, roles


def sick(place: Place, rows: int = 30, failed: int = 30) -> bool:
    """Have the champion fail rows, and look."""
    answered, bad = place.serving.counted.get(roles(place).champion, (0, 0))
    place.serving.counted = {roles(place).champion: (answered + rows - failed, bad + failed)}
    return baking.watch(place, "late")


def test_a_baking_champion_that_fails_its_clients_is_rolled_back(place: Place) -> None:
    v1, v2 = place.champions(0.3, 0.4)
    assert not sick(place, rows=500, failed=2)
    place.answered(v2)
    assert sick(place)
    assert roles(place).champion == v1
    entry = place.ledger.audit_entries()[-1]
    assert (entry.action, entry.actor) == ("rollback", "baking")
    assert entry.reason.startswith(f"{v2} failed 32 of 530 rows, surely more than")
    assert [k.kind for k in place.ledger.locks("late")] == ["hold"]
    assert place.ledger.incidents.standing("late") is not None


def test_never_of_a_rollback(place: Place) -> None:
    place.champions(0.3, 0.4, 0.5)
    rollback(place, "late", PERSON, Change("back"))
    assert roles(place).champion == "v2"
    assert sick(place)
    assert roles(place).champion == "v2"
    assert "No automatic rollback: v2 became champion by rollback" in place.told_of("baking")[-1]


def test_once_an_incident(place: Place) -> None:
    v1, v2 = place.champions(0.3, 0.4)
    assert sick(place)
    assert roles(place).champion == v1
    forced = Change("again", to=v2, override=[v2], reason="once more")
    promote(place, "late", PERSON, forced)
    assert sick(place)
    assert roles(place).champion == v2
    assert "has had its automatic rollback" in place.told_of("baking")[-1]


def test_an_engine_that_dies_before_it_acts_acts_when_it_is_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    v1, v2 = place.champions(0.3, 0.4)

    def dies(*_: object) -> tuple[int, bool]:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(baking, "rollback", dies)
        patch.setattr(place.ledger, "set_meta", dies)
        with pytest.raises(SystemExit):
            sick(place)
    assert roles(place).champion == v2
    assert baking.watch(place, "late")
    assert roles(place).champion == v1


def test_never_where_the_version_gone_back_to_fails_the_same_rows(place: Place) -> None:
    v1, v2 = place.champions(0.3, 0.4)
    place.answered(v2)
    place.serving.broken.add(v1)
    assert sick(place)
    assert roles(place).champion == v2
    told = place.told_of("baking")[-1]
    assert f"it is the data: {v1} fails 50 of the newest 50 rows too" in told


def test_a_proven_champion_is_left_to_a_person(place: Place) -> None:
    _, v2 = place.champions(0.3, 0.4)
    now = place.clock.now()
    with place.ledger.change(ENGINE, "prove", "late", now=now, wall=now) as change:
        change.happened(v2, Event.PROVED)
    assert sick(place)
    assert roles(place).champion == v2
    assert f"{v2} is proven, a person decides" in place.told_of("baking")[-1]


@pytest.mark.parametrize("lock", ["freeze", "pin"])
def test_a_freeze_and_a_pin_stop_it_and_a_hold_does_not(place: Place, lock: str) -> None:
    v1, v2 = place.champions(0.3, 0.4)
    set_lock = locks.freeze if lock == "freeze" else locks.pin
    set_lock(place, "late", PERSON, LockRequest("l"))
    assert sick(place)
    assert roles(place).champion == v2
    assert f"a {lock} stands" in place.told_of("baking")[-1]
    assert v1 in roles(place).standby


def test_an_alarm_is_acted_on_only_while_its_evidence_is_fresh(place: Place) -> None:
    _, v2 = place.champions(0.3, 0.4)
    assert not sick(place, rows=2, failed=1)
    place.clock.passes(minutes=25)
    # The rows that failed are old; those that came since were answered.
    assert not sick(place, rows=1, failed=0)
    assert roles(place).champion == v2


def test_the_same_alarm_is_told_once(place: Place) -> None:
    (v1,) = place.champions(0.3)
    assert sick(place)
    assert not sick(place)
    assert len(place.told_of("baking")) == 1
    assert "there is no version to go back to" in place.told_of("baking")[-1]
    assert roles(place).champion == v1


def test_counts_of_a_serving_process_that_began_anew_are_added(place: Place) -> None:
    place.champions(0.3, 0.4)
    for rows in (400, 300, 200, 100):
        place.serving.counted = {}
        assert not sick(place, rows=rows, failed=1)
    text = place.ledger.meta("baking:late") or ""
    assert '"rows":1000,"failed":4' in text


def refuses(place: Place, *, rows: int, spared: dict[str, int], answered: int = 0) -> bool:
    """Have the champion's contract refuse rows of which others take some, and look."""
    champion = roles(place).champion
    serving = place.serving
    before = serving.counted.get(champion, (0, 0))
    serving.counted = {champion: (before[0] + answered, before[1])}
    serving.refused = {champion: serving.refused.get(champion, 0) + rows}
    serving.spared = {v: serving.spared.get(v, 0) + n for v, n in spared.items()}
    return baking.watch(place, "late")


def test_a_baking_champion_that_refuses_what_the_way_back_takes_is_rolled_back(
    place: Place,
) -> None:
    v1, v2 = place.champions(0.3, 0.4)
    place.answered(v2)
    assert not refuses(place, rows=2, spared={v1: 2}, answered=500)
    assert refuses(place, rows=40, spared={v1: 38})
    assert roles(place).champion == v1
    reason = place.ledger.audit_entries()[-1].reason
    assert reason.startswith(f"{v2} refused 42 of 542 rows by its contract, 40 of them {v1} takes")


def test_rows_that_the_way_back_refuses_as_well_are_no_alarm(place: Place) -> None:
    v1, v2 = place.champions(0.3, 0.4)
    place.answered(v2)
    assert not refuses(place, rows=300, spared={})
    assert not refuses(place, rows=300, spared={v1: 1, "v1-safe": 300})
    assert roles(place).champion == v2
    assert place.told_of("baking") == []


def test_refusals_of_a_serving_process_that_began_anew_are_added(place: Place) -> None:
    v1, _ = place.champions(0.3, 0.4)
    for rows in (9, 5):
        place.serving.refused, place.serving.spared = {}, {}
        assert not refuses(place, rows=rows, spared={v1: rows}, answered=1000)
    text = place.ledger.meta("baking:late") or ""
    assert '"refused":14,"heard_refused":5,"spared":{"v1":14}' in text


@pytest.fixture
def passive(tmp_path: Path) -> Iterator[Place]:
    """A workspace whose policy leaves rolling back to people."""
    shadow = "shadow = { rows = 100 }"
    found = Place.made(tmp_path, SETTINGS.replace(shadow, f"{shadow}\nauto_rollback = false"))
    yield found
    found.close()


def test_where_the_policy_says_so_it_only_alerts(passive: Place) -> None:
    _, v2 = passive.champions(0.3, 0.4)
    assert sick(passive)
    assert roles(passive).champion == v2
    assert "auto_rollback = false" in passive.told_of("baking")[-1]
