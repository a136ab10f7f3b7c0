"""Taints: how they spread, what they keep out, and how they are lifted."""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from engine.clock import iso
from engine.domain.lifecycle import Event, Fitness
from engine.errors import CdmlError, InvalidError, RefusedError, UnknownError
from engine.pipeline import rollout, taints, tracing, train
from engine.pipeline.ingest import ingest
from engine.pipeline.promote import promote
from engine.pipeline.rollback import rollback
from engine.pipeline.undo import undo
from engine.store import snapshots
from engine.wire import AuditQuestion, Change, TaintAnswer, TaintRequest
from tests.engine.pipeline.place import PERSON, ROBOT, START, Place, csv, roles
from tests.engine.pipeline.test_training import Here, fitted

DAYS = {"from_": "2024-01-10", "to": "2024-01-12"}


def fitness(place: Place, version: str) -> Fitness:
    return place.ledger.version("late", version).fitness


def tainted(place: Place, key: str = "t", **what: object) -> TaintAnswer:
    return taints.taint(place, "late", PERSON, TaintRequest(key, **what))  # type: ignore[arg-type]


def refused(ask: Callable[[], object], code: str, kind: type[CdmlError] = RefusedError) -> str:
    with pytest.raises(kind) as found:
        ask()
    assert found.value.code == code
    return found.value.message


def three(place: Place) -> list[str]:
    """Three former champions: trained on January, on February, on both without two days."""
    made = []
    for trained, without in (
        (("2024-01-01T00:00:00Z", "2024-01-31T00:00:00Z"), []),
        (("2024-02-01T00:00:00Z", "2024-02-20T00:00:00Z"), []),
        (
            ("2024-01-01T00:00:00Z", "2024-02-20T00:00:00Z"),
            [("2024-01-09T00:00:00Z", "2024-01-20T00:00:00Z")],
        ),
    ):
        version = place.version(
            Event.VALIDATION_BEGAN, Event.GATE_PASSED, trained=trained, without=without,
            bias=0.3 + len(made) / 10,
        )  # fmt: skip
        made.append(version)
        promote(place, "late", PERSON, Change(f"p{version}", to=version))
        place.clock.passes(minutes=10)
    return made


def test_rows_taint_who_was_trained_on_them_and_nobody_else(place: Place) -> None:
    v1, v2, v3 = three(place)
    generation = roles(place).generation
    answer = tainted(place, **DAYS, reason="poisoned")
    assert (answer.versions, answer.changed) == ([v1], True)
    assert answer.generation == generation + 1
    assert [fitness(place, v) for v in (v1, v2, v3)] == [
        Fitness.TAINTED, Fitness.BLESSED, Fitness.BLESSED
    ]  # fmt: skip
    assert roles(place).standby == (v2,)
    entry = place.ledger.audit_entries()[-1]
    assert (entry.action, entry.detail["taint"]["reason"]) == ("taint", "poisoned")
    assert entry.detail["fitness"] == {v1: ["blessed", "tainted"]}
    assert place.ledger.audit_fault() is None


def test_a_tainted_version_is_neither_promoted_nor_gone_back_to(place: Place) -> None:
    v1, v2, v3 = three(place)
    tainted(place, **DAYS)
    said = (
        f"Refused: {v1} is tainted by rows of 2024-01-10..12. {{}} {v2}, or lift the taint with "
        "cdml taint late --lift 1."
    )
    forced = Change("p", to=v1, override=[v1], reason="r")
    for actor in (PERSON, ROBOT):
        found = refused(lambda actor=actor: promote(place, "late", actor, forced), "tainted")
        assert found == said.format("Promote")
    found = refused(lambda: rollback(place, "late", PERSON, Change("r", to=v1)), "tainted")
    assert found == said.format("Roll back to")
    assert rollback(place, "late", PERSON, Change("b")).to == v2
    assert roles(place).champion == v2
    assert fitness(place, v3) is Fitness.ROLLED_BACK


