"""What is old leaves the store exactly once, whatever happens, and what stays goes on as before."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from engine.clock import iso
from engine.pipeline import locks, retention
from engine.pipeline.monitor import monitor
from engine.pipeline.references import reference_profile
from engine.pipeline.restate import rebuild
from engine.store import (
    archive,
    compaction,
    connection,
    labels,
    predictions,
    profiles,
    scores,
    streams,
)
from engine.store.connection import Store
from engine.store.labels import LabelRow
from engine.store.predictions import Block
from engine.store.scores import Score
from engine.store.streams import Span
from engine.wire import LockRequest
from tests.engine.pipeline.place import PERSON, SETTINGS, Place

KEEP = '[retention]\npredictions = "10d"\narchive = "30d"\nrecords = "60d"\nrefused = "20d"\n'


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A workspace that keeps little."""
    found = Place.made(tmp_path, KEEP + SETTINGS)
    yield found
    found.close()


def total(place: Place, table: str) -> int:
    with place.store.read() as db:
        row = db.execute(f"select count(*) from {table}").fetchone()
    return int(row[0]) if row else 0


def filed(place: Place, columns: str = "prediction_id, label, shadows") -> list[Any]:
    path = place.workspace.root / "history/predictions/late/*.parquet"
    with duckdb.connect() as db:
        return db.execute(f"select {columns} from '{path}' order by 1").fetchall()


def an_answer(place: Place, name: str, ts: datetime, label: str = "true") -> None:
    """One labelled row at a time of one's choice; its id is the part before the colon."""
    text, id_ = ts.replace(tzinfo=None).isoformat(), name.partition(":")[0]
    row = ("late", name, id_, text, text, None, 1, "v1", "champion", '{"wind":5.0}', "[0.4]",
           "false", "", 1.0)  # fmt: skip
    predictions.load(place.store, Block([row], [], [LabelRow("late", id_, text, label, text)], {}))


def test_old_answers_move_with_label_and_shadow_and_the_young_stay(place: Place) -> None:
    (v1,) = place.champions(0.3)
    place.answered(v1, "v9", n=96, days=4)
    place.clock.passes(days=12)
    place.answered(v1, "v9", n=24, days=1)
    said = retention.keep(place)
    assert "late: answers of 4 days, 2024-02-26 to 2024-02-29 moved to history/" in said
    rows = filed(place)
    assert len(rows) + total(place, "predictions") == 120
    assert total(place, "predictions") == total(place, "labels") == total(place, "shadow_answers")
    assert all(label in ("true", "false") for _, label, _ in rows)
    assert all(shadows == [{"version": "v9", "answer": [0.5]}] for *_, shadows in rows)
    assert said in place.told_of("retention")
    assert retention.keep(place) == ""


def test_a_crash_at_any_commit_loses_and_doubles_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "AT_ONCE", 6)
    (v1,) = place.champions(0.3)
    place.answered(v1, "v9", n=48, days=1)
    place.clock.passes(days=13)
    with place.store.read() as db:
        before = db.execute("select prediction_id from predictions order by 1").fetchall()

    class DiedError(Exception):
        pass

    write = Store.write
    for commits in (0, 1, 2, 3):
        left = iter(range(commits))

        def dying(store: Store, left: Iterator[int] = left) -> Any:
            if next(left, None) is None:
                raise DiedError
            return write(store)

        monkeypatch.setattr(Store, "write", dying)
        with pytest.raises(DiedError):
            retention.keep(place)
        monkeypatch.setattr(Store, "write", write)
        with place.store.read() as db:
            stored = db.execute("select prediction_id from predictions").fetchall()
        assert sorted({*stored, *((p,) for p, *_ in filed(place))}) == before
    retention.keep(place)
    assert [(p,) for p, *_ in filed(place)] == before
    assert all(label for _, label, _ in filed(place))
    assert total(place, "predictions") == total(place, "labels") == 0


def test_rows_that_come_late_for_a_day_join_its_file(place: Place) -> None:
    day = datetime(2024, 2, 1, 5, tzinfo=UTC)
    place.champions(0.3)
    an_answer(place, "a", day)
    retention.keep(place)
    an_answer(place, "b", day + timedelta(hours=3))
    retention.keep(place)
    assert [name for name, *_ in filed(place)] == ["a", "b"]
    assert archive.archived(place.store, "late").rows == 2


