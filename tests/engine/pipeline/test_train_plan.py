"""The plan of a training says what the training then does, and why it would be refused."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.pipeline import fitting, locks, taints, train
from engine.pipeline.ingest import ingest
from engine.pipeline.train_plan import plan
from engine.wire import LockRequest, TaintRequest
from tests.engine.pipeline.place import PERSON, SETTINGS, START, Place, csv

WINDOWS = SETTINGS.replace("seeds = 1", 'seeds = 2\nwindows = ["all", "10d"]')


@pytest.fixture
def place(tmp_path: Path) -> Any:
    found = Place.made(tmp_path, WINDOWS)
    found.judging = False  # rows come as the rule needs them, not as a source sends them
    yield found
    found.close()


def test_a_plan_counts_the_rows_that_the_training_then_uses(place: Place) -> None:
    ingest(place, "late", place.drop("a.csv", csv()))
    ingest(place, "late", place.drop("b.csv", csv(2, 300, start=START - timedelta(days=9))))
    found = plan(place, "late")
    assert (found.refused, found.recipe, found.seeds, found.seed) == ("", "linear", 2, 1)
    assert sorted(found.batches.values()) == [300, 600]
    place.workspace.runs.joinpath("r1").mkdir()
    inputs = train.gather(place, "late", "r1")
    for window, rows in found.windows.items():
        one = msgspec.structs.replace(inputs, windows=[window])
        made = fitting.fit(one, place.workspace.runs / "r1", lambda *_: None).manifest
        assert (made.window, made.rows) == (window, rows)
        assert made.trained_to == found.span[1]
    assert found.windows["all"] == found.rows > found.windows["10d"] > 200
    (young,) = found.notes
    assert young == f"left out: {900 - found.rows} rows whose labels are not mature yet"


def test_a_plan_names_what_is_tainted_held_for_the_gate_and_locked(place: Place) -> None:
    ingest(place, "late", place.drop("a.csv", csv()))
    bad = ingest(place, "late", place.drop("b.csv", csv(2, 300))).batch or ""
    before = plan(place, "late").rows
    taints.taint(place, "late", PERSON, TaintRequest("k1", batch=bad, reason="flipped"))
    day = ("2024-02-05T00:00:00Z", "2024-02-06T00:00:00Z")
    taints.taint(place, "late", PERSON, TaintRequest("k2", from_=day[0], to=day[1], reason="odd"))
    locks.freeze(place, "late", PERSON, LockRequest("k3", reason="audit"))
    found = plan(place, "late")
    assert found.rows == before - 300 - 24
    assert list(found.batches.values()) == [600]
    assert found.notes[0] == f"left out: batch {bad[:12]}, b.csv, 300 rows: tainted"
    assert found.notes[1] == f"left out: rows of {day[0]} to {day[1]}: tainted"
    assert found.notes[2].startswith("only a person may train now: frozen by ada")


def test_a_plan_says_why_a_training_would_be_refused(place: Place) -> None:
    assert "there is no accepted data" in plan(place, "late").refused
    ingest(place, "late", place.drop("a.csv", csv(n=150)))
    assert "150 rows have a mature label, at least 200 are needed" in plan(place, "late").refused
    old = csv(2, 1_500, start=START - timedelta(days=100))
    ingest(place, "late", place.drop("b.csv", old))
    place.champions(0.5)  # it is trained to the first of February, the rows go on to the sixth
    found = plan(place, "late")
    assert "newer than what the champion has seen, at least 7" in found.refused
    assert any("which the gate judges by" in note for note in found.notes)
