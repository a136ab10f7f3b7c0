"""`cdml drift` of two files: every column, exact numbers, JSON alone on stdout, clear errors."""

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest
from scipy import stats

from engine import drift_report

ROWS = 400


def table(folder: Path, name: str, select: str) -> Path:
    """A file of what a SELECT says, in the format its name says."""
    path = folder / name
    form = {"csv": "csv, header", "parquet": "parquet", "jsonl": "json"}[name.rsplit(".", 1)[1]]
    duckdb.sql(f"copy ({select}) to '{path}' (format {form})")
    return path


def run(capsys, *argv: object) -> tuple[int, str, str]:
    code = drift_report.main([str(a) for a in argv])
    out, err = capsys.readouterr()
    return code, out, err


def compared(capsys, reference: Path, current: Path, *more: object) -> dict:
    code, out, err = run(capsys, "--reference", reference, "--current", current, "--json", *more)
    assert (code, err) == (0, "")
    return json.loads(out)


SELECT = """
    select i % 97 as amount, i * 0.5 as price, (i % 2)::int as flag_number,
        case when i % 10 = 0 then null else 'c' || (i % {k}) end as carrier, i % 3 = 0 as late,
        timestamp '2013-01-01' + interval (i) hour as at
    from range({rows}) t(i)
"""


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_every_shared_column_has_the_distances_of_its_kind(tmp_path, capsys, form):
    reference = table(tmp_path, f"reference.{form}", SELECT.format(k=4, rows=ROWS))
    current = table(tmp_path, f"current.{form}", SELECT.format(k=5, rows=ROWS // 2))
    found = compared(capsys, reference, current)
    assert (found["missing_columns"], found["new_columns"]) == ([], [])
    columns = found["columns"]
    assert {name: c["kind"] for name, c in columns.items()} == {
        "amount": "numeric",
        "price": "numeric",
        "flag_number": "numeric",
        "carrier": "categorical",
        "late": "categorical",
        "at": "time",
    }
    x, y = np.arange(ROWS) * 0.5, np.arange(ROWS // 2) * 0.5
    exact = stats.ks_2samp(x, y, method="asymp")
    price = columns["price"]
    assert price["ks"] == pytest.approx(exact.statistic, abs=1e-9)
    assert price["ks_p"] == pytest.approx(exact.pvalue, abs=1e-9)
    assert price["wasserstein"] == pytest.approx(stats.wasserstein_distance(x, y), abs=1e-9)
    carrier = columns["carrier"]
    assert (carrier["n_reference"], carrier["n_current"]) == (ROWS, ROWS // 2)
    assert carrier["null_rate_reference"] == pytest.approx(0.1)
    assert (carrier["new_categories"], carrier["gone_categories"]) == (["c4"], [])
    assert columns["late"]["bins"] == 2
    assert columns["at"]["low_reference"].startswith("2013-01-01 00:00:00")
    assert columns["at"]["high_current"].startswith("2013-01-09 07:00:00")
    assert "psi" not in columns["at"]


def test_a_file_against_itself_has_no_drift(tmp_path, capsys):
    file = table(tmp_path, "same.csv", SELECT.format(k=4, rows=50))
    for column in compared(capsys, file, file)["columns"].values():
        assert column.get("psi", 0.0) == 0.0
        assert column.get("js", 0.0) == 0.0


def test_columns_of_one_file_are_missing_or_new(tmp_path, capsys):
    reference = table(tmp_path, "a.parquet", "select 1 as kept, 2 as gone")
    current = table(tmp_path, "b.parquet", "select 1 as kept, 2 as arrived")
    found = compared(capsys, reference, current)
    assert list(found["columns"]) == ["kept"]
    assert (found["missing_columns"], found["new_columns"]) == (["gone"], ["arrived"])
    only = compared(capsys, reference, current, "--columns", "gone")
    assert only == {"columns": {}, "missing_columns": ["gone"], "new_columns": []}


def test_types_do_not_depend_on_the_number_of_values_nor_of_rows(tmp_path, capsys):
    enum = "select i % 2 as two, case when i % 2 = 0 then 'x' else 'y' end::enum('x','y') as e"
    reference = table(tmp_path, "a.parquet", f"{enum} from range(30) t(i)")
    columns = compared(capsys, reference, reference)["columns"]
    assert {n: c["kind"] for n, c in columns.items()} == {"two": "numeric", "e": "categorical"}


def test_nan_is_null_and_infinities_are_counted(tmp_path, capsys):
    reference = table(
        tmp_path, "a.parquet", "select unnest(['1', '2', '3', 'nan', null])::double v"
    )
    current = table(
        tmp_path, "b.parquet", "select unnest(['1', '2', '3', 'inf', '-inf'])::double v"
    )
    found = compared(capsys, reference, current)["columns"]["v"]
    assert (found["null_rate_reference"], found["null_rate_current"]) == (0.4, 0.0)
    assert (found["infinite_reference"], found["infinite_current"]) == (0, 2)
    assert found["ks"] == 0.0


def test_a_column_without_values_takes_the_other_files_kind(tmp_path, capsys):
    reference = table(tmp_path, "a.csv", "select i as v, i as w from range(9) t(i)")
    current = table(tmp_path, "b.csv", "select null as v, i as w from range(9) t(i)")
    for pair in ((reference, current), (current, reference)):
        found = compared(capsys, *pair)["columns"]["v"]
        assert (found["kind"], found["psi"], found["ks"]) == ("numeric", None, None)


def test_a_file_with_a_header_only_has_no_distances(tmp_path, capsys):
    reference = table(tmp_path, "a.csv", "select i as v, 'x' as c from range(9) t(i)")
    (tmp_path / "b.csv").write_text("v,c\n")
    found = compared(capsys, reference, tmp_path / "b.csv")["columns"]
    assert (found["v"]["kind"], found["v"]["n_current"]) == ("numeric", 0)
    assert found["v"]["null_rate_current"] is found["v"]["psi"] is found["c"]["chi2"] is None


def test_a_late_surprise_in_a_text_file_is_seen(tmp_path, capsys):
    lines = ["v", *(str(i) for i in range(60_000)), "2.5"]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    found = compared(capsys, tmp_path / "a.csv", tmp_path / "a.csv")["columns"]["v"]
    assert (found["kind"], found["n_reference"]) == ("numeric", 60_001)


def test_names_with_quotes_stars_and_brackets_are_read(tmp_path, capsys):
    file = table(tmp_path, "a.csv", 'select 1 as "it\'s ""odd""!"')
    odd = file.rename(tmp_path / "day [1]*.csv")
    assert list(compared(capsys, odd, odd)["columns"]) == ['it\'s "odd"!']


def test_text_states_base_bins_and_epsilon_and_shows_no_control_characters(tmp_path, capsys):
    reference = table(tmp_path, "a.parquet", "select 1.5 as v, 'old' as c, date '2013-01-01' as d")
    current = table(
        tmp_path, "b.parquet", "select 2.5 as v, chr(27) || '[31m' as c, null::date as d"
    )
    code, out, err = run(capsys, "--reference", reference, "--current", current)
    assert (code, err) == (0, "")
    for wanted in ("psi(ln,0.0001)", "js(log2)", "bins", "natural log", "no epsilon", "gone: old"):
        assert wanted in out
    assert "\x1b" not in out
    assert "\\x1b[31m" in out


def failing(capsys, *argv: object) -> dict:
    code, out, err = run(capsys, *argv, "--json")
    assert (code, out) == (2, "")
    return json.loads(err)["error"]


def test_wrong_input_is_named_and_ends_with_2(tmp_path, capsys):
    good = table(tmp_path, "a.csv", "select i as v, 'x' as c from range(9) t(i)")
    broken, empty, strange = (tmp_path / n for n in ("x.parquet", "e.csv", "a.xlsx"))
    broken.write_bytes(b"PAR1 but not really")
    empty.write_bytes(b"")
    strange.write_bytes(b"PK")

    def error(current: Path, *more: str) -> dict:
        return failing(capsys, "--reference", good, "--current", current, *more)

    assert error(tmp_path / "nope.csv")["code"] == "no_such_file"
    assert error(tmp_path)["code"] == "no_such_file"
    assert error(good, "--columns", "v", "w")["field"] == "w"
    assert error(broken)["code"] == error(empty)["code"] == "unreadable_file"
    assert error(strange)["code"] == "unknown_format"
    assert failing(capsys, "--reference", good)["code"] == "usage"


def test_errors_name_the_users_path_and_not_our_scratch(tmp_path, capsys):
    ragged = tmp_path / "ragged.jsonl"
    ragged.write_text('{"v": 1}\n{"v": \n')
    found = failing(capsys, "--reference", ragged, "--current", ragged)
    assert str(ragged) in found["message"]
    assert "cdml-" not in found["message"].replace(str(tmp_path), "")


def test_a_column_that_changes_type_is_said_and_hides_no_other(tmp_path, capsys):
    reference = table(tmp_path, "a.csv", "select i as v, i % 3 as w from range(9) t(i)")
    current = table(tmp_path, "b.csv", "select 'text' as v, i % 3 as w from range(9) t(i)")
    found = compared(capsys, reference, current)["columns"]
    assert found["v"] == {
        "kind": "changed",
        "n_reference": 9,
        "n_current": 9,
        "null_rate_reference": 0,
        "null_rate_current": 0,
        "kind_reference": "numeric",
        "kind_current": "categorical",
    }
    assert found["w"]["psi"] == 0.0
    out = run(capsys, "--reference", reference, "--current", current)[1]
    assert "of another type" in out


ODD = """
    select 7.5 as constant, null::double as empty, case when i = 0 then 1.0 end as one_row,
        case i % 3 when 0 then 'inf'::double when 1 then '-inf'::double else 'nan'::double end as i,
        (case when i % 2 = 0 then 1 else -1 end) * 1e308 as huge, 1e-320 * i as tiny,
        'c' || (i % 10000 + {first}) as many, null::varchar as none, 'one' as same,
        case when i = 0 then 'x' end as single, '' as blank
    from range({rows}) t(i)
"""


@pytest.mark.parametrize("rows", [0, 1, 20_000])
def test_odd_columns_have_an_answer_in_either_direction(tmp_path, capsys, rows):
    full = table(tmp_path, "a.parquet", ODD.format(first=0, rows=20_000))
    other = table(tmp_path, "b.parquet", ODD.format(first=5000, rows=rows))
    for pair in ((full, other), (other, full)):
        code, out, err = run(capsys, "--reference", pair[0], "--current", pair[1], "--json")
        assert (code, err) == (0, "")
        assert "NaN" not in out
        assert "Infinity" not in out
        columns = json.loads(out)["columns"]
        assert columns["empty"]["psi"] is columns["i"]["ks"] is columns["none"]["chi2"] is None
        shown = run(capsys, "--reference", pair[0], "--current", pair[1])[1]
        assert "nan" not in shown.lower().replace("nan ", "")
        assert "no distance: a side has no value" in shown
    if rows == 20_000:
        assert columns["many"]["bins"] == 15_000
        assert len(columns["many"]["new_categories"]) == 5000
        assert columns["huge"]["wasserstein"] == 0.0
        assert columns["constant"]["wasserstein_normed"] is None
        assert columns["i"]["infinite_current"] == 13_334


def test_text_ranks_by_psi_beside_what_chance_alone_would_give(tmp_path, capsys):
    select = (
        "select i as still, i + {shift} as moved, i + {shift} / 9 as a_little from range(100) t(i)"
    )
    reference = table(tmp_path, "a.parquet", select.format(shift=0))
    current = table(tmp_path, "b.parquet", select.format(shift=45))
    found = compared(capsys, reference, current)["columns"]
    assert list(found) == ["still", "moved", "a_little"]
    assert found["still"]["psi_by_chance"] == pytest.approx(9 * 2 / 100)
    lines = run(capsys, "--reference", reference, "--current", current)[1].splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["moved", "a_little", "still"]
    assert "by chance" in lines[0]
    assert "0.18" in lines[3]


def test_a_wide_file_is_reported_whole(tmp_path, capsys):
    columns = ", ".join(f"i + {at} as c{at}" for at in range(120))
    file = table(tmp_path, "a.parquet", f"select {columns} from range(20) t(i)")
    found = compared(capsys, file, file)["columns"]
    assert list(found) == [f"c{at}" for at in range(120)]
    assert {c["ks"] for c in found.values()} == {0.0}
