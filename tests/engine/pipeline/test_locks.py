"""Locks: what they stop and what they never stop, how they end, and what they have suppressed."""

from collections.abc import Callable

import pytest

from engine.domain.locks import EVERYWHERE
from engine.errors import CdmlError, ConflictError, InvalidError, RefusedError, UnknownError
from engine.jobs import triggers
from engine.jobs.runner import Runner
from engine.ledger.ledger import Ledger
from engine.pipeline import locks, requests, rollout
from engine.pipeline.overview import model_state, model_status
from engine.pipeline.promote import promote
from engine.pipeline.rollback import rollback
from engine.pipeline.undo import undo
from engine.settings import load
from engine.wire import Change, LockAnswer, LockRequest, RunRequest
from tests.engine.pipeline.place import PERSON, ROBOT, SETTINGS, Place, roles

Verb = Callable[..., LockAnswer]


def asked(key: str, reason: str = "", version: str | None = None) -> LockRequest:
    return LockRequest(key, reason, version)


def refused(ask: Callable[[], object], code: str, kind: type[CdmlError] = RefusedError) -> str:
    with pytest.raises(kind) as found:
        ask()
    assert found.value.code == code
    return found.value.message


def move(place: Place, to: str, *override: str, reason: str = "", key: str = "") -> object:
    asked = Change(key or f"p {to} {override} {reason}", to=to, override=[*override], reason=reason)
    return promote(place, "late", PERSON, asked)


@pytest.mark.parametrize(
    ("set_it", "lift_it", "kind"),
    [
        (locks.hold, locks.resume, "hold"),
        (locks.freeze, locks.thaw, "freeze"),
        (locks.pin, locks.unpin, "pin"),
    ],
)
def test_a_lock_is_set_and_lifted_once_by_key_and_by_state_and_outlives_a_restart(
    place: Place, set_it: Verb, lift_it: Verb, kind: str
) -> None:
    place.champions(0.5)
    one = set_it(place, "late", PERSON, asked("k1", "looking"))
    (lock,) = one.locks
    assert (one.changed, lock.kind, lock.owner, lock.reason) == (True, kind, "ada", "looking")
    assert set_it(place, "late", PERSON, asked("k1")) == one
    again = set_it(place, "late", PERSON, asked("k2", "me too"))
    assert (again.changed, again.locks) == (False, one.locks)
    assert again.message.startswith("already ")
    assert "by ada since 2024-03-01" in again.message
    reopened = Ledger(place.workspace.ledger)
    assert [k.kind for k in reopened.locks("late")] == [kind]
    reopened.close()
    assert lift_it(place, "late", PERSON, asked("k3")).locks == []
    none = lift_it(place, "late", PERSON, asked("k4"))
    assert (none.changed, none.message) == (False, f"not {locks.SAID[kind]}")
    assert place.ledger.audit_fault() is None


def test_unknown_models_are_named_and_only_a_freeze_is_for_all(place: Place) -> None:
    for verb in (locks.hold, locks.pin, locks.unpin, locks.resume, locks.freeze):
        refused(
            lambda verb=verb: verb(place, "x", PERSON, asked("k")), "unknown_model", UnknownError
        )
    refused(
        lambda: locks.hold(place, EVERYWHERE, PERSON, asked("k")), "unknown_model", UnknownError
    )
    assert locks.freeze(place, EVERYWHERE, PERSON, asked("k", "racks")).locks[0].everywhere


def test_a_freeze_of_all_stands_on_every_model_until_it_is_lifted_as_a_whole(place: Place) -> None:
    v1, _ = place.champions(0.5, 0.4)
    locks.freeze(place, EVERYWHERE, PERSON, asked("k", "racks"))
    (lock,) = model_state(place, "late", None).locks
    assert (lock.kind, lock.everywhere) == ("freeze", True)
    said = refused(lambda: move(place, v1), "locked")
    assert "Promoting v1 of late: the whole engine is frozen by ada since" in said
    assert "(racks)" in said
    assert "Lift it with cdml thaw, or go on in spite of it with --override-freeze" in said
    one = locks.thaw(place, "late", PERSON, asked("t"))
    assert (one.changed, one.message) == (False, "not frozen; the whole engine is: cdml thaw")
    assert locks.thaw(place, EVERYWHERE, PERSON, asked("u")).changed
    assert move(place, v1)
    assert place.ledger.audit_fault() is None


def test_under_a_freeze_a_person_promotes_by_override_and_reason_and_it_is_recorded(
    place: Place,
) -> None:
    v1, _ = place.champions(0.5, 0.4)
    locks.freeze(place, "late", PERSON, asked("k"))
    refused(lambda: move(place, v1, "freeze"), "locked")
    refused(lambda: move(place, v1, reason="because"), "locked")
    move(place, v1, "freeze", reason="the fix")
    entry = place.ledger.audit_entries()[-1]
    assert entry.detail["overrides"] == ["freeze"]
    assert [k.kind for k in place.ledger.locks("late")] == ["freeze"]


