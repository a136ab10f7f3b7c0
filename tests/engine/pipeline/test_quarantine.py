"""What a person decides about a file that is set aside, and about columns that differ."""

from datetime import timedelta

import pytest

from engine.errors import InvalidError, RefusedError, UnknownError
from engine.pipeline import quarantine, schema, train
from engine.pipeline.ingest import ingest
from engine.store import batches
from engine.wire import LockRequest, QuarantineRequest
from tests.engine.pipeline.place import PERSON, START, Place, csv


@pytest.fixture
def held(place: Place) -> str:
    """Return the digest of a file in quarantine: a whole column is empty."""
    place.clock.time = START + timedelta(days=60)
    ingest(place, "late", place.drop("a.csv", csv()))
    lines = [line.split(",") for line in csv(2, start=START).splitlines()]
    rows = [",".join([*c[:2], c[2] if n == 0 else "", *c[3:]]) for n, c in enumerate(lines)]
    ingest(place, "late", place.drop("b.csv", "\n".join(rows)))
    (row,) = quarantine.listed(place, "late")
    assert '"wind"' in row.reasons[0]
    return row.batch


def asked(verb: str, batch: str, reason: str = "the sensor was off") -> QuarantineRequest:
    return QuarantineRequest(f"{verb}-{batch}-{reason}", verb, batch, reason)  # type: ignore[arg-type]


def test_nothing_in_quarantine_is_trained_on_until_a_person_takes_it_in(
    place: Place, held: str
) -> None:
    assert len(train.accepted(place, "late")) == 1
    answer = quarantine.decide(place, "late", PERSON, asked("accept", held))
    assert (answer.changed, answer.rows) == (True, 600)
    assert [b.batch for b in train.accepted(place, "late")][1] == answer.taken
    assert train.accepted(place, "late")[1].reasons[0] == "accepted by ada: the sensor was off"
    assert quarantine.listed(place, "late") == []
    assert [p.name for p in place.workspace.quarantine("late").iterdir()] == []
    again = quarantine.decide(place, "late", PERSON, asked("accept", held))
    assert again == answer


def test_a_discarded_file_is_kept_aside_and_never_comes_back_by_itself(
    place: Place, held: str
) -> None:
    quarantine.decide(place, "late", PERSON, asked("discard", held[:6]))
    assert quarantine.listed(place, "late") == []
    kept = place.workspace.quarantine("late") / "discarded"
    assert sorted(p.name for p in kept.iterdir()) == [f"{held}-b.csv", f"{held}-b.csv.why.txt"]
    assert len(train.accepted(place, "late")) == 1


def test_a_decision_needs_a_reason_and_one_file(place: Place, held: str) -> None:
    with pytest.raises(InvalidError, match="--reason"):
        quarantine.decide(place, "late", PERSON, asked("accept", held, " "))
    with pytest.raises(UnknownError, match=held):
        quarantine.decide(place, "late", PERSON, asked("accept", "ffff0000"))


def test_what_is_no_table_is_not_taken_in_even_by_a_person(place: Place) -> None:
    ingest(place, "late", place.drop("a.csv", "nothing"))
    (row,) = quarantine.listed(place, "late")
    answer = quarantine.decide(place, "late", PERSON, asked("accept", row.batch))
    assert not answer.changed
    assert len(quarantine.listed(place, "late")) == 1


def test_columns_change_only_when_a_person_approves_the_difference(place: Place) -> None:
    place.clock.time = START + timedelta(days=60)
    with pytest.raises(RefusedError, match="no file proposes"):
        schema.approve(place, "late", PERSON, LockRequest("k0"))
    ingest(place, "late", place.drop("a.csv", csv()))
    assert schema.page(place, "late").version == 1
    gusts = csv(2, start=START).replace("windy", "gusts").replace(",true,", ",7,")
    gusts = gusts.replace(",false,", ",3,")
    assert ingest(place, "late", place.drop("b.csv", gusts)).verdict == "quarantined"
    page = schema.page(place, "late")
    assert [(c.column, c.now, c.then) for c in page.proposed] == [
        ("windy", "BOOLEAN", None),
        ("gusts", None, "DOUBLE"),
    ]
    after = schema.approve(place, "late", PERSON, LockRequest("k1", "new station"))
    assert (after.version, after.proposed, after.approved_by) == (2, [], "ada")
    assert "gusts" in batches.columns(place.store, "late")
    (row,) = quarantine.listed(place, "late")
    assert quarantine.decide(place, "late", PERSON, asked("accept", row.batch)).changed
    assert ingest(place, "late", place.drop("c.csv", csv(3))).verdict == "quarantined"
