"""Texts of rows as people's programs write them: encodings, and signs inside numbers."""

import gzip
from pathlib import Path

import duckdb
import pytest

from engine.store.files import reader


def first(path: Path) -> tuple[object, ...]:
    row = duckdb.connect().execute(f"from {reader(path)}").fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("a;b\n1.234,5;x\n2,5;y\n", (1234.5, "x")),
        ("a;b\n0,25;x\n", (0.25, "x")),
        ('a,b\n"1,234,567",x\n"12,000",y\n', (1234567, "x")),
        ('a,b\n"1,234.5",x\n', (1234.5, "x")),
        ('a,b\n"1,5",x\n', (1.5, "x")),
        ("a;b\n1.5;2\n2.25;3\n", (1.5, 2)),
        ('a,b\n"12,5 kg",1.5\n', ("12,5 kg", 1.5)),
        ("a,b\n1,2\n", (1, 2)),
    ],
)
def test_a_comma_or_a_point_is_what_the_whole_text_makes_of_it(
    tmp_path: Path, text: str, row: tuple[object, ...]
) -> None:
    path = tmp_path / "f.csv"
    path.write_text(text)
    assert first(path) == row


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_an_encoding_is_seen_from_the_text(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes("Ort;Wert\nKöln;1\n".encode(encoding))
    assert first(path) == ("Köln", 1)


def test_a_compressed_text_is_looked_into(tmp_path: Path) -> None:
    path = tmp_path / "f.csv.gz"
    path.write_bytes(gzip.compress("a;b\n0,5;é\n".encode("cp1252")))
    assert first(path) == (0.5, "é")
    path.write_bytes(b"no gzip")
    with pytest.raises(duckdb.Error):
        first(path)


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("a;b\n0,5;x\n")
    assert first(path)[0] == 0.5
    path.write_text("a;b\n0.5;x\n1.25;y\n")
    assert first(path)[0] == 0.5
