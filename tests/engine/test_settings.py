"""cdml.toml: every mistake is named with file, line, key and what would be right."""

import json
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import check
from engine.errors import InvalidError
from engine.quantities import address, check_cron, duration, is_loopback, size
from engine.settings import METRICS, ModelSettings, Settings, load
from engine.settings_file import nearest

FULL = """\
[workspace]
name = "box1"
timezone = "Europe/Paris"          # naive times

[serving]
listen = "127.0.0.1:8080"

[models.late]
task = "binary"
target = "late"
time = "event_time"
label_time = "label_time"
id = "flight_id"
exclude = ["arr_delay_min"]
metric = "log_loss"
label_maturity = "1d"

[models.late.train]
every = "7d"
windows = ["all", "60d"]

[models.late.gate]
non_inferiority = 0.005

[models.late.rollout]
mode = "automatic"
shadow = { rows = 500 }
canary = [10, 50]
proven = { hours = 24, requests = 500, labels = 200 }

[models.late.kpi.cost]
sql = "avg(case when decision then 1 else 0 end)"
direction = "minimize"
limit = 0.60

[models.late.monitor]
window = "7d"
"""


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "cdml.toml"
    path.write_text(text)
    return load(path)


def refused(folder: Path, text: str) -> InvalidError:
    with pytest.raises(InvalidError) as caught:
        loaded(folder, text)
    return caught.value


def test_a_full_file_is_read_as_it_stands(tmp_path: Path) -> None:
    settings = loaded(tmp_path, FULL)
    model = settings.models["late"]
    assert settings.workspace.timezone == "Europe/Paris"
    assert model.rollout.canary == [10.0, 50.0]
    assert model.rollout.proven.hours == 24.0
    assert model.train.windows == ["all", "60d"]
    assert model.kpi["cost"].limit == 0.6


