"""KPI SQL is one aggregate over the log and nothing else; its number is that of a hand."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidError
from engine.store import kpis, labels, predictions
from engine.store.connection import Store
from engine.store.labels import LabelRow
from engine.store.predictions import Block

FROM, TO = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
COST = "avg(case when decision and not label then 1 when not decision and label then 3 else 0 end)"
TS = "2024-03-01T00:00:00"
# id, score, decision, label, wind: by hand 0 + 1 + 3 + 0
ROWS = [
    ("a", 0.9, "true", "true", 1.0),
    ("b", 0.8, "true", "false", 2.0),
    ("c", 0.1, "false", "true", 4.0),
    ("d", 0.2, "false", "0", 8.0),
    ("e", 0.2, "false", None, 16.0),
    ("f", 0.2, "false", '"maybe"', 32.0),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "m.duckdb", tmp_path)
    rows: list[Any] = [
        ("late", f"p{i}", i, TS, TS, None, 1, "v1", "champion",
         f'{{"wind":{wind},"say \\"hi\\"":1}}', f"[{score}]", decided, "", 1.0)
        for i, score, decided, _, wind in ROWS
    ]  # fmt: skip
    known = [LabelRow("late", i, TS, label, TS) for i, _, _, label, _ in ROWS]
    predictions.load(found, Block(rows, [], known, {}))
    yield found
    found.close()


def served(store: Store, sql: str, **more: Any) -> tuple[float | None, int]:
    kinds = {"wind": "DOUBLE", 'say "hi"': "BIGINT"}
    return kpis.served(store, "late", "binary", sql, kinds, FROM, TO, **more)


def test_a_kpi_as_served_is_what_a_hand_computes(store: Store) -> None:
    assert served(store, COST) == (1.0, 4)
    assert served(store, COST, decision="false") == (1.5, 4)
    assert served(store, COST, decision="true") == (0.5, 4)
    assert served(store, "sum(wind)") == (15.0, 4)
    assert served(store, 'sum("say ""hi""")') == (4.0, 4)
    assert served(store, "max(score) -- the highest") == (0.9, 4)
    assert served(store, "count(*) filter (version = 'v1' and hour(time) = 0)") == (4.0, 4)


def test_classes_may_have_any_names(store: Store) -> None:
    labels.add(store, [LabelRow("late", i, TO.isoformat()[:19], v, TS) for i, v in NAMES])
    assert served(store, COST, classes=["no", "yes"]) == (1.0, 4)
    assert served(store, COST, classes=["0", "1"]) == (None, 0)


NAMES = [("a", '"yes"'), ("b", '"no"'), ("c", '"yes"'), ("d", '"no"')]


def test_a_window_without_labels_has_no_number(store: Store) -> None:
    found = kpis.served(store, "late", "binary", COST, {}, TO, TO)
    assert found == (None, 0)


def test_a_label_that_is_no_number_is_left_out_of_a_regression(store: Store) -> None:
    labels.add(store, [LabelRow("late", "a", TO.isoformat()[:19], "2.5", TS)])
    found = kpis.served(store, "late", "regression", "sum(label)", {}, FROM, TO)
    assert found == (2.5, 2)


BAD = [
    "avg(score) from log where (select 1)",
    "(select max(score) from log)",
    "avg(score) filter (exists (select 1))",
    "1 from read_text('/etc/passwd') --",
    "avg(score), max(score)",
    "1), (2",
    "1 from log; drop table labels; select 1",
    "1) from log where (true",
    "avg(score) from log union select 1",
    "avg(score) from log, (select 1) x --",
    "1 from predictions --",
    "(select content from read_text('/etc/passwd'))",
    "*",
    "columns('.*')",
    "avg(score) over ()",
    "max($model)",
    "",
    "avg(",
    "/* ",
]


@pytest.mark.parametrize("sql", BAD)
def test_what_is_more_than_one_expression_is_refused_before_it_runs(store: Store, sql: str) -> None:
    with pytest.raises(InvalidError) as found:
        kpis.check("late", "cost", sql)
    assert (found.value.code, found.value.field) == ("bad_kpi", "models.late.kpi.cost.sql")
    facts = kpis.facts({}, [0.5], [True])
    for act in (
        lambda: served(store, sql),
        lambda: kpis.of_rows(sql, facts, np.array([True])),
        lambda: kpis.by_threshold(sql, facts, [0.5]),
    ):
        with pytest.raises(InvalidError):
            act()
    assert labels.count(store, "late") == len(ROWS)


@pytest.mark.parametrize("sql", ["avg(nonsense)", "score", "sum(time)"])
def test_what_only_running_shows_is_an_error_in_a_sentence(store: Store, sql: str) -> None:
    kpis.check("late", "cost", sql)
    with pytest.raises(InvalidError, match="Measuring a KPI"):
        served(store, sql)


def test_good_expressions_pass_the_check() -> None:
    for sql in (COST, "count(*)", "avg(score) -- note", "sum(wind) / nullif(count(*), 0)"):
        kpis.check("late", "cost", sql)


