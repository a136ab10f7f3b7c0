"""A delivered file of any kind becomes a typed snapshot, or says why it cannot."""

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine.errors import InvalidError
from engine.store import confined, files, intake
from engine.store.intake import EMPTY, OTHER

CSV = "id,t,wind,kind,late\n1,2024-03-02T10:00:00,1.5,a,true\n2,2024-03-01T10:00:00,2,b,false\n"
KINDS = {"id": "BIGINT", "t": "TIMESTAMP", "wind": "DOUBLE", "kind": "VARCHAR", "late": "BOOLEAN"}
JSONL = (
    '{"id":1,"t":"2024-03-02T10:00:00","wind":1.5,"kind":"a","late":true}\n'
    '{"id":2,"t":"2024-03-01T10:00:00","wind":2.0,"kind":"b","late":false}\n'
)


def rows(folder: Path, batch: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as db:
        return db.execute("select * from read_parquet(?)", [f"{folder}/{batch}.parquet"]).fetchall()


def delivered(folder: Path, name: str) -> Path:
    """Write the same two rows in the format that the name says."""
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress((CSV if ".csv" in name else JSONL).encode()))
    elif name.endswith(".parquet"):
        (folder / "source.csv").write_text(CSV)
        with duckdb.connect() as db:
            db.execute(f"copy (from '{folder}/source.csv') to '{path}' (format parquet)")
    else:
        text = JSONL if "json" in name else CSV
        path.write_text(text.replace(",", "\t") if name.endswith(".tsv") else text)
    return path


