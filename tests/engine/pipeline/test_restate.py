"""Late rows and labels restate earlier looks; everything can be measured again to the same byte."""

from itertools import pairwise
from typing import Any

import pytest

from engine.clock import iso
from engine.pipeline.ingest import ingest
from engine.pipeline.monitor import monitor
from engine.pipeline.references import reference_profile
from engine.pipeline.restate import rebuild
from engine.store import labels, looks, profiles, scores
from engine.store.labels import LabelRow
from tests.engine.pipeline.place import Place, csv


@pytest.fixture
def watched(place: Place) -> Place:
    """A champion looked at on four days, while answers and labels come in."""
    ingest(place, "late", place.drop("a.csv", csv()))
    (v1,) = place.champions(0.3)
    frozen = reference_profile([5.0 + n % 7 for n in range(700)], numeric=True)
    profiles.keep(place.store, "late", v1, {"wind": frozen})
    for _ in range(4):
        place.clock.passes(days=1, hours=12)
        place.answered(v1, n=150, days=1, late=0.4, score=0.3)
        place.clock.passes(hours=12, minutes=1)
        monitor(place, "late")
    return place


def stored(place: Place) -> list[tuple[Any, ...]]:
    with place.store.read() as db:
        return db.execute("select * from scores order by all").fetchall()


def ids(place: Place) -> list[str]:
    with place.store.read() as db:
        return [r[0] for r in db.execute("select id from labels order by ts, id").fetchall()]


def losses(place: Place) -> list[scores.Score]:
    return scores.history(place.store, "late", "realised", "v1", "log_loss")


def told(place: Place, *ids_: str, value: str = "true") -> None:
    """Outcomes that come late."""
    now = iso(place.clock.now()).removesuffix("Z")
    labels.add(place.store, [LabelRow("late", i, now, value, now) for i in ids_])


def test_everything_measured_again_from_the_raw_rows_is_equal_to_the_byte(watched: Place) -> None:
    before = stored(watched)
    found = rebuild(watched, "late", lambda _: None)
    assert stored(watched) == before
    assert (found.looks, found.differ) == (4, [])
    assert found.numbers > 4
    assert "equal to the byte" in found.said


def test_what_was_changed_by_hand_is_found_and_replaced(watched: Place) -> None:
    before = stored(watched)
    with watched.store.write() as db:
        db.execute("update scores set value = 0.1 where kind = 'realised' and version = 'served'")
    found = rebuild(watched, "late", lambda _: None)
    assert found.differ
    assert "0.1000" in found.said
    assert stored(watched) == before


def test_a_late_label_restates_every_look_that_holds_its_row_and_says_so(watched: Place) -> None:
    before = {s.window_to: s.value for s in losses(watched)}
    told(watched, *ids(watched)[:40])
    watched.clock.passes(minutes=5)
    monitor(watched, "late")
    after = {s.window_to: s.value for s in losses(watched)}
    moved = [at for at in before if before[at] != after[at]]
    assert len(moved) == sum(k.restated for k in looks.known(watched.store, "late")) > 0
    assert any("restated" in text for text in watched.told_of("monitor"))
    again = rebuild(watched, "late", lambda _: None)
    assert again.differ == []


def test_a_label_that_says_the_same_again_restates_nothing(watched: Place) -> None:
    with watched.store.read() as db:
        known = db.execute("select id, ts::varchar, value from labels limit 20").fetchall()
    labels.add(watched.store, [LabelRow("late", i, ts, value, ts) for i, ts, value in known])
    watched.clock.passes(minutes=5)
    monitor(watched, "late")
    assert not any(k.restated for k in looks.known(watched.store, "late"))


def test_labels_in_any_order_and_number_of_looks_come_to_the_same_numbers(
    watched: Place,
) -> None:
    late = ids(watched)[:30]
    for one, other in pairwise(late):
        told(watched, one, other)
        monitor(watched, "late")
    found = rebuild(watched, "late", lambda _: None)
    assert found.differ == []