def test_the_champion_goes_on_serving_and_its_rollout_is_stopped(place: Place) -> None:
    v1, v2 = place.champions(0.5, 0.4)
    shadow = place.blessed(against=v2)
    assert rollout.begin(place, "late", shadow)
    answer = tainted(place, **DAYS)
    assert answer.versions == [v1, v2, shadow]
    now = roles(place)
    assert (now.champion, now.shadow, now.standby) == (v2, None, ())
    assert f"{v2} serves and is tainted by rows of" in place.told_of("taint")[-1]


def test_a_taint_is_set_once_by_key_and_by_state(place: Place) -> None:
    place.champions(0.5)
    one = tainted(place, **DAYS)
    assert tainted(place, **DAYS) == one
    two = tainted(place, "u", from_="2024-01-10T00:00:00Z", to="2024-01-13T00:00:00Z")
    assert (two.changed, two.message) == (False, "tainted already, as taint 1")
    assert [t.number for t in two.taints] == [1]


def test_lifting_returns_versions_to_registered_unless_another_taint_stands(place: Place) -> None:
    v1, _, _ = three(place)
    tainted(place, **DAYS)
    tainted(place, "u", version=v1, reason="odd answers")
    assert taints.listed(place, "late")[1].touches == [v1]
    said = refused(lambda: tainted(place, "l", lift=0), "unknown_taint", UnknownError)
    assert "Standing: 1 (rows of 2024-01-10..12 (by hand)), 2 (v1 (odd answers))" in said
    assert tainted(place, "l1", lift=1).versions == []
    assert fitness(place, v1) is Fitness.TAINTED
    last = tainted(place, "l2", lift=0, reason="looked at it")
    assert last.versions == [v1]
    assert last.message.endswith("; to pass the gate anew: v1")
    assert fitness(place, v1) is Fitness.REGISTERED
    again = tainted(place, "l3", lift=2)
    assert (again.changed, again.message) == (False, "taint 2 was lifted already")
    refused(lambda: promote(place, "late", PERSON, Change("p", to=v1)), "gate_not_passed")
    assert [bool(t.lifted) for t in taints.listed(place, "late")] == [True, True]
    assert place.ledger.audit_fault() is None


@pytest.mark.parametrize(
    ("what", "code", "kind"),
    [
        ({}, "usage", InvalidError),
        ({"version": "v1", "batch": "abcd"}, "usage", InvalidError),
        ({"from_": "2024-01-01"}, "usage", InvalidError),
        ({"from_": "2024-01-02", "to": "2024-01-01"}, "bad_time", InvalidError),
        ({"from_": "yesterday", "to": "2024-01-01"}, "bad_time", InvalidError),
        ({"version": "v99"}, "unknown_version", UnknownError),
        ({"batch": "abcd"}, "unknown_batch", UnknownError),
        ({"lift": 7}, "unknown_taint", UnknownError),
    ],
)
def test_what_cannot_be_tainted_is_said(
    place: Place, what: dict[str, object], code: str, kind: type[CdmlError]
) -> None:
    place.champions(0.5)
    before = place.ledger.audit_head()
    assert ". " in refused(lambda: tainted(place, **what), code, kind)
    assert place.ledger.audit_head() == before


def test_an_attacked_champion_is_tainted_with_a_taint_that_can_be_lifted_or_undone(
    place: Place,
) -> None:
    _, v2 = place.champions(0.5, 0.4)
    rollback(place, "late", PERSON, Change("r", attack=True, reason="odd requests"))
    (one,) = taints.listed(place, "late")
    assert (one.version, one.owner, one.reason) == (v2, "ada", "odd requests")
    said = refused(lambda: promote(place, "late", PERSON, Change("p", to=v2)), "tainted")
    assert said.startswith(f"Refused: {v2} is tainted by ada (odd requests). Promote ")
    undo(place, "late", PERSON, Change("u"))
    assert place.ledger.taints.standing("late") == []
    assert fitness(place, v2) is Fitness.BLESSED


def test_undo_is_refused_after_a_taint_so_that_nothing_tainted_comes_back(place: Place) -> None:
    _, v2 = place.champions(0.5, 0.4)
    rollback(place, "late", PERSON, Change("r"))
    tainted(place, version=v2)
    assert "the last change was taint" in refused(
        lambda: undo(place, "late", PERSON, Change("u")), "not_undoable"
    )


