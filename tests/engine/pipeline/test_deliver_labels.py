"""Delivered labels stand in the log first: a store that is lost gets them again from there."""

from datetime import timedelta
from pathlib import Path

import pytest

from engine import spool
from engine.errors import UnavailableError
from engine.pipeline.deliver_labels import deliver
from engine.pipeline.load import forget_loaded, load
from engine.store import labels
from engine.store.connection import Store
from tests.engine.pipeline.place import Place


def label_file(place: Place, first: int, n: int = 2500) -> Path:
    path = place.workspace.root / f"labels-{first}.csv"
    lines = [f"{first + at},{at % 2 == 0},2024-03-01T10:00:00Z" for at in range(n)]
    path.write_text("\n".join(["id,value,ts", *lines]) + "\n")
    return path


def stored(place: Place) -> list[tuple[str, str, str | None, str, str]]:
    with place.store.read() as db:
        return db.execute(
            "select id, ts::varchar, value, received::varchar, source from labels order by id"
        ).fetchall()


def test_a_lost_store_gets_delivered_labels_back_from_the_log(place: Place) -> None:
    assert deliver(place, "late", label_file(place, 0)).rows == 2500
    before = stored(place)
    assert {source for *_, source in before} == {"file:labels-0.csv"}
    place.store.close()
    for path in place.workspace.root.glob("metrics.duckdb*"):
        path.unlink()
    place.store = Store(place.workspace.store, place.workspace.batches)
    assert load(place) == 3  # of a thousand labels each
    assert stored(place) == before


def test_what_the_store_has_of_the_log_is_not_loaded_twice(place: Place) -> None:
    deliver(place, "late", label_file(place, 0))
    assert load(place) == 0


def test_the_log_of_serving_is_none_the_wiser(place: Place) -> None:
    writer = spool.Spool(place.workspace.spool, "b1")
    assert deliver(place, "late", label_file(place, 0)).rows == 2500
    assert deliver(place, "late", label_file(place, 9000)).rows == 2500
    writer.close()
    found = spool.segments(place.workspace.spool)
    assert [s.sealed for s in found] == [True, True, True]
    assert found[-1].path.name == "b1-00000001.seg"
    assert spool.last_number(place.workspace.spool) == 1
    # A day later, with a newer segment there, all of them may go and no loss is told.
    spool.Spool(place.workspace.spool, "b2").close()
    place.clock.time = place.clock.time + timedelta(days=10_000)
    load(place)
    forget_loaded(place)
    assert [s.path.name for s in spool.segments(place.workspace.spool)] == ["b2-00000002.seg"]
    load(place)
    assert place.told_of("spool") == []


def test_without_room_for_the_log_nothing_is_taken(place: Place) -> None:
    place.workspace.spool.rename(place.workspace.root / "elsewhere")
    with pytest.raises(UnavailableError, match="Nothing was taken in"):
        deliver(place, "late", label_file(place, 0))
    (place.workspace.root / "elsewhere").rename(place.workspace.spool)
    assert labels.count(place.store, "late") == 0


def test_values_that_no_record_holds_come_as_json_has_them(place: Place) -> None:
    path = place.workspace.root / "odd.jsonl"
    path.write_text('{"id": 1, "value": 123456789012345678901234567890}\n{"id": 2, "value": 7}\n')
    assert deliver(place, "late", path).rows == 2
    assert [row[2] for row in stored(place)] == ["1.2345678901234568e29", "7.0"]
