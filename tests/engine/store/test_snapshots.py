"""Reading accepted batches as training rows: each row once, only what was known by then."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from engine.store import snapshots
from engine.store.snapshots import Table


def day(number: int) -> datetime:
    return datetime(2024, 3, number, tzinfo=UTC)


def written(folder: Path, *batches: str) -> Table:
    """Write each batch, a select of id, t, known, x, y, and return the table of all."""
    paths = []
    for number, body in enumerate(batches):
        paths.append(str(folder / f"{number}.parquet"))
        with duckdb.connect() as db:
            db.execute(f"copy ({body}) to '{paths[-1]}' (format parquet)")
    return Table(paths, "y", "t", "known", "id")


def values(*rows: str) -> str:
    listed = ", ".join(f"({row})" for row in rows)
    return (
        "select id::varchar id, t::timestamp t, known::timestamp known, x::double x, y::boolean y "
        f"from (values {listed}) v(id, t, known, x, y)"
    )


def read(table: Table, **limits: Any) -> dict[str, Any]:
    given = {"since": None, "until": day(30), "known_by": day(30)} | limits
    return snapshots.rows(table, ["x"], **given)


def test_a_row_delivered_again_counts_once_as_the_newest_batch_has_it(tmp_path: Path) -> None:
    table = written(
        tmp_path,
        values("'a', '2024-03-01', '2024-03-02', 1, true", "'b', '2024-03-01', null, 2, true"),
        values("'a', '2024-03-01', '2024-03-02', 9, false"),
    )
    assert read(table)["x"].tolist() == [9.0]
    reverse = Table([*reversed(table.paths)], "y", "t", "known", "id")
    assert read(reverse)["x"].tolist() == [1.0]


def test_rows_without_an_id_are_each_a_row_of_its_own(tmp_path: Path) -> None:
    table = written(
        tmp_path,
        values(*[f"null, '2024-03-0{n}', '2024-03-09', {n}, true" for n in range(1, 6)]),
    )
    assert read(table)["x"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_of_one_id_twice_in_a_batch_the_later_row_counts(tmp_path: Path) -> None:
    rows = ["'a', '2024-03-01', '2024-03-09', 1, true", "'a', '2024-03-02', '2024-03-09', 2, true"]
    assert read(written(tmp_path, values(*rows)))["x"].tolist() == [2.0]
    assert read(written(tmp_path, values(*reversed(rows))))["x"].tolist() == [2.0]


def test_only_labels_known_by_then_and_events_inside_the_interval_count(tmp_path: Path) -> None:
    table = written(
        tmp_path,
        values(*[f"'{n}', '2024-03-0{n}', '2024-03-0{n + 1}', {n}, true" for n in range(1, 8)]),
    )
    found = read(table, since=day(2), until=day(6), known_by=day(4))
    assert found["x"].tolist() == [2.0, 3.0]


def test_rows_without_a_label_or_a_known_time_are_no_evidence(tmp_path: Path) -> None:
    table = written(
        tmp_path,
        values("'a', '2024-03-01', null, 1, true", "'b', '2024-03-01', '2024-03-02', 2, null"),
    )
    assert len(read(table)["x"]) == 0


def test_no_name_of_a_column_is_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with duckdb.connect() as db:
        db.execute(
            "copy (select 'f' as filename, 1 as file_row_number, timestamp '2024-03-01' as t, "
            f"true as y) to '{path}' (format parquet)"
        )
    table = Table([str(path)], "y", "t", None, None)
    found = snapshots.rows(table, ["filename"], since=None, until=day(9), known_by=day(9))
    assert found["filename"].tolist() == ["f"]


def test_no_batches_are_no_rows() -> None:
    table = Table([], "y", "t", None, None)
    assert snapshots.rows(table, ["x"], since=None, until=day(9), known_by=day(9)) == {}


def test_missing_numbers_are_nan_and_missing_texts_none(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with duckdb.connect() as db:
        db.execute(
            f"copy (from (values (1, 'a', true, timestamp '2024-03-01', 1), (null, null, null, "
            f"timestamp '2024-03-02', 0)) v(n, s, b, t, y)) to '{path}' (format parquet)"
        )
    table = Table([str(path)], "y", "t", None, None)
    found = snapshots.rows(table, ["n", "s", "b"], since=None, until=day(9), known_by=day(9))
    assert found["n"][0] == 1.0
    assert np.isnan(found["n"][1])
    assert found["s"].tolist() == ["a", None]
    assert found["b"].tolist() == [True, None]