def test_a_kpi_before_service_equals_the_one_in_service(store: Store) -> None:
    usable = ROWS[:4]
    truth = [True, False, True, False]
    facts = kpis.facts({"wind": np.array([r[4] for r in usable])}, [r[1] for r in usable], truth)
    assert kpis.of_rows(COST, facts, np.array([r[2] == "true" for r in usable])) == 1.0
    assert kpis.by_threshold(COST, facts, [0.0, 0.5, 1.0]) == [0.5, 1.0, 1.5]
    assert kpis.of_rows("sum(wind) filter (version = '')", facts, np.ones(4, bool)) == 15.0


def test_a_feature_named_like_a_column_of_the_log_does_not_replace_it() -> None:
    odd = {name: np.array([9, 9]) for name in ("Decision", "label", "SCORE", "time", "cut", "draw")}
    facts = kpis.facts(odd, [0.2, 0.9], [False, True])
    assert kpis.by_threshold("avg(case when decision = label then 1 else 0 end)", facts, [0.5]) == [
        1
    ]
    draws = np.array([[0, 1], [1, 1]])
    found = kpis.resampled(
        "sum(score)", facts, {"a": np.array([True, False])}, np.array([0, 1]), draws
    )
    assert found["a"].tolist() == pytest.approx([1.1, 1.8])


HOSTILE = [
    "max(getenv('HOME'))",
    "max(current_setting('memory_limit'))",
    "max(read_text('/etc/passwd'))",
    "max(len(repeat('x', 10000000000)))",
    "max(len(lpad('x', 1000000000, 'y')))",
    "max(sleep_ms(100000))",
    "avg(random())",
    "max(epoch(now()))",
    "max(nextval('s'))",
    "max(getvariable('x'))",
    "system.main.avg(score)",
    "max(list_transform([1], lambda x: x + score)[1])",
    "avg(#1)",
    "avg(score.field.of)",
    "no_such_function(score)",
    "1" + " + 1" * 3000,
]


@pytest.mark.parametrize("sql", HOSTILE)
def test_what_reads_waits_grows_or_is_never_the_same_is_refused_before_it_runs(sql: str) -> None:
    with pytest.raises(InvalidError):
        kpis.check("late", "cost", sql)
    with pytest.raises(InvalidError):
        kpis.of_rows(sql, kpis.facts({}, [0.5], [True]), np.array([True]))


def test_only_the_documented_columns_may_be_named(store: Store) -> None:
    """Where the features are known at load, else when it is first measured."""
    columns = {"wind", "score", "decision", "label", "version", "time"}
    kpis.check("late", "cost", "avg(WIND) filter (log.decision)", columns)
    for name in ("features", "prediction_id", "client", "current_date", "current_user", "answer"):
        with pytest.raises(InvalidError, match=f'no column "{name}"'):
            kpis.check("late", "cost", f"max(cast({name} as double))", columns)
        with pytest.raises(InvalidError, match=f'no column "{name}"'):
            served(store, f"max(cast({name} as double))")


def test_a_kpi_by_window_is_the_kpi_of_each(store: Store) -> None:
    day = 86_400_000_000
    number = int(datetime(2024, 3, 1, tzinfo=UTC).timestamp()) // 86_400
    for sql in (COST, "sum(wind) / count(*)"):
        found = kpis.by_window(store, "late", "binary", sql, {"wind": "DOUBLE"}, FROM, TO, day)
        assert found == {number: served(store, sql)}


def test_what_each_label_would_add_is_told_of_a_plain_average_only(store: Store) -> None:
    """Weighed by the probability of each label it is the expectation of the KPI."""
    kinds = {"wind": "DOUBLE"}
    terms = kpis.each_label(store, "late", "binary", COST, kinds, FROM, TO)
    assert terms.tolist() == [[1, 0], [1, 0], [0, 3], [0, 3], [0, 3], [0, 3]]
    assert kpis.each_label(store, "late", "binary", "sum(wind)", kinds, FROM, TO) is None
    odd = "avg(case when label then 1 end)"  # adds nothing to rows that are false
    assert kpis.each_label(store, "late", "binary", odd, kinds, FROM, TO) is None
    each = kpis.each_label(store, "late", "binary", "mean(wind * label::int)", kinds, FROM, TO)
    assert each[:, 0].tolist() == [0] * 6
    assert each[:, 1].tolist() == [1, 2, 4, 8, 16, 32]


def test_what_a_kpi_comes_to_if_the_scores_are_right_needs_no_label() -> None:
    facts = kpis.facts({}, np.array([0.1, 0.4]), np.array([True, False]))
    found = kpis.expected_by_threshold(COST, facts, [0.05, 0.25, 0.5])
    other = kpis.facts({}, np.array([0.1, 0.4]), np.array([False, False]))
    assert found == kpis.expected_by_threshold(COST, other, [0.05, 0.25, 0.5])
    assert found[0] != found[1]
    assert kpis.expected_by_threshold(f"{COST} / 2", facts, [0.5]) == [None]