# ---------------------------------------------------------------- data


def fed(place: Place) -> list[str]:
    """Two batches of 25 days each; return their digests."""
    for seed, start in ((1, START - timedelta(days=60)), (2, START - timedelta(days=30))):
        ingest(place, "late", place.drop(f"{seed}.csv", csv(seed, start=start)))
    return [b.batch for b in train.accepted(place, "late")]


def test_a_tainted_batch_is_trained_on_by_nobody_and_its_beginning_names_it(place: Place) -> None:
    one, two = fed(place)
    old = place.version(Event.VALIDATION_BEGAN, Event.GATE_PASSED, batches=[one, two])
    young = place.version(
        Event.VALIDATION_BEGAN, Event.GATE_PASSED, batches=[one, two], bias=0.4,
        trained=(iso(START - timedelta(days=20)), iso(START - timedelta(days=10))),
    )  # fmt: skip
    answer = tainted(place, batch=one[:6])
    assert answer.versions == [old]
    assert fitness(place, young) is Fitness.BLESSED
    said = refused(lambda: promote(place, "late", PERSON, Change("p", to=old)), "tainted")
    assert f"tainted by batch {one[:8]} (rows of 2024-01-01..25)" in said
    inputs = train.gather(place, "late", "r1")
    assert inputs.batches == [two]
    assert [one in p for p in inputs.table.paths] == [False]
    tainted(place, "u", batch=two)
    none = refused(lambda: train.gather(place, "late", "r1"), "no_data")
    assert "no accepted data that is not tainted" in none
    trace = tracing.answer(place, 50, AuditQuestion(batch=one[:8])).batch
    assert trace is not None
    assert (trace.trained, [t.number for t in trace.taints]) == ([old], [1])


def test_tainted_rows_are_left_out_of_training_and_the_next_version_is_clean(place: Place) -> None:
    fed(place)
    since, until = START - timedelta(days=50), START - timedelta(days=20)
    tainted(place, from_=iso(since), to=iso(until))
    inputs = train.gather(place, "late", "r1")
    rows = snapshots.rows(
        inputs.table, ["wind"], since=None, until=START, known_by=START
    )["t"].astype("datetime64[us]")  # fmt: skip
    days = sorted({str(t)[:10] for t in rows})
    assert days[0] == "2024-01-01"
    assert not [d for d in days if iso(since)[:10] <= d < iso(until)[:10]]
    result = fitted(place)
    assert result.manifest.without == [(iso(since), iso(until))]
    run = Here(place)
    content = (place.workspace.runs / "estimator.skops").read_bytes()
    simple = (place.workspace.runs / "safe_mode.skops").read_bytes()
    version = train.register(place, "late", run.id, result, content, simple)
    assert fitness(place, version) is Fitness.REGISTERED
    assert taints.of_version(place, "late", version) is None


def test_a_training_that_began_before_the_taint_lands_tainted(place: Place) -> None:
    one, _ = fed(place)
    result = fitted(place)
    tainted(place, batch=one)
    content = (place.workspace.runs / "estimator.skops").read_bytes()
    simple = (place.workspace.runs / "safe_mode.skops").read_bytes()
    said = refused(lambda: train.register(place, "late", "r1", result, content, simple), "tainted")
    assert "was trusted when the run began" in said
    assert fitness(place, "v1") is Fitness.TAINTED
    lineage = tracing.lineage(place, "late", "v1")
    assert [t.number for t in lineage.taints] == [1]
    assert [b.used for b in lineage.batches] == [True, True]
    assert place.ledger.audit_fault() is None


def test_what_was_trained_without_them_survives_a_second_taint_of_the_same_rows(
    place: Place,
) -> None:
    v1, _, v3 = three(place)
    assert tainted(place, **DAYS).versions == [v1]
    wider = tainted(place, "u", from_="2024-01-01", to="2024-01-31")
    assert wider.versions == [v3]
    assert msgspec.to_builtins(wider.taints[1])["touches"] == [v1, v3]