@pytest.mark.parametrize(
    "name",
    ["a.csv", "A.CSV", "a.tsv", "a.csv.gz", "a.parquet", "a.jsonl", "a.jsonl.gz", "a.ndjson"],
)
def test_the_same_rows_in_any_format_make_the_same_snapshot(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "batches"
    folder.mkdir()
    path = delivered(tmp_path, name)
    assert intake.columns(path) == KINDS
    found = intake.snapshot(path, KINDS, "t", "UTC", folder)
    (tmp_path / "plain.csv").write_text(CSV)
    plain = intake.snapshot(tmp_path / "plain.csv", KINDS, "t", "UTC", folder)
    if not name.endswith(".parquet"):
        assert found.batch == plain.batch
    assert rows(folder, found.batch) == rows(folder, plain.batch)
    assert (found.rows, found.time_from) == (2, datetime(2024, 3, 1, 10, tzinfo=UTC))
    assert [row[0] for row in rows(folder, found.batch)] == [2, 1]
    kept = {f"{found.batch}.parquet", f"{plain.batch}.parquet"}
    assert {p.name for p in folder.iterdir()} == kept


@pytest.mark.parametrize("name", ["a[1].csv", "*.csv", "what?.csv", "it's.csv", "mit Leer ü.csv"])
def test_signs_in_a_name_are_no_pattern(tmp_path: Path, name: str) -> None:
    (tmp_path / "other.csv").write_text("x\n1\n")
    (tmp_path / "a1.csv").write_text("x\n1\n")
    (tmp_path / name).write_text(CSV)
    assert intake.columns(tmp_path / name) == KINDS


def test_a_folder_that_looks_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    (tmp_path / "year=2024").mkdir()
    (tmp_path / "year=2024" / "a.csv").write_text(CSV)
    assert intake.columns(tmp_path / "year=2024" / "a.csv") == KINDS


def test_odd_column_names_are_kept_as_they_are(tmp_path: Path) -> None:
    names = ['say "hi"', "select", "a.b", "ünï", "x; drop table y", "$1"]
    path = tmp_path / "a.parquet"
    with duckdb.connect() as db:
        picked = ", ".join(f"{n} as {files.name_of(name)}" for n, name in enumerate(names))
        db.execute(f"copy (select {picked}, timestamp '2024-03-01' as t) to '{path}'")
    kinds = intake.columns(path)
    assert list(kinds) == [*names, "t"]
    found = intake.snapshot(path, kinds, "t", "UTC", tmp_path)
    assert rows(tmp_path, found.batch)[0][:6] == (0, 1, 2, 3, 4, 5)


def test_what_no_model_can_take_is_called_other_and_a_column_without_values_empty(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.parquet"
    with duckdb.connect() as db:
        db.execute(
            "copy (select [1.5::decimal(3,1)] a, time '10:00' b, {'x': 1} c, uuid() d, "
            "interval 1 day e, null::varchar f, 1.5::decimal(3,1) g, date '2024-03-01' h, "
            f"'x'::blob i) to '{path}'"
        )
    found = intake.columns(path)
    assert {name for name, kind in found.items() if kind == OTHER} == set("abcdei")
    assert (found["f"], found["g"], found["h"]) == (EMPTY, "DOUBLE", "TIMESTAMP")


@pytest.mark.parametrize(
    ("text", "timezone", "expected"),
    [
        ("2024-07-01T12:00:00", "UTC", 12),
        ("2024-07-01T12:00:00", "Europe/Berlin", 10),
        ("2024-01-01T12:00:00", "Europe/Berlin", 11),
        ("2024-07-01T12:00:00Z", "Europe/Berlin", 12),
        ("2024-07-01T12:00:00+05:00", "UTC", 7),
        ("2024-07-01T12:00:00-04:00", "Europe/Berlin", 16),
        ("2024-07-01", "Europe/Berlin", 22),
    ],
)
def test_a_zone_in_the_file_wins_over_that_of_the_workspace(
    tmp_path: Path, text: str, timezone: str, expected: int
) -> None:
    path, as_text = tmp_path / "a.csv", tmp_path / "a.parquet"
    path.write_text(f"t,x\n{text},1\n")
    with duckdb.connect() as db:
        db.execute(f"copy (select '{text}' as t, 1::bigint as x) to '{as_text}'")
    for one in (path, as_text):
        kinds = {"t": "TIMESTAMP", "x": "BIGINT"}
        found = intake.snapshot(one, kinds, "t", timezone, tmp_path)
        assert found.time_from is not None
        assert found.time_from.hour == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("half.parquet", None),
        ("empty.csv", b""),
        ("empty.parquet", b""),
        ("text.parquet", b"no parquet at all"),
        ("a.xlsx", b"PK"),
        ("a", b"x\n1\n"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name_and_leaves_nothing(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    if content is None:
        whole = delivered(tmp_path, "whole.parquet").read_bytes()
        content = whole[: len(whole) // 2]
    path = tmp_path / name
    path.write_bytes(content)
    (tmp_path / "batches").mkdir()
    with pytest.raises(InvalidError) as found:
        intake.snapshot(path, intake.columns(path) or KINDS, "t", "UTC", tmp_path / "batches")
    assert f'"{name}"' in found.value.message
    assert str(tmp_path) not in found.value.message
    assert not list((tmp_path / "batches").iterdir())


@pytest.mark.parametrize(
    "text", ["t,x\n", "t,x\n2024-03-01,1\n,2\n", "t,x\nsoon,1\n", "t,x\n5,1\n"]
)
def test_rows_that_cannot_be_ordered_in_time_are_no_snapshot(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    folder = tmp_path / "batches"
    folder.mkdir()
    with pytest.raises(InvalidError, match="Nothing was taken in"):
        intake.snapshot(path, {"t": "TIMESTAMP", "x": "BIGINT"}, "t", "UTC", folder)
    assert not list(folder.iterdir())


def test_a_packed_text_that_unpacks_to_too_much_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_UNPACKED", 2**20)
    bomb = tmp_path / "bomb.csv.gz"
    bomb.write_bytes(gzip.compress(CSV.encode() + b"1,2024-03-02,1,a,true\n" * 100_000))
    with pytest.raises(InvalidError, match="more than 100 times its size"):
        intake.columns(bomb)
    assert intake.columns(delivered(tmp_path, "a.csv.gz")) == KINDS


def test_nothing_that_reads_a_file_gets_code_from_the_network() -> None:
    with confined.connect() as db:
        sql = "select name, value from duckdb_settings() where name like 'auto%known_extensions'"
        assert {value for _, value in db.execute(sql).fetchall()} == {"false"}