def test_a_row_that_comes_while_its_day_is_written_is_neither_lost_nor_doubled(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = datetime(2024, 2, 1, 5, tzinfo=UTC)
    place.champions(0.3)
    an_answer(place, "a", day)
    sync = archive.sync_file

    def late(path: Path) -> None:
        sync(path)
        an_answer(place, "b", day + timedelta(seconds=1))

    with monkeypatch.context() as patched:
        patched.setattr(archive, "sync_file", late)
        retention.keep(place)
    assert (filed(place, "prediction_id"), total(place, "predictions")) == ([("a",)], 1)
    retention.keep(place)
    assert filed(place, "prediction_id, label") == [("a", "true"), ("b", "true")]
    assert total(place, "predictions") == total(place, "labels") == 0


def test_labels_of_ids_that_nobody_asked_about_go_when_they_are_old(place: Place) -> None:
    place.champions(0.3)
    for day in (1, 28):
        text = f"2024-02-{day:02}T00:00:00"
        labels.add(place.store, [LabelRow("late", f"unheard{day}", text, "true", text)])
    assert "1 labels without a row" in retention.keep(place)
    assert total(place, "labels") == 1


def test_what_a_model_left_that_has_left_cdml_toml_goes_too(place: Place) -> None:
    place.champions(0.3)
    an_answer(place, "a", datetime(2024, 2, 1, tzinfo=UTC))
    place.settings = msgspec.structs.replace(place.settings, models={})
    assert "late: answers of 2024-02-01" in retention.keep(place)


def test_what_each_window_came_to_stays_when_all_else_of_a_look_goes(place: Place) -> None:
    old = place.clock.now() - timedelta(days=100)
    kinds = ("realised", "kpi", "drift", "quality")
    found = [Score("late", "served", k, "x", old, old, 0.5, 200) for k in kinds]
    scores.put_look(place.store, "late", old, found)
    scores.put(place.store, [Score("late", "v1", "replayed", "x", old, old, 0.5, 9)], old)
    retention.keep(place)
    assert {s.kind for s in scores.of_look(place.store, "late", old)} == {"realised", "kpi"}
    assert total(place, "scores") == 2


def test_the_label_of_an_id_that_is_asked_about_again_stays(place: Place) -> None:
    place.champions(0.3)
    an_answer(place, "a:1", datetime(2024, 2, 1, tzinfo=UTC))
    an_answer(place, "a:2", datetime(2024, 2, 28, tzinfo=UTC))
    retention.keep(place)
    assert (total(place, "predictions"), total(place, "labels")) == (1, 1)
    assert filed(place) == [("a:1", "true", None)]


def test_a_freeze_stops_it(place: Place) -> None:
    place.champions(0.3)
    an_answer(place, "a", datetime(2024, 2, 1, tzinfo=UTC))
    locks.freeze(place, "*", PERSON, LockRequest("k1", reason="hands off"))
    assert retention.keep(place) == ""
    assert total(place, "predictions") == 1
    assert retention.due(place, timedelta(0))


def test_what_was_measured_stands_when_its_rows_have_gone(place: Place) -> None:
    (v1,) = place.champions(0.3)
    frozen = reference_profile([5.0 + n % 7 for n in range(700)], numeric=True)
    profiles.keep(place.store, "late", v1, {"wind": frozen})
    for _ in range(4):
        place.clock.passes(days=5)
        place.answered(v1, n=200, days=5, late=0.4, score=0.3)
        monitor(place, "late")
    with place.store.read() as db:
        before = db.execute("select * from scores order by all").fetchall()
        hours = db.execute("select count(*) from hours where begins < '2024-03-11'").fetchall()
    assert "moved to history/" in retention.keep(place)
    place.answered(v1, n=1, days=0.1)
    found = rebuild(place, "late", lambda _: None)
    with place.store.read() as db:
        assert db.execute("select * from scores order by all").fetchall() == before
        assert (
            db.execute("select count(*) from hours where begins < '2024-03-11'").fetchall() == hours
        )
    assert (found.looks, found.archived) == (0, 4)
    assert "4 looks stand as they were measured" in found.said
    late = iso(place.clock.now()).removesuffix("Z")
    labels.add(place.store, [LabelRow("late", "unheard", late, "true", late)])
    place.clock.passes(days=1)
    monitor(place, "late")  # a look with less behind it is a look all the same
    assert scores.history(place.store, "late", "realised", "v1", "log_loss")[-1].n > 0


def test_a_copy_to_a_new_file_gives_the_room_back_and_keeps_places(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FREE_FLOOR", 2**20)
    place.champions(0.3)
    for day in (1, 2, 28):
        stamp = f"timestamp '2024-02-{day:02}'"
        with place.store.write() as db:
            db.execute(
                "insert into predictions select 'late', d || '-' || i, d || '-' || i, s, s, null, "
                "1, 'v1', 'champion', md5(i::varchar) || md5((i * 7)::varchar), "
                f"[random()], 'true', '', 1.0 from (select {day} as d, {stamp} as s, "
                "unnest(range(100_000)) as i)"
            )
    place.store.checkpoint()
    (rows, _), newest = streams.ends(place.store), predictions.last_row(place.store)
    size = place.workspace.store.stat().st_size
    assert "metrics.duckdb copied to a new file" in retention.keep(place)
    file, free = archive.room(place.store)
    assert place.workspace.store.stat().st_size < size / 2
    assert file <= 1.5 * (file - free)
    assert streams.ends(place.store)[0] == rows == newest == predictions.last_row(place.store)
    an_answer(place, "new", place.clock.now())
    (after, _) = streams.ends(place.store)
    found = streams.answered(place.store, Span("late", "v1", rows, after))
    assert found.answers.tolist() == [[0.4]]
    (asked,) = predictions.asked_after(place.store, "late", newest, 10)
    assert asked.row == after
    assert retention.keep(place) == ""


def test_what_is_written_while_the_copy_is_made_is_in_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.champions(0.3)
    for day in (26, 27):
        an_answer(place, f"a{day}", datetime(2024, 2, day, tzinfo=UTC))
    begun = compaction.begun

    def busy(db: duckdb.DuckDBPyConnection, to: Path) -> int:
        upto = begun(db, to)
        an_answer(place, "new", place.clock.now())
        place.store.checkpoint()
        return upto

    monkeypatch.setattr(connection, "begun", busy)
    with place.store.read() as db:
        (mark,) = db.execute("select max(mark) from arrivals").fetchone() or (0,)
    place.store.compact()
    assert (total(place, "predictions"), total(place, "labels")) == (3, 3)
    assert streams.ends(place.store) == (2, 2)
    an_answer(place, "newer", place.clock.now())
    with place.store.read() as db:
        (after,) = db.execute("select min(mark) from arrivals where id = 'newer'").fetchone() or ()
        assert db.execute("select count(*) = count(distinct mark) from arrivals").fetchone() == (
            True,
        )
    assert after > mark


def test_a_copy_that_fails_leaves_the_store_as_it_was(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.champions(0.3)
    an_answer(place, "a:1", datetime(2024, 2, 26, tzinfo=UTC))

    def failing(*_: object) -> None:
        raise duckdb.IOException("no space")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "finished", failing)
        with pytest.raises(duckdb.IOException):
            place.store.compact()
    an_answer(place, "a:2", datetime(2024, 2, 27, tzinfo=UTC))
    place.store.compact()
    assert total(place, "predictions") == 2
    assert not (place.workspace.aside / "compact").exists()


def test_files_of_days_refused_files_and_records_go_by_age(place: Place) -> None:
    place.champions(0.3)
    an_answer(place, "a", datetime(2024, 2, 1, tzinfo=UTC))
    retention.keep(place)
    refused = place.workspace.quarantine("late") / "bad.csv"
    damaged = place.workspace.aside / "20240101T000000-damaged/metrics.duckdb"
    damaged.parent.mkdir(parents=True, exist_ok=True)
    for path in (refused, damaged):
        path.write_text("x")
    for path in (refused, damaged, damaged.parent):
        os.utime(path, (place.clock.now().timestamp(),) * 2)
    place.clock.passes(days=19)
    retention.keep(place)
    assert refused.exists()
    assert archive.partition(place.store, "late", date(2024, 2, 1)).exists() is False
    place.clock.passes(days=2)
    assert "2 of quarantine/ and aside/ deleted" in retention.keep(place)
    assert not refused.exists()
    assert not damaged.parent.exists()
    events = len(place.ledger.events(limit=1000))
    place.clock.passes(days=80)
    assert "events before" in retention.keep(place)
    assert len(place.ledger.events(limit=1000)) < events + 1
    assert place.ledger.audit_fault() is None


def test_it_is_due_once_a_day(place: Place) -> None:
    assert retention.due(place, timedelta(0))
    retention.keep(place)
    assert not retention.due(place, timedelta(0))
    place.clock.passes(hours=25)
    assert retention.due(place, timedelta(0))


@pytest.mark.parametrize("off", [timedelta(days=3653), timedelta(days=-3653)])
def test_a_date_that_jumped_is_believed_after_a_day_and_never_stops_it(
    place: Place, off: timedelta
) -> None:
    retention.keep(place)
    place.clock.time += off
    assert not retention.due(place, timedelta(hours=23))
    assert retention.due(place, timedelta(days=1))
    retention.keep(place)
    assert not retention.due(place, timedelta(days=1))


def test_a_store_that_lacks_rows_is_left_alone(place: Place) -> None:
    place.champions(0.3)
    an_answer(place, "a", datetime(2024, 2, 1, tzinfo=UTC))
    place.suspect = "two commits are missing"
    assert retention.keep(place) == ""
    assert total(place, "predictions") == 1