def test_an_empty_file_has_defaults_and_no_model(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == Settings()


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "said"),
    [
        ("every =", "evry =", 19, "models.late.train.evry", 'nearest valid one is "every"'),
        ("shadow = { rows", "shadow = { row", 27, "models.late.rollout.shadow.row", '"rows"'),
        ("[workspace]", "[workspce]", 1, "workspce", '"workspace"'),
        ("target =", 'every = "1d"\ntarget =', 10, "models.late.every", 'the table "train" below'),
        ('target = "late"\n', "", 8, "models.late", 'key "target" is missing'),
        ("0.005", '"0.005"', 23, "models.late.gate.non_inferiority", "a number is expected"),
        ("0.60", "nan", 34, "models.late.kpi.cost.limit", "a finite number"),
        ('"binary"', '"binry"', 9, "models.late.task", 'nearest valid one is "binary"'),
        ('"log_loss"', '"logloss"', 15, "models.late.metric", '"log_loss"'),
        ('"log_loss"', '"mean_absolute_error"', 15, "models.late.metric", "does not fit a binary"),
        ('"7d"\nw', '"7 days"\nw', 19, "models.late.train.every", "is no duration"),
        ('"7d"\nw', '"0d"\nw', 19, "models.late.train.every", "longer than nothing"),
        ('"7d"\nw', '"7d"\ncron = "0 3 * * 1"\nw', 20, "models.late.train.cron", "both set"),
        ("Europe/Paris", "Europe/Pari", 3, "workspace.timezone", '"Europe/Paris"'),
        ("127.0.0.1:8080", "8080", 6, "serving.listen", "no host:port"),
        ("127.0.0.1", "example.org", 6, "serving.listen", "a host in numbers"),
        ("[10, 50]", "[50, 10]", 28, "models.late.rollout.canary", "must rise"),
        ("[10, 50]", "[0, 50]", 28, "models.late.rollout.canary", "1 to 99"),
        (
            'mode = "automatic"',
            "actions_per_day = 2",
            26,
            "models.late.rollout.actions_per_day",
            "2 canary steps and the promotion are more",
        ),
        ('mode = "automatic"', "slow_ms = 0", 26, "models.late.rollout.slow_ms", "above 0"),
        ('mode = "automatic"', "step_rows = 0", 26, "models.late.rollout.step_rows", "1 and"),
        ('mode = "automatic"', "alpha = 1", 26, "models.late.rollout.alpha", "between 0 and 1"),
        ('= "label_time"', '= "event_time"', 12, "models.late.label_time", "time already"),
        ('["arr_delay_min"]', '["late"]', 14, "models.late.exclude", "is the target"),
        ('"avg(case', '" " # "avg(case', 32, "models.late.kpi.cost.sql", "empty"),
        ("[models.late.gate]", "[models.late.gates]", 22, "models.late.gates", '"gate"'),
        ('metric = "log_loss"', 'recipe = "boosting"', 15, "models.late.recipe", "hist_gradient"),
        ('metric = "log_loss"', 'policy = "careful"', 15, "models.late.policy", "careful"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_line_key_and_cure(
    tmp_path: Path, old: str, new: str, line: int, field: str, said: str
) -> None:
    assert old in FULL
    fault = refused(tmp_path, FULL.replace(old, new, 1))
    assert f'"{tmp_path}/cdml.toml", line {line}, key' in fault.message
    assert fault.field == field
    assert said in fault.message


def test_what_is_not_toml_not_utf8_or_not_there_is_said(tmp_path: Path) -> None:
    assert "line 2" in refused(tmp_path, "[workspace]\nname = \n").message
    (tmp_path / "cdml.toml").write_bytes(b'[workspace]\nname = "\xff"\n')
    with pytest.raises(InvalidError, match="line 2: it is not UTF-8"):
        load(tmp_path / "cdml.toml")
    with pytest.raises(InvalidError, match="cdml init"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize("name", ['"../x"', '"a b"', '"a/b"', '""'])
def test_a_models_name_can_be_a_folder_and_nothing_else(tmp_path: Path, name: str) -> None:
    fault = refused(tmp_path, FULL.replace("[models.late", f"[models.{name}"))
    assert "letters, digits" in fault.message


POLICY = """
[policies.careful.gate]
non_inferiority = 0.001
holdout = "28d"

[policies.careful.train]
every = "30d"
seeds = 5
"""


def test_a_models_own_keys_win_over_the_policys_and_those_over_defaults(tmp_path: Path) -> None:
    text = FULL.replace('metric = "log_loss"', 'policy = "careful"') + POLICY
    model = loaded(tmp_path, text).models["late"]
    assert (model.gate.non_inferiority, model.gate.holdout) == (0.005, "28d")
    assert (model.train.every, model.train.seeds, model.train.deadline) == ("7d", 5, "30m")


def test_a_models_cron_replaces_the_policys_every(tmp_path: Path) -> None:
    text = FULL.replace('metric = "log_loss"', 'policy = "careful"') + POLICY
    model = loaded(tmp_path, text.replace('every = "7d"\nw', 'cron = "0 3 * * mon"\nw')).models
    assert (model["late"].train.every, model["late"].train.cron) == (None, "0 3 * * mon")


def test_a_mistake_in_a_policy_is_named_where_it_stands(tmp_path: Path) -> None:
    text = FULL.replace('metric = "log_loss"', 'policy = "careful"')
    fault = refused(tmp_path, text + POLICY.replace("holdout", "hold_out"))
    assert fault.field == "policies.careful.gate.hold_out"
    assert "line 41" in fault.message
    fault = refused(tmp_path, text.replace('"careful"', '"carful"') + POLICY)
    assert 'nearest valid one is "careful"' in fault.message


@pytest.mark.parametrize(
    ("task", "metric"),
    [("binary", "log_loss"), ("multiclass", "log_loss"), ("regression", "mean_absolute_error")],
)
def test_each_task_has_its_usual_metric(task: str, metric: str) -> None:
    model = ModelSettings(task=task, target="y", time="t")  # type: ignore[arg-type]
    assert model.metric == metric
    assert task in METRICS[metric][0]


@given(st.integers(0, 10_000), st.sampled_from("smhdw"))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: str) -> None:
    names = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    expected = timedelta(**{names[unit]: number})
    if expected > timedelta(days=36500):
        with pytest.raises(InvalidError):
            duration(f"{number}{unit}")
    else:
        assert duration(f"{number}{unit}") == expected


@given(st.text(max_size=12))
def test_any_text_is_a_duration_and_a_size_or_an_invalid_error(text: str) -> None:
    for read in (duration, size, check_cron, address):
        with suppress(InvalidError):
            read(text)


def test_sizes_are_binary_and_decimal() -> None:
    assert [size(t) for t in ("2GiB", "500MB", "1.5KiB", "7B")] == [2 << 30, 500_000_000, 1536, 7]
    for wrong in ("2G", "-1MB", "", "GiB", "٣MB"):
        with pytest.raises(InvalidError):
            size(wrong)


def test_cron_lines_are_five_fields_that_can_come_true() -> None:
    for good in ("0 3 * * 1", "*/5 0-6 1,15 jan-mar mon-fri", "59 23 31 12 sun", "0 */2 * * *"):
        check_cron(good)
    for bad in ("0 3 * *", "60 * * * *", "* * 0 * *", "5-1 * * * *", "*/0 * * * *", "* * * * 7"):
        with pytest.raises(InvalidError):
            check_cron(bad)


def test_only_loopback_addresses_are_loopback() -> None:
    assert address("[::1]:80") == ("::1", 80)
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.3.2.1", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.evil"))


KEYS = ["every", "window", "drift_limit", "metric_limit"]


@given(st.sampled_from(KEYS), st.integers(0, 5))
def test_a_key_with_one_letter_lost_has_itself_as_nearest(key: str, at: int) -> None:
    place = at % len(key)
    assert f'"{key}"' in nearest(key[:place] + key[place + 1 :], KEYS)


