"""Labels that the accepted batches do not let expect: asked about, and never trained on."""

from datetime import timedelta

from engine.pipeline import quarantine, train
from engine.pipeline.ingest import ingest
from tests.bench import poisoned
from tests.engine.pipeline.place import START, Place, csv

CALM = 10


def turned(content: str, when: str) -> str:
    head, *lines = content.splitlines()
    found = []
    for line in lines:
        *cells, label = line.split(",")
        if cells[3] == when and float(cells[2]) < CALM:
            label = "false"
        found.append(",".join([*cells, label]))
    return "\n".join([head, *found]) + "\n"


def test_labels_turned_in_one_kind_of_rows_are_asked_about_with_rows_named(place: Place) -> None:
    place.clock.time = START + timedelta(days=90)
    ingest(place, "late", place.drop("a.csv", csv(n=1200, start=START - timedelta(days=60))))
    honest = ingest(place, "late", place.drop("b.csv", csv(2, 240, start=START)))
    assert honest.verdict == "accepted"
    bad = turned(csv(3, 480, start=START + timedelta(days=10)), "c")
    answer = ingest(place, "late", place.drop("c.csv", bad))
    assert answer.verdict == "quarantined"
    assert "is not what the accepted batches let expect" in answer.reasons[0]
    assert "standard errors (3-" in answer.reasons[0]
    assert len(train.accepted(place, "late")) == 2
    assert len(quarantine.listed(place, "late")) == 1


def test_targeted_flips_and_backdoors_are_caught_and_honest_batches_pass() -> None:
    figures = {f.name: f.value for f in poisoned.measure(trials=3)}
    assert figures["honest labels asked about, in five batches"] == 0
    assert figures["caught: 5 % targeted flips, one batch"] >= 60
    assert figures["caught: 2 % targeted flips, within 5 batches"] >= 60
    assert figures["caught: 5 % flips anywhere, within 3 batches"] == 100
    assert figures["caught: 5 % backdoor rows, one batch"] == 100
