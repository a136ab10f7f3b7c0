"""The spool is loaded exactly once, whatever happens between two reads of it."""

from collections.abc import Iterator

import msgspec
import pytest

from engine.pipeline.deliver_labels import deliver
from engine.pipeline.load import load
from engine.spool import LabelRecord, PredictionRecord, ShadowRecord, Spool, encode
from engine.store import labels, predictions
from engine.wire import Label
from tests.engine.pipeline.place import START, Place

NOW = "2024-03-01T00:00:00Z"


@pytest.fixture
def spool(place: Place) -> Iterator[Spool]:
    found = Spool(place.workspace.spool, "0a")
    yield found
    found.close()


def record(number: int, rows: int = 2) -> PredictionRecord:
    return PredictionRecord(
        model="late",
        received=NOW,
        client="c",
        generation=3,
        version="v1",
        role="champion",
        latency_ms=1.5,
        prediction_ids=[f"p{number}-{n}" for n in range(rows)],
        ids=[None if n else f"f{number}" for n in range(rows)],
        times=[NOW] * rows,
        features={"wind": [1.5] * rows, "kind": [None] * rows, "windy": [True] * rows},
        answers=[[0.25]] * rows,
        decisions=[False] * rows,
        flags={n: ["unseen:kind"] for n in range(rows)},
    )


def count(place: Place) -> int:
    return predictions.count(place.store, "late", "v1")


def test_records_are_loaded_once_however_often_the_spool_is_read(
    place: Place, spool: Spool
) -> None:
    assert load(place) == 0
    for number in range(5):
        spool.append(encode(record(number)))
    spool.append(encode(ShadowRecord("late", NOW, "v2", ["p0-0", "p0-1"], [[0.5], [0.6]])))
    spool.append(encode(LabelRecord("late", NOW, [Label("f1", NOW, True), Label("f2", NOW, None)])))
    spool.flush()
    assert load(place) == 7
    assert load(place) == 0
    assert (count(place), labels.count(place.store, "late")) == (10, 2)
    spool.append(encode(record(9)))
    spool.flush()
    assert load(place) == 1
    assert count(place) == 12


def test_a_load_that_failed_after_its_commit_is_not_repeated(place: Place, spool: Spool) -> None:
    spool.append(encode(record(1)))
    spool.flush()
    load(place)
    marks = predictions.marks(place.store)
    place.store.close()
    place.store = type(place.store)(place.workspace.store, place.workspace.batches)
    assert predictions.marks(place.store) == marks
    assert load(place) == 0
    assert count(place) == 2


def test_a_row_without_an_id_is_known_by_its_prediction(place: Place, spool: Spool) -> None:
    spool.append(encode(record(1)))
    spool.append(encode(LabelRecord("late", NOW, [Label("p1-1", NOW, True)])))
    spool.flush()
    load(place)
    found = predictions.cohort(place.store, "late", None, START, START.replace(day=2))
    assert found.labels == ["true"]


def test_what_is_no_record_of_ours_is_told_and_skipped(place: Place, spool: Spool) -> None:
    spool.append(encode(record(1)))
    spool.append(msgspec.msgpack.encode({"type": "nonsense"}))
    spool.append(encode(record(2)))
    spool.flush()
    load(place)
    assert count(place) == 4
    assert len(place.told_of("spool")) == 1


def test_records_of_many_rows_fill_a_block_sooner(
    place: Place, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.pipeline.load.BLOCK_ROWS", 25)
    for number in range(5):
        spool.append(encode(record(number, rows=10)))
    spool.flush()
    assert load(place) == 5
    assert count(place) == 50
    newest, generation = predictions.newest_features(place.store, "late", 3)
    assert (len(newest), generation) == (3, 3)
    assert predictions.newest_features(place.store, "other", 3) == ([], -1)


def test_after_many_records_at_once_people_hear_that_the_store_has_caught_up(
    place: Place, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.pipeline.load.MANY", 5)
    for number in range(4):
        spool.append(encode(record(number)))
    spool.flush()
    load(place)
    assert place.told_of("spool") == []
    for number in range(4, 9):
        spool.append(encode(record(number)))
    spool.flush()
    load(place)
    assert place.told_of("spool") == ["caught up: 5 records of the prediction log were loaded"]


def test_damage_within_a_segment_costs_its_own_records_only_however_blocks_fall(
    place: Place, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.pipeline.load.BLOCK_RECORDS", 2)
    ends = []
    for number in range(7):
        spool.append(encode(record(number)))
        ends.append(spool.position()[1])
    spool.close()
    path = next(place.workspace.spool.glob("*.seg"))
    content = bytearray(path.read_bytes())
    for number in (0, 3, 6):
        content[ends[number] - 4] ^= 0xFF
    path.write_bytes(content)
    assert load(place) == 4
    assert load(place) == 0
    assert count(place) == 8
    assert len(place.told_of("spool")) == 3


def test_a_label_keeps_who_sent_it(place: Place, spool: Spool) -> None:
    spool.append(encode(LabelRecord("late", NOW, [Label("f1", NOW, True)], "feed")))
    spool.append(encode(LabelRecord("late", NOW, [Label("f2", NOW, True)])))
    spool.flush()
    load(place)
    deliver(place, "late", place.drop("late.csv", "id,value,ts\nf3,true,2024-03-01T00:00:00\n"))
    with place.store.read() as db:
        found = db.execute("select id, source from labels order by id").fetchall()
    assert found == [("f1", "feed"), ("f2", ""), ("f3", "file:late.csv")]


@pytest.mark.parametrize("how", ["cut", "gone"])
def test_a_segment_that_lost_what_was_loaded_is_told_once(
    place: Place, spool: Spool, how: str
) -> None:
    for number in range(5):
        spool.append(encode(record(number)))
    spool.flush()
    load(place)
    path = place.workspace.spool / spool.position()[0]
    if how == "cut":
        path.write_bytes(path.read_bytes()[:10])
    else:
        path.unlink()
    for _ in range(2):
        load(place)
    told = [e.text for e in place.ledger.events() if "was cut or removed" in e.text]
    assert len(told) == 1
    assert count(place) == 10
