"""`cdml init`: from a file of one's own to a workspace, with every guess said."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from engine import onboarding
from engine.settings import load
from engine.store.tables import describe

ROOT = Path(__file__).parents[2]
Output = pytest.CaptureFixture[str]

# 2000 flights over 100 days: a label that weather and carrier hint at, known some hours later.
FLIGHTS = """
    select 'f-' || i as flight_id,
        timestamp '2013-01-01' + to_minutes(72 * i) as event_time,
        ['UA', 'DL', 'EV'][1 + i % 3] as carrier,
        (hash(i) % 1000) / 10.0 as wind,
        'LGA' as origin,
        md5(i::varchar) as remark,
        case when i % 29 > 0 then (hash(i + 7) % 100)::int - 60 end as "arr delay",
        i % 29 = 0 as cancelled,
        case when i % 29 > 0 then timestamp '2013-01-01' + to_minutes(72 * i + 150) end
            as label_time,
        case when i % 29 > 0 then hash(i + 7) % 100 >= 75 end as late
    from range(2000) t(i)
"""


def table(path: Path, sql: str) -> Path:
    shape = "parquet" if path.suffix == ".parquet" else "csv, header"
    duckdb.connect().execute(f"copy ({sql}) to '{path}' (format {shape})").close()
    return path


def init(capsys: Output, *words: str) -> dict[str, object]:
    assert onboarding.main([*words, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def refused(capsys: Output, *words: str) -> tuple[int, str]:
    code = onboarding.main([*words])
    told = capsys.readouterr()
    assert told.out == ""
    return code, told.err


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_becomes_a_workspace_that_is_ready(
    tmp_path: Path, capsys: Output, ending: str
) -> None:
    data = table(tmp_path / f"flights.{ending}", FLIGHTS)
    space = tmp_path / "w"
    made = init(capsys, str(space), "--data", str(data), "--target", "late")
    assert (made["task"], made["time"], made["label_time"], made["id"]) == (
        "binary", "event_time", "label_time", "flight_id",
    )  # fmt: skip
    assert made["exclude"] == {
        "origin": "one value only",
        "remark": "a text that differs in nearly every row",
        "arr delay": 'it is empty exactly where "late" is: it comes with the outcome',
        "cancelled": 'it varies only where "late" is empty',
    }
    assert made["features"] == ["carrier", "wind"]
    model = load(space / "cdml.toml").models["late"]
    assert model.exclude == ["origin", "remark", "arr delay", "cancelled"]
    assert (model.gate.holdout, model.label_maturity, model.metric) == ("15d", "6h", "log_loss")
    copy = space / "incoming" / "late" / data.name
    assert copy.read_bytes() == data.read_bytes()
    assert [p.name for p in copy.parent.iterdir()] == [data.name]
    for folder in ("artifacts", "batches", "spool", "run", "quarantine/late"):
        assert (space / folder).is_dir()


def test_the_answer_says_what_comes_next_and_the_guesses_are_talk(
    tmp_path: Path, capsys: Output
) -> None:
    data = table(tmp_path / "f.csv", FLIGHTS)
    assert onboarding.main([str(tmp_path / "w"), "--data", str(data), "--target", "late"]) == 0
    told = capsys.readouterr()
    assert f"cdml -w {tmp_path / 'w'} up" in told.out
    assert 'time "event_time"' in told.err
    assert "69 of 2000 rows" in told.err


def test_a_second_init_leaves_everything_as_it_is(tmp_path: Path, capsys: Output) -> None:
    data = table(tmp_path / "f.csv", FLIGHTS)
    words = [str(tmp_path / "w"), "--data", str(data), "--target", "late"]
    init(capsys, *words)
    before = (tmp_path / "w" / "cdml.toml").read_text()
    code, said = refused(capsys, *words)
    assert code == 4
    assert "left as it is" in said
    assert (tmp_path / "w" / "cdml.toml").read_text() == before


@pytest.mark.parametrize(
    ("target", "task", "metric"),
    [("late", "binary", "log_loss"), ("carrier", "multiclass", "log_loss"),
     ("wind", "regression", "mean_absolute_error")],
)  # fmt: skip
def test_the_task_follows_from_the_target(
    tmp_path: Path, capsys: Output, target: str, task: str, metric: str
) -> None:
    data = table(tmp_path / "f.csv", FLIGHTS)
    made = init(capsys, str(tmp_path / "w"), "--data", str(data), "--target", target)
    assert (made["task"], made["metric"]) == (task, metric)


def test_a_column_that_tells_the_target_alone_is_left_out(tmp_path: Path, capsys: Output) -> None:
    twin = f"select *, case when late then 'x' else 'y' end as outcome_code from ({FLIGHTS})"
    data = table(tmp_path / "f.csv", f"select * from ({twin}) where late is not null")
    made = init(capsys, str(tmp_path / "w"), "--data", str(data), "--target", "late")
    assert "nearly every row" in made["exclude"]["outcome_code"]  # type: ignore[index]
    assert "nearly every row" in made["exclude"]["arr delay"]  # type: ignore[index]


def test_what_was_named_is_taken(tmp_path: Path, capsys: Output) -> None:
    data = table(tmp_path / "f.csv", FLIGHTS)
    made = init(
        capsys, str(tmp_path / "w"), "--data", str(data), "--target", "late", "--name", "delays",
        "--metric", "roc_auc_score", "--exclude", "wind", "--exclude", "cancelled",
    )  # fmt: skip
    assert (made["model"], made["metric"]) == ("delays", "roc_auc_score")
    assert made["features"] == ["carrier"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--target", "lat"], 'nearest valid one is "late"'),
        (["--target", "origin"], "nothing to learn"),
        (["--target", "remark"], "too many to be classes"),
        (["--target", "late", "--time", "carrier"], 'for example "UA"'),
        (["--target", "late", "--time", "label_time"], "empty in 69 rows"),
        (["--target", "late", "--exclude", "late"], "--target already"),
        (["--target", "late", "--metric", "mean_absolute_error"], "does not fit"),
        (["--target", "late", "--task", "regression"], "no number"),
        (["--target", "late", "--name", "../x"], "letters, digits"),
        ([], "--target"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_made(
    tmp_path: Path, capsys: Output, words: list[str], said: str
) -> None:
    data = table(tmp_path / "f.csv", FLIGHTS)
    code, err = refused(capsys, str(tmp_path / "w"), "--data", str(data), *words)
    assert code == 2
    assert said in err
    assert not (tmp_path / "w").exists()


def test_a_table_without_a_time_names_the_option(tmp_path: Path, capsys: Output) -> None:
    data = table(tmp_path / "f.csv", "select i % 2 as y, i as x from range(500) t(i)")
    code, err = refused(capsys, str(tmp_path / "w"), "--data", str(data), "--target", "y")
    assert code == 2
    assert "--time" in err
    assert "x (BIGINT)" in err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "no such file"),
        ("empty.csv", b"", "it is empty"),
        ("heads.csv", b"late,event_time\n", "no rows"),
        ("broken.parquet", b"PAR1 but no more", "DuckDB says"),
        ("control.csv", b'"la\x07te",t\n1,2013-01-01\n', "control characters"),
        ("clock.csv", b"late,t,c\n1,2013-01-01,10:00:00\n0,2013-01-02,11:00:00\n", "TIME"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, capsys: Output, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    words = [str(tmp_path / "w"), "--data", str(tmp_path / name), "--target", "late"]
    code, err = refused(capsys, *words)
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_files_that_are_not_one_table_are_told_apart(tmp_path: Path, capsys: Output) -> None:
    one = table(tmp_path / "a.csv", FLIGHTS)
    two = table(tmp_path / "b.csv", f"select * exclude (wind), 1 as gust from ({FLIGHTS})")
    words = [str(tmp_path / "w"), "--target", "late", "--data", str(one), str(two)]
    _, err = refused(capsys, *words)
    assert 'lacks "wind" and has "gust" besides' in err
    three = table(tmp_path / "c.csv", FLIGHTS)
    made = init(capsys, *words[:-1], str(three))
    assert made["rows"] == 4000


def test_odd_names_are_quoted_and_wildcards_are_no_wildcards(
    tmp_path: Path, capsys: Output
) -> None:
    odd = 'a "b"; drop -- ü'
    quoted = odd.replace('"', '""')
    sql = f'select *, hash(flight_id) % 7 as "{quoted}" from ({FLIGHTS})'
    data = tmp_path / "x[1]*.csv"
    table(tmp_path / "plain.csv", sql).rename(data)
    table(tmp_path / "x1.csv", "select 1 as other")
    made = init(capsys, str(tmp_path / "w"), "--data", str(data), "--target", "late")
    assert odd in made["features"]  # type: ignore[operator]
    made = init(
        capsys, str(tmp_path / "v"), "--data", str(data), "--target", "late", "--exclude", odd
    )
    assert odd in load(tmp_path / "v" / "cdml.toml").models["late"].exclude
    assert [p.name for p in (tmp_path / "v" / "incoming" / "late").iterdir()] == ["x_1__.csv"]


def test_tiny_data_gets_small_numbers(tmp_path: Path, capsys: Output) -> None:
    sql = (
        "select timestamp '2024-01-01' + to_minutes(6 * i) as ts, hash(i) % 50 as x, "
        "hash(i + 3) % 2 as y from range(300) t(i)"
    )
    data = table(tmp_path / "f.csv", sql)
    init(capsys, str(tmp_path / "w"), "--data", str(data), "--target", "y")
    model = load(tmp_path / "w" / "cdml.toml").models["y"]
    assert model.gate.holdout == "4h"
    assert model.rollout.shadow.rows == 20


def test_columns_are_described_with_types_nulls_and_samples(tmp_path: Path) -> None:
    columns = {c.name: c for c in describe([table(tmp_path / "f.csv", FLIGHTS)])}
    assert (columns["late"].sql_type, columns["late"].nulls, columns["late"].distinct) == (
        "BOOLEAN", 69, 2,
    )  # fmt: skip
    assert columns["carrier"].samples == ("UA", "DL", "EV")
    assert columns["event_time"].low == "2013-01-01 00:00:00"


def test_a_person_at_a_terminal_is_asked_before_a_column_is_left_out(tmp_path: Path) -> None:
    data = table(tmp_path / "f.csv", FLIGHTS)
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "engine", "init", str(tmp_path / "w")),
            *("--data", str(data), "--target", "late"),
        ],
        stdin=follower,
        stdout=subprocess.DEVNULL,
        stderr=follower,
        cwd=ROOT,
    )
    os.close(follower)
    os.write(leader, b"no\n\n")
    shown = b""
    try:
        while part := os.read(leader, 4096):
            shown += part
    except OSError:
        pass  # the terminal's other end has gone: that is its end of file
    os.close(leader)
    assert process.wait(20) == 0
    assert b'"arr delay" looks like the outcome itself' in shown
    model = load(tmp_path / "w" / "cdml.toml").models["late"]
    assert "arr delay" not in model.exclude
    assert "cancelled" in model.exclude


def test_a_folder_that_cannot_be_written_is_exit_3(tmp_path: Path, capsys: Output) -> None:
    data = table(tmp_path / "f.csv", FLIGHTS)
    (tmp_path / "file").write_text("x")
    words = ["--data", str(data), "--target", "late"]
    assert refused(capsys, str(tmp_path / "file"), *words)[0] == 2
    assert refused(capsys, str(tmp_path / "file" / "w"), *words)[0] == 3
