"""Outcomes in any order make the same table; predictions and marks are stored exactly once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice, permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.store import connection, labels, predictions, streams
from engine.store.connection import Store
from engine.store.labels import LabelRow
from engine.store.migrations import MIGRATIONS
from engine.store.predictions import Block

FROM, TO = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
TIMES = [f"2024-03-01T0{n}:00:00" for n in range(4)]
LABEL = st.builds(
    LabelRow,
    st.just("late"),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(TIMES),
    st.sampled_from([None, "true", "false", "1"]),
    st.just(TIMES[0]),
    st.sampled_from(["", "feed", "file:a.csv"]),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    found = Store(tmp_path_factory.mktemp("store") / "m.duckdb", Path("/nonexistent"))
    yield found
    found.close()


def table(store: Store) -> list[tuple[Any, ...]]:
    with store.read() as db:
        return db.execute("select id, ts, value, contested from labels order by id").fetchall()


def emptied(store: Store) -> None:
    with store.write() as db:
        for name in ("labels", "predictions", "shadow_answers", "spool_marks"):
            db.execute(f"delete from {name}")


@given(st.lists(LABEL, min_size=1, max_size=12), st.randoms(), st.integers(1, 5))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_labels_in_any_order_and_any_blocks_make_the_same_table(
    store: Store, rows: list[LabelRow], random: Any, size: int
) -> None:
    emptied(store)
    labels.add(store, rows)
    expected = table(store)
    shuffled = [*rows, *rows[:3]]
    random.shuffle(shuffled)
    emptied(store)
    for at in range(0, len(shuffled), size):
        labels.add(store, shuffled[at : at + size])
    assert table(store) == expected


def test_the_latest_value_wins_and_a_tie_goes_to_the_greater(store: Store) -> None:
    rows = [
        LabelRow("late", "a", TIMES[2], None, TIMES[0]),
        LabelRow("late", "a", TIMES[1], "true", TIMES[0]),
        LabelRow("late", "b", TIMES[1], "false", TIMES[0]),
        LabelRow("late", "b", TIMES[1], "true", TIMES[0]),
    ]
    for order in islice(permutations(rows), 24):
        emptied(store)
        for row in order:
            labels.add(store, [row])
        assert [(i, v) for i, _, v, _ in table(store)] == [("a", None), ("b", "true")]


def test_an_id_of_which_different_values_came_is_contested_however_they_came(
    store: Store,
) -> None:
    rows = [
        LabelRow("late", "a", TIMES[2], "true", TIMES[0]),
        LabelRow("late", "a", TIMES[1], "true", TIMES[0]),
        LabelRow("late", "b", TIMES[2], "true", TIMES[0]),
        LabelRow("late", "b", TIMES[1], None, TIMES[0]),
        LabelRow("late", "c", TIMES[1], None, TIMES[0]),
    ]
    for order in islice(permutations(rows), 0, 120, 7):
        for size in (1, 2, 5):
            emptied(store)
            for at in range(0, len(order), size):
                labels.add(store, order[at : at + size])
            assert [(i, c) for i, _, _, c in table(store)] == [
                ("a", False), ("b", True), ("c", False)
            ]  # fmt: skip


def prediction(id_: str, number: int, version: str = "v1", ts: str = TIMES[0]) -> tuple[Any, ...]:
    """Return a row of the log as the loader makes it."""
    return (
        "late", f"p{number}", id_, ts, ts, None, 1, version, "champion", "{}",
        f"[0.{number}]", "true", "", 1.5,
    )  # fmt: skip


def test_a_block_and_its_marks_are_stored_together_or_not_at_all(store: Store) -> None:
    emptied(store)
    good = Block([prediction("a", 1)], [("late", "v2", "p1", "[0.4]")], [], {"s-1.seg": 120})
    predictions.load(store, good)
    assert predictions.marks(store) == {"s-1.seg": 120}
    broken = (*prediction("b", 2)[:3], "no time", *prediction("b", 2)[4:])
    with pytest.raises(Exception, match="no time"):
        predictions.load(store, Block([broken], [], [], {"s-1.seg": 240}))
    assert predictions.marks(store) == {"s-1.seg": 120}
    assert predictions.count(store, "late", "v1") == 1
    predictions.forget_marks(store, ["s-1.seg"])
    assert predictions.marks(store) == {}


def test_one_prediction_counts_per_id_and_version_the_first(store: Store) -> None:
    emptied(store)
    rows = [
        prediction("a", 5, ts=TIMES[1]),
        prediction("a", 3, ts=TIMES[0]),
        prediction("a", 7, "v2", ts=TIMES[2]),
        prediction("b", 8),
        prediction("unlabelled", 9),
    ]
    predictions.load(store, Block(rows, [], [], {}))
    given_ = [("a", "true"), ("b", None), ("nobody", "true")]
    labels.add(store, [LabelRow("late", i, TIMES[3], v, TIMES[3]) for i, v in given_])
    found = predictions.cohort(store, "late", "v1", FROM, TO)
    assert found.answers.tolist() == [[0.3]]
    assert found.labels == ["true"]
    assert predictions.cohort(store, "late", None, FROM, TO).answers.tolist() == [[0.3], [0.7]]
    assert labels.unknown(store, "late", TO) == 1
    assert labels.count(store, "late") == 3


def test_shadow_and_champion_are_paired_row_by_row(store: Store) -> None:
    emptied(store)
    rows = [prediction("a", 1), prediction("b", 2, ts=TIMES[1]), prediction("c", 3)]
    shadows = [("late", "v2", p, a) for p, a in (("p1", "[0.9]"), ("p2", "[0.8]"))]
    known = [LabelRow("late", i, TIMES[3], "true", TIMES[3]) for i in "abc"]
    predictions.load(store, Block(rows, shadows, known, {}))
    found = predictions.pairs(store, "late", "v1", "v2", FROM, TO)
    assert found.champion.tolist() == [[0.1], [0.2]]
    assert found.shadow.tolist() == [[0.9], [0.8]]


def test_probes_of_our_own_are_no_evidence(store: Store) -> None:
    emptied(store)
    row = list(prediction("a", 1))
    row[5] = "cdml-probe"
    predictions.load(store, Block([row], [], [LabelRow("late", "a", TIMES[1], "1", TIMES[1])], {}))
    assert predictions.count(store, "late", "v1") == 0
    assert predictions.cohort(store, "late", None, FROM, TO).labels == []


def test_a_store_whose_labels_had_an_index_keeps_them_and_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = next(n for n, sql in enumerate(MIGRATIONS) if "kept_labels" in sql)
    path = tmp_path / "metrics.duckdb"
    with monkeypatch.context() as older:
        older.setattr(connection, "MIGRATIONS", MIGRATIONS[:at])
        store = Store(path, tmp_path)
        with store.write() as db:
            db.execute(
                "insert into labels (model, id, ts, value, received, source) "
                "select 'late', i::varchar, timestamp '2024-03-01', 'true', "
                "timestamp '2024-03-01', '' from range(5) r(i)"
            )
            db.execute("insert or replace into shifts values ('labels', 100)")
        with store.write() as db:
            db.execute("delete from labels where id in ('0', '1')")
        store.close()
    store = Store(path, tmp_path)
    assert streams.ends(store) == (-1, 104)
    again = LabelRow("late", "3", "2024-03-02T00:00:00", "false", "2024-03-02T00:00:00")
    new = LabelRow("late", "0", "2024-03-02T00:00:00", "false", "2024-03-02T00:00:00")
    labels.add(store, [again, new])
    with store.read() as db:
        found = db.execute("select id, value from labels order by id").fetchall()
    assert found == [("0", "false"), ("2", "true"), ("3", "false"), ("4", "true")]
    store.close()
