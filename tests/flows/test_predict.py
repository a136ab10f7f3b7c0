"""`cdml predict`: a file's rows answered by the running service, as its operator would ask."""

import csv
import io
import json
from datetime import datetime
from pathlib import Path

import duckdb

from tests.box import COLUMNS, Box, deliver

LATER = datetime(2024, 1, 20)  # noqa: DTZ001 - as in a file
N = 600
HEADING = ["id", "ts", "score", "decision", "version", "prediction_id", "flags"]


def changed(path: Path, name: str, number: int, column: str, cell: str) -> Path:
    """Copy a file with one cell of its n-th row changed."""
    lines = path.read_text().splitlines()
    cells = lines[number].split(",")
    cells[COLUMNS.index(column)] = cell
    lines[number] = ",".join(cells)
    copy = path.with_name(name)
    copy.write_text("\n".join(lines) + "\n")
    return copy


def table(text: str) -> list[dict[str, str]]:
    """Read the CSV of an answer."""
    return list(csv.DictReader(io.StringIO(text)))


def test_every_row_of_a_file_is_answered_in_order_and_logged(box: Box, tmp_path: Path) -> None:
    rows = deliver(tmp_path / "rows.csv", 3, LATER)
    run = box.run("predict", str(rows))
    found = table(run.stdout)
    assert list(found[0]) == HEADING
    assert [r["id"] for r in found] == [f"3-{number}" for number in range(N)]
    assert found[0]["ts"] == "2024-01-20T00:20:00Z"
    assert {r["version"] for r in found} == {"v1"}
    assert all(r["decision"] == str(float(r["score"]) >= 0.5).lower() for r in found)
    assert "v1 600" in run.stderr

    for name, kind in (("rows.parquet", "parquet"), ("rows.jsonl", "json")):
        other = tmp_path / name
        duckdb.sql(f"copy (from '{rows}') to '{other}' (format {kind})")
        (answer,) = map(
            json.loads, box.run("predict", "late", str(other), "--json").stdout.splitlines()
        )
        assert answer["logged"]
        assert [p["id"] for p in answer["predictions"]] == [r["id"] for r in found]
        assert [p["score"] for p in answer["predictions"]] == [float(r["score"]) for r in found]

    twice = tmp_path / "twice.csv"
    twice.write_text(rows.read_text() + "".join(rows.read_text().splitlines(keepends=True)[1:]))
    pieces = [json.loads(one) for one in box.run("predict", str(twice), "--json").stdout.split()]
    assert [len(piece["predictions"]) for piece in pieces] == [1000, 200]

    box.down()
    sql = "select count(*), count(distinct id) from predictions where client = 'cdml-predict'"
    assert box.query(sql) == [(5 * N, N)]


def test_a_row_that_is_refused_is_named_and_nothing_is_left_unsaid(
    box: Box, tmp_path: Path
) -> None:
    rows = deliver(tmp_path / "rows.csv", 3, LATER)
    run = box.run("predict", str(changed(rows, "null.csv", 300, "wind", "")), code=1)
    assert [r["id"] for r in table(run.stdout)] == [f"3-{number}" for number in range(299)]
    assert "v1 299" in run.stderr
    assert 'line 301 of "null.csv" (id "3-299")' in run.stderr
    assert "wind" in run.stderr

    error = box.refused("predict", str(changed(rows, "text.csv", 300, "wind", "strong")), code=1)
    assert 'line 301 has "strong"' in error["message"]
    assert error["field"] == "wind"

    lacking = rows.with_name("lacking.csv")
    lacking.write_text("id,time,kind,hour\nf-1,2024-01-20,a,1\n")
    error = box.refused("predict", str(lacking), code=2)
    assert error["field"] == "wind"
    assert "wind, kind, hour" in error["message"]


def test_the_id_and_the_time_may_be_missing_and_other_columns_stay_here(
    box: Box, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"wind":99.5,"kind":"new","hour":7,"late":true,"secret":"x"}\n')
    (found,) = table(box.run("predict", str(rows)).stdout)
    assert (found["id"], found["ts"]) == ("", "")
    assert found["flags"] == "range:wind;unseen:kind"


def test_what_cannot_be_asked_says_what_to_do_next(box: Box, tmp_path: Path) -> None:
    rows = str(deliver(tmp_path / "rows.csv", 3, LATER))
    assert "Known: late" in box.refused("predict", "lat", rows, code=2)["message"]
    assert "no such file" in box.refused("predict", "nosuch.csv", code=2)["message"]
    assert "MODEL FILE" in box.refused("predict", "late", rows, rows, code=2)["message"]
    assert "logged" in box.run("predict", "--help").stdout
    box.down()
    error = box.refused("predict", rows, code=3)
    assert error["code"] == "serving_unreachable"
    assert "cdml up" in error["message"]