@pytest.mark.parametrize("lock", [locks.hold, locks.freeze, locks.pin])
def test_automation_passes_no_lock_and_learns_who_lifts_it(place: Place, lock: Verb) -> None:
    place.champions(0.5)
    lock(place, "late", PERSON, asked("k"))
    challenger = place.blessed()
    robot = Change("r", to=challenger, override=["freeze", "pin", "hold"], reason="r")
    said = refused(lambda: promote(place, "late", ROBOT, robot), "conflict", ConflictError)
    assert f"a {lock.__name__} stands" in said
    assert "cdml " in said
    assert not rollout.begin(place, "late", challenger)
    assert roles(place).shadow is None


def test_a_pinned_champion_stays_even_from_a_person_until_a_confirmed_rollback(
    place: Place,
) -> None:
    v1, v2 = place.champions(0.5, 0.4)
    said = refused(
        lambda: locks.pin(place, "late", PERSON, asked("k0", version=v1)), "conflict", ConflictError
    )
    assert "the champion is v2" in said
    locks.pin(place, "late", PERSON, asked("k", "audit week", v2))
    said = refused(lambda: move(place, v1, "pin", "freeze", reason="r"), "locked")
    assert "late is pinned to v2 by ada" in said
    assert "Lift it with cdml unpin late." in said
    assert "override" not in said

    plain = Change("r1")
    said = refused(lambda: rollback(place, "late", PERSON, plain), "locked")
    assert "--override pin --reason TEXT" in said
    spite = Change("r2", override=["pin"], reason="it is broken")
    assert rollback(place, "late", PERSON, spite).to == v1
    assert [k.kind for k in place.ledger.locks("late")] == ["hold"]
    assert place.ledger.audit_entries()[-1].detail["overrides"] == ["pin"]
    assert undo(place, "late", PERSON, Change("u")).to == v2
    assert [k.version for k in place.ledger.locks("late")] == [v2]
    assert place.ledger.audit_fault() is None


def test_a_rollback_needs_no_override_under_hold_and_freeze(place: Place) -> None:
    place.champions(0.5, 0.4)
    locks.hold(place, "late", PERSON, asked("h"))
    locks.freeze(place, EVERYWHERE, PERSON, asked("f"))
    assert rollback(place, "late", ROBOT, Change("r", expect="v2")).to == "v1"


def test_the_undo_of_a_rollback_is_a_promotion_under_a_freeze(place: Place) -> None:
    place.champions(0.5, 0.4)
    rollback(place, "late", PERSON, Change("r"))
    locks.freeze(place, EVERYWHERE, PERSON, asked("f"))
    assert "Undoing the rollback" in refused(
        lambda: undo(place, "late", PERSON, Change("u")), "locked"
    )
    spite = Change("v", override=["freeze"], reason="a slip")
    assert undo(place, "late", PERSON, spite).to == "v2"


def test_a_hold_ends_by_a_persons_promotion_and_forgets_what_it_stopped(place: Place) -> None:
    place.champions(0.5)
    locks.hold(place, "late", PERSON, asked("h"))
    challenger = place.blessed()
    for _ in range(3):
        assert not rollout.begin(place, "late", challenger)
    (lock,) = locks.standing(place, "late")
    assert [(s.action, s.count) for s in lock.suppressed] == [(f"shadow {challenger}", 1)]
    assert place.told_of("hold")[-1] == f"stopped: shadow {challenger}"
    move(place, challenger)
    assert locks.standing(place, "late") == []
    entry = place.ledger.audit_entries()[-1]
    assert entry.detail["suppressed"][0]["action"] == f"shadow {challenger}"
    locks.hold(place, "late", PERSON, asked("h2"))
    assert locks.standing(place, "late")[0].suppressed == []


# ---------------------------------------------------------------- what a freeze stops of launches


@pytest.fixture
def due(place: Place) -> tuple[Place, Runner]:
    """A model trained every day and on new data, with a champion; its schedules count from now."""
    text = SETTINGS.replace(
        "[models.late.train]", '[models.late.train]\nevery = "1d"\non = ["new_data"]'
    )
    place.workspace.config.write_text(text, encoding="utf-8")
    place.settings = load(place.workspace.config)
    place.champions(0.5)
    runner = Runner(place)
    triggers.due(place, runner)
    return place, runner


def trainings(runner: Runner) -> list[str]:
    return [row.cause for row in runner.rows() if row.job == "train"]


