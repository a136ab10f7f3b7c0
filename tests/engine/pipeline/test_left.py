"""What has left the store for history/ makes no number silently smaller."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.clock import iso
from engine.pipeline import history, quality, retention, tracing
from engine.pipeline.load import DAMAGED, forget_loaded, load
from engine.pipeline.look import look_at
from engine.spool import LabelRecord, Spool, encode
from engine.store import archive, labels
from engine.store.labels import LabelRow
from engine.wire import AuditQuestion, Label
from tests.engine.pipeline.place import SETTINGS, Place

KEEP = '[retention]\npredictions = "20d"\narchive = "30d"\n'


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A workspace whose answers of eleven days have left."""
    found = Place.made(tmp_path, KEEP + SETTINGS)
    (v1,) = found.champions(0.3)
    found.clock.passes(days=25)
    found.answered(v1, n=1240, days=31)
    retention.keep(found)
    yield found
    found.close()


def test_an_audit_of_a_moment_names_where_its_answers_lie(place: Place) -> None:
    def at(days: float) -> str:
        moment = iso(place.clock.now() - timedelta(days=days))
        (served,) = tracing.answer(place, 10, AuditQuestion(at=moment)).served
        return served.answers

    assert at(1) == "metrics.duckdb"
    day = (place.clock.now() - timedelta(days=22)).date()
    assert at(22) == f"history/predictions/late/{day}.parquet"
    place.clock.passes(days=15)
    retention.keep(place)
    assert at(37) == "deleted"


def test_estimates_begin_at_the_first_whole_window(place: Place) -> None:
    begin = archive.horizon(place.store, "late")
    look = look_at("late", "v1", place.model("late"), place.clock.now())
    found = history.gathered(place, look)
    assert begin is not None
    assert found is not None
    first = found.start(found.first())
    assert begin <= first < begin + found.length
    assert datetime.fromtimestamp(found.rows.times[0] / 1e6, UTC) - first < timedelta(hours=1)


def test_labels_whose_rows_have_left_are_no_mystery(place: Place) -> None:
    now = iso(place.clock.now() - timedelta(hours=1)).removesuffix("Z")
    labels.add(place.store, [LabelRow("late", f"gone{n}", now, "true", now) for n in range(200)])
    look = look_at("late", "v1", place.model("late"), place.clock.now())
    score = quality.strangers(place, look)
    assert score.value
    assert "have left for history/" in (score.detail or "")


def test_a_damaged_segment_stays_as_long_as_evidence_does(place: Place) -> None:
    label = LabelRecord("late", "2024-03-01T00:00:00Z", [Label("f1", "2024-03-01T00:00:00Z", True)])
    for boot in ("0a", "0b"):
        spool = Spool(place.workspace.spool, boot)
        spool.append(encode(label))
        spool.close()
    load(place)
    damaged = place.workspace.spool / "0a-00000001.seg"
    damaged.with_suffix(DAMAGED).touch()
    for days, there in ((80, True), (92, False)):
        then = place.clock.now().timestamp() - days * 86_400
        os.utime(damaged, (then, then))
        forget_loaded(place)
        assert damaged.exists() is there
    assert not damaged.with_suffix(DAMAGED).exists()
