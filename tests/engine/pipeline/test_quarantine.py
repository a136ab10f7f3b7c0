"""What a person decides about a file that is set aside, and about columns that differ."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.domain.acceptance import Found, judged
from engine.errors import InvalidError, RefusedError, UnknownError
from engine.pipeline import alerts, quarantine, schema, tracing, train, waiting
from engine.pipeline.ingest import ingest
from engine.store import batches
from engine.store.batches import Batch
from engine.wire import AuditQuestion, BatchFinding, LockRequest, QuarantineRequest
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
    told = tracing.answer(place, 100, AuditQuestion(batch=answer.taken)).entries
    assert [(e.action, e.reason) for e in told] == [("quarantine", "the sensor was off")]
    again = quarantine.decide(place, "late", PERSON, asked("accept", held))
    assert again == answer


def test_what_waits_is_an_alert_and_is_listed_apart_until_it_is_decided(
    place: Place, held: str
) -> None:
    (alert,) = alerts.standing(place, "late")
    assert alert.key == ("quarantine", "files")
    assert "1 in quarantine" in alert.finding.text
    listed = quarantine.delivered(place, "late", 10)
    assert (listed.total, listed.waiting) == (2, 1)
    row = listed.batches[0]
    assert (row.verdict, row.rows, row.kind) == ("quarantined", 600, "rows")
    assert [(f.check, f.column, f.refuses) for f in row.findings] == [("nulls", "wind", True)]
    assert row.commands[0] == f"cdml quarantine late accept {held} --reason T"
    quarantine.decide(place, "late", PERSON, asked("accept", held))
    assert alerts.standing(place, "late") == []
    after = quarantine.delivered(place, "late", 10)
    assert [b.verdict for b in after.batches] == ["accepted_with_warnings", "released", "accepted"]
    assert after.batches[1].commands == []


def test_limits_that_may_be_mistaken_widen_beyond_the_budget_facts_do_not(place: Place) -> None:
    assert waiting.eased(place, "late", []) == 1.0
    nulls = BatchFinding("nulls", "", "", refuses=True)
    future = BatchFinding("future", "", "", refuses=True)
    released = Batch("b", "late", "f", "", START, 1, None, None, "released", [], [nulls])
    place.clock.time = START + timedelta(days=1)
    assert waiting.eased(place, "late", [released] * 2) == 1.0
    assert waiting.eased(place, "late", [released] * 6) == 3.0
    assert waiting.eased(place, "late", [replace(released, findings=[future])] * 6) == 1.0
    found = [Found("nulls", 0.4, "many are empty"), Found("future", 0.4, "many are to come")]
    assert len(judged(found).refused) == 2
    assert judged(found, 3.0).refused[0].startswith("many are to come")
    assert judged(found, 3.0).warnings[0].startswith("many are empty")
    place.clock.time = START + timedelta(days=400)
    assert waiting.eased(place, "late", [released] * 6) == 1.0


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
    assert [(v.version, len(v.changes)) for v in after.versions] == [(1, 6), (2, 2)]
    assert "gusts" in batches.columns(place.store, "late")
    (row,) = quarantine.listed(place, "late")
    assert quarantine.decide(place, "late", PERSON, asked("accept", row.batch)).changed
    assert ingest(place, "late", place.drop("c.csv", csv(3))).verdict == "quarantined"
