"""A file as rows that a contract takes: values as they are sent, mistakes by their line."""

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine.errors import CdmlError, InvalidError, UnknownError
from engine.store.rowfile import opened

WANTED = {
    "wind": "DOUBLE",
    "code": "VARCHAR",
    "wet": "BOOLEAN",
    "at": "TIMESTAMP",
}
NOON = datetime(2024, 1, 1, 12)  # noqa: DTZ001 - as it is read
CSV = """id,code,wind,wet,at,other
7,007,1,true,2024-01-01 12:00:00,x
8,True,,false,2024-01-01 12:00:00,y
9,,nan,,2024-01-01 12:00:00,
"""
JSON = """{"id":7,"code":"007","wind":1,"wet":true,"at":"2024-01-01T12:00:00Z"}
{"id":8,"code":"True","wind":null,"wet":false,"at":"2024-01-01T12:00:00Z"}
{"id":9,"code":null,"wet":null,"at":"2024-01-01T12:00:00Z"}
"""
ROWS = [
    (1.0, "007", True, NOON, 7),
    (None, "True", False, NOON, 8),
    (None, None, None, NOON, 9),
]


def written(folder: Path, name: str, text: str) -> Path:
    """Write a file."""
    path = folder / name
    path.write_text(text)
    return path


def read(path: Path, wanted: dict[str, str] = WANTED, plain: tuple[str, ...] = ("id",)) -> Any:
    """Read all rows of a file."""
    with opened(path, "UTC") as file:
        return [row for rows in file.rows(wanted, list(plain), 2) for row in rows]


def test_a_text_stays_as_written_and_a_nan_is_a_null(tmp_path: Path) -> None:
    assert read(written(tmp_path, "rows.csv", CSV)) == ROWS
    assert read(written(tmp_path, "rows.jsonl", JSON)) == ROWS


def test_parquet_gives_the_same_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    duckdb.sql(
        "select * from (values (7, '007', 1::float, true, timestamptz '2024-01-01 12:00:00Z'), "
        "(8, 'True', null, false, '2024-01-01 13:00:00+01'), "
        "(9, null, 'nan', null, '2024-01-01 12:00:00Z')) t(id, code, wind, wet, \"at\")"
    ).write_parquet(str(path))
    assert read(path) == ROWS


def test_a_time_without_a_zone_is_read_in_that_of_the_workspace(tmp_path: Path) -> None:
    path = written(tmp_path, "rows.csv", "at\n2024-01-01 12:00:00\n")
    with opened(path, "Asia/Tokyo") as file:
        assert next(file.rows({"at": "TIMESTAMP"}, [], 10))[0][0].hour == 3


def test_one_json_line_of_nothing_but_nulls_is_a_row(tmp_path: Path) -> None:
    path = written(tmp_path, "row.jsonl", '{"wind":null,"code":null,"wet":null,"at":null,"id":1}\n')
    assert read(path) == [(None, None, None, None, 1)]


def test_rows_come_in_order_a_piece_at_a_time(tmp_path: Path) -> None:
    path = written(tmp_path, "rows.csv", "n\n" + "\n".join(map(str, range(5000))) + "\n")
    with opened(path, "UTC") as file:
        pieces = [[n for (n,) in rows] for rows in file.rows({"n": "DOUBLE"}, [], 1000)]
    assert [len(piece) for piece in pieces] == [1000] * 5
    assert [n for piece in pieces for n in piece] == list(range(5000))


@pytest.mark.parametrize(
    ("name", "text", "column", "where"),
    [
        ("a.csv", "wind\n1\n2\nstrong\nweak\n", "wind", 'line 4 has "strong"'),
        ("a.csv", "wind\n1\n2\n-inf\n", "wind", 'line 4 has "-inf"'),
        ("a.csv", "wet\ntrue\n2\n", "wet", 'line 3 has "2"'),
        ("a.csv", "wet\n1\n0\n", "wet", "the column is BIGINT"),
        ("a.csv", "at\n2024-01-01 12:00:00\nyesterday\n", "at", 'line 3 has "yesterday"'),
        ("a.jsonl", '{"wind":1}\n{"wind":"x"}\n', "wind", 'row 2 has "x"'),
        ("a.jsonl", '{"code":1}\n', "code", "the column is BIGINT"),
        ("a.jsonl", '{"wind":[1]}\n', "wind", "the column is JSON[]"),
    ],
)
def test_what_is_not_wanted_is_named_before_any_row(
    tmp_path: Path, name: str, text: str, column: str, where: str
) -> None:
    with pytest.raises(CdmlError) as caught:
        read(written(tmp_path, name, text), {column: WANTED[column]}, ())
    assert where in caught.value.message
    assert caught.value.field == column


def test_of_several_mistakes_the_first_row_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "wind,wet\n1,true\n2,perhaps\nx,true\n")
    with pytest.raises(CdmlError, match='line 3 has "perhaps"'):
        read(path, {"wind": "DOUBLE", "wet": "BOOLEAN"}, ())


def test_what_is_no_table_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(UnknownError, match="no such file"):
        read(tmp_path / "nosuch.csv")
    with pytest.raises(InvalidError, match="no known format"):
        read(written(tmp_path, "rows.xls", "x"))
    with pytest.raises(InvalidError, match="it is empty"):
        read(written(tmp_path, "rows.csv", ""))
    with pytest.raises(InvalidError, match="whole"):
        read(written(tmp_path, "rows.parquet", "PAR1 no more"))