def test_a_freeze_stops_launches_counts_each_and_one_run_makes_up_for_all(
    due: tuple[Place, Runner],
) -> None:
    place, runner = due
    locks.freeze(place, EVERYWHERE, PERSON, asked("f", "racks"))
    for _ in range(3):
        place.clock.passes(days=1)
        triggers.due(place, runner)
        triggers.due(place, runner)
    triggers.new_data(place, runner, ["late"])
    assert trainings(runner) == []
    assert len([r for r in runner.rows() if r.job == "monitor"]) == 1
    (lock,) = model_status(place, "late").locks
    counts = {s.action: s.count for s in lock.suppressed}
    assert counts == {"train: every 1d": 3, "train: new data": 1}
    waits = [s.note for s in triggers.rows(place)]
    assert [n.startswith("waits: the whole engine is frozen by ada") for n in waits] == [
        True,
        False,
    ]

    thawed = locks.thaw(place, EVERYWHERE, PERSON, asked("t"))
    assert "train: every 1d (3 times), train: new data" in thawed.message
    assert "one training a model makes up for those" in thawed.message
    triggers.due(place, runner)
    (cause,) = trainings(runner)
    assert cause == (
        "makes up for what a freeze stopped: train: every 1d, 3 times; train: new data, 1 times"
    )
    triggers.due(place, runner)
    assert trainings(runner) == [cause]
    assert locks.standing(place, "late") == []
    place.clock.passes(days=1)
    triggers.due(place, runner)
    assert len(trainings(runner)[0].split("; every 1d, due")) == 2


def test_what_a_freeze_of_one_model_stopped_waits_while_all_are_frozen(
    due: tuple[Place, Runner],
) -> None:
    place, runner = due
    locks.freeze(place, "late", PERSON, asked("f"))
    locks.freeze(place, EVERYWHERE, PERSON, asked("g"))
    triggers.new_data(place, runner, ["late"])
    one = locks.thaw(place, "late", PERSON, asked("t"))
    assert (one.changed, len(one.locks)) == (True, 1)
    triggers.due(place, runner)
    assert trainings(runner) == []
    two = locks.thaw(place, EVERYWHERE, PERSON, asked("u"))
    assert "train: new data" in two.message
    triggers.due(place, runner)
    assert len(trainings(runner)) == 1


def test_a_freeze_refuses_the_reading_of_cdml_toml(place: Place) -> None:
    place.champions(0.5)
    locks.check_reload(place)
    locks.freeze(place, "late", PERSON, asked("f", "racks"))
    said = refused(lambda: locks.check_reload(place), "locked")
    assert "Reading cdml.toml again: late is frozen by ada" in said
    assert "cdml thaw late" in said


# ---------------------------------------------------------------- keys


def test_a_key_of_another_request_is_a_conflict_that_names_the_first(place: Place) -> None:
    _, v2 = place.champions(0.5, 0.4)
    used = f"made {v2}"
    requests.check_key(place, "promote", "late", used, v2)
    for verb, model, to in (
        ("rollback", "late", None), ("hold", "late", None), ("train", "late", None),
        ("promote", "other", v2), ("promote", "late", "v1"),
    ):  # fmt: skip
        said = refused(
            lambda verb=verb, model=model, to=to: requests.check_key(place, verb, model, used, to),
            "key_reused",
            ConflictError,
        )
        assert "promote v2 of late by ada at 2024-03-01" in said


@pytest.mark.parametrize("key", ["", "  ", "k" * 201])
def test_a_key_that_is_none_is_refused(place: Place, key: str) -> None:
    refused(lambda: requests.check_key(place, "hold", "late", key), "no_key", InvalidError)


def test_a_run_is_remembered_by_its_key_and_stands_in_the_audit(place: Place) -> None:
    v1, _ = place.champions(0.5, 0.4)
    move(place, v1)
    runner = Runner(place)
    row = runner.submit("late", "train", "operator ada")
    assert requests.run_of(place, "k") is None
    requests.record_run(place, PERSON, RunRequest("k", "new recipe"), row)
    assert requests.run_of(place, "k") == row.id
    entry = place.ledger.audit_entries()[-1]
    assert (entry.action, entry.reason, entry.key) == ("train", "new recipe", "k")
    assert entry.detail["run"] == row.id
    assert undo(place, "late", PERSON, Change("u")).to == "v2"


def test_an_interrupted_training_waits_for_the_thaw_and_an_interrupted_look_does_not(
    place: Place,
) -> None:
    place.champions(0.5)
    before = Runner(place)
    before.submit("late", "train", "new data")
    before.submit("late", "monitor", "every 1d")
    locks.freeze(place, "late", PERSON, asked("f"))
    after = Runner(place)
    after.repair()
    assert [r.job for r in after.rows() if r.state == "queued"] == ["monitor"]
    locks.thaw(place, "late", PERSON, asked("t"))
    triggers.due(place, after)
    (cause,) = [r.cause for r in after.rows() if r.job == "train" and r.state == "queued"]
    assert "train: r1 was interrupted, 1 times" in cause