def test_check_prints_the_plan_in_plain_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded(tmp_path, FULL)
    assert check.main(["-w", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    for said in ("every 7d", "the last 60d", "canary at 10 %, 50 %", "http://127.0.0.1:8080"):
        assert said in text
    assert check.main(["-w", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["settings"]["models"]["late"]["gate"]["holdout"] == "14d"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('sql = "select 1"\nfiles = { a = "b.csv" }', "asks a query over b.csv every 1h"),
        (
            "log = true",
            "unless more than 10% of the outcomes may be its own doing (decisions: every",
        ),
        ("log = true\ninfluences = []", "(decisions: none)"),
    ],
)
def test_check_says_where_rows_come_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, said: str
) -> None:
    loaded(tmp_path, f"{FULL}\n[models.late.source]\n{table}\n")
    assert check.main(["-w", str(tmp_path)]) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('sql = "a.sql"\npython = "a:made"', "either a query or a function"),
        ("", "either a query or a function"),
        ('sql = "/etc/passwd"', "no file below the folder of cdml.toml"),
        ('sql = "../a.sql"', "no file below the folder of cdml.toml"),
        ('python = "made"', 'is no "module:function"'),
    ],
)
def test_a_transformation_is_one_file_of_the_workspace(
    tmp_path: Path, table: str, said: str
) -> None:
    fault = refused(tmp_path, f"{FULL}\n[models.late.transform]\n{table}\n")
    assert said in fault.message
    assert (fault.field or "").startswith("models.late.transform")


def test_check_says_what_is_wrong_with_a_transformation_and_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded(tmp_path, f'{FULL}\n[models.late.transform]\nsql = "late.sql"\n')
    assert check.main(["-w", str(tmp_path)]) == 2
    assert "cannot be read, No such file" in capsys.readouterr().err
    (tmp_path / "late.sql").write_text("select\n  random() as r from rows")
    assert check.main(["-w", str(tmp_path)]) == 2
    assert "line 2 calls random, which is not the same each time" in capsys.readouterr().err
    (tmp_path / "late.sql").write_text("select wind * 2 as twice from rows")
    assert check.main(["-w", str(tmp_path)]) == 0
    assert "transforms rows by late.sql" in capsys.readouterr().out


def test_check_of_a_wrong_file_is_exit_2_and_json_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "cdml.toml").write_text(FULL.replace("seeds", "seads").replace("every", "evry"))
    done = subprocess.run(
        [sys.executable, "-m", "engine", "check", "-w", str(tmp_path), "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert json.loads(done.stderr)["error"]["field"] == "models.late.train.evry"


def test_every_key_is_documented_with_type_and_default() -> None:
    rows = {row.key: row for row in check.keys()}  # noqa: SIM118 - a function, no dict
    assert rows["models.NAME.kpi.NAME.sql"].default == "required"
    assert rows["models.NAME.train.windows"].default == '["all"]'
    assert rows["models.NAME.train.cron"].default == "absent"
    assert rows["policies.NAME.monitor.window"].type == "text"
    assert all(row.text.endswith(".") and "another type" not in row.type for row in rows.values())


RECIPES = """
[recipes.patient]
of = "hist_gradient_boosting"
params = { learning_rate = 0.03 }
options = { max_iter = [100, 200] }
"""


def test_recipes_are_named_and_compete(tmp_path: Path) -> None:
    text = FULL.replace('metric = "log_loss"', 'metric = "log_loss"\nrecipe = "patient"')
    text = text.replace('windows = ["all"', 'recipes = ["linear", "own:made"]\nwindows = ["all"')
    (tmp_path / "cdml.toml").write_text(text + RECIPES)
    found = load(tmp_path / "cdml.toml")
    assert found.models["late"].recipe == "patient"
    assert found.models["late"].train.recipes == ["linear", "own:made"]
    assert found.recipes["patient"].options == {"max_iter": [100, 200]}


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ('"hist_gradient_boosting"\np', '"boosting"\np', "recipes.patient.of", "nearest valid"),
        ("[recipes.patient]", "[recipes.linear]", "recipes.linear", "built-in"),
        ("[100, 200]", "[]", "recipes.patient.options", "no value"),
        ("max_iter", "learning_rate", "recipes.patient.options", "in params already"),
        ('windows = ["all"', 'recipes = ["patent"]\nwindows = ["all"',
         "models.late.train.recipes", '"patient"'),
        ('windows = ["all"', 'budget = "20 trials"\nwindows = ["all"',
         "models.late.train.budget", "is no duration"),
    ],
)  # fmt: skip
def test_a_mistaken_recipe_names_its_cure(
    tmp_path: Path, old: str, new: str, field: str, said: str
) -> None:
    assert old in FULL + RECIPES
    fault = refused(tmp_path, (FULL + RECIPES).replace(old, new, 1))
    assert fault.field == field
    assert said in fault.message
