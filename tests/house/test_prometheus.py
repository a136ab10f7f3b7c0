"""What is shown is the contract; rules, their tests, dashboard and document name all of it."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.telemetry import names
from engine.telemetry.engine_metrics import text
from engine.telemetry.prometheus import ServingMetrics
from tests.engine.telemetry.everything import MODEL, WHOLE

# Other programs rely on these: name, type, labels.
CONTRACT = """
cdml_predictions_total counter model version role code
cdml_prediction_seconds histogram model version
cdml_drift_score gauge model column method
cdml_performance gauge model version metric kind
cdml_kpi gauge model version kpi
cdml_job_runs_total counter model job outcome
cdml_job_seconds histogram model job
cdml_generation gauge model
cdml_rollbacks_total counter model cause
cdml_rollback_ready gauge model
cdml_alerts_firing gauge model kind
cdml_spool_bytes gauge
cdml_log_dropped_total counter
"""


def engine_text() -> str:
    """Return what an engine shows of which everything is known."""
    return text({"late": MODEL}, WHOLE).decode()


def service_text() -> str:
    """Return what a prediction service shows that has met everything."""
    shown = ServingMetrics(lambda: 0.0, lambda: 0.0, lambda: {("late", "v1"): 1})
    shown.generation("late", 1)
    shown.answered("late", "v1", "champion", 1, 0.01)
    shown.flagged("late", ["null:wind"])
    shown.refused("", 404)
    return shown.text().decode()


def seen(text: str) -> dict[str, tuple[str, set[str]]]:
    """Return type and labels of everything a text shows by itself; of processes, nothing."""
    found: dict[str, tuple[str, set[str]]] = {}
    for name, kind in re.findall(r"^# TYPE (cdml_\S+) (\S+)", text, re.MULTILINE):
        rows = re.findall(rf"^{name}(?:_bucket|_sum|_count)?(?:{{(.*)}})? ", text, re.MULTILINE)
        labels = {label for row in rows for label in re.findall(r'(\w+)="', row)}
        found[name] = (kind, labels - {"le"})
        assert rows, f"{name} has no sample"
    return found


def named(text: str) -> set[str]:
    """Return the metrics that a text asks for; the parts of a histogram by its own name."""
    return {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"cdml_\w+", text)}


def promtool(*words: str, text: str = "") -> None:
    """Have promtool check something; what it says is the failure."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.fail("promtool is not installed: apt-get install prometheus (as .ci/run does)")
    run = subprocess.run(
        [tool, *words], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert not run.stderr


def test_each_process_shows_the_contract_name_by_name_type_by_type_label_by_label() -> None:
    engine, service = seen(engine_text()), seen(service_text())
    for process, shown in (("engine", engine), ("service", service)):
        wanted = {n.name: (n.kind, set(n.labels)) for n in names.ALL if n.by in (process, "both")}
        assert shown == wanted
    listed = {n.name: (n.kind, set(n.labels)) for n in names.ALL}
    for name, kind, *labels in map(str.split, CONTRACT.strip().splitlines()):
        assert listed[name] == (kind, set(labels))


@pytest.mark.parametrize("shown", [engine_text, service_text])
def test_promtool_finds_nothing_to_say_of_either_process(shown: Any) -> None:
    promtool("check", "metrics", text=shown())


def rules(root: Path) -> str:
    return (root / "docs" / "prometheus" / "rules.yml").read_text()


def asked(root: Path) -> list[str]:
    """Return the expressions of the dashboard."""
    board = json.loads((root / "docs" / "prometheus" / "dashboard.json").read_text())
    return [t["expr"] for p in board["panels"] for t in p.get("targets", ())]


def test_what_is_shown_and_what_the_shipped_files_ask_for_are_the_same(root: Path) -> None:
    shown = {n.name for n in names.ALL}
    assert named(rules(root)) | named(" ".join(asked(root))) == shown
    assert shown <= named((root / "docs" / "OPERATING.md").read_text())


def test_every_expression_of_the_dashboard_is_one(root: Path, tmp_path: Path) -> None:
    given = {"$__rate_interval": "5m", "$model": ".*"}
    lines = ["groups: [{name: dashboard, rules: ["]
    for number, expr in enumerate(asked(root)):
        for name, value in given.items():
            expr = expr.replace(name, value)
        lines.append(f"  {{record: 'panel:{number}', expr: {json.dumps(expr)}}},")
    path = tmp_path / "panels.yml"
    path.write_text("\n".join([*lines, "]}]"]) + "\n")
    promtool("check", "rules", str(path))


def test_every_rule_is_tested_both_ways_and_says_where_to_read_on(root: Path) -> None:
    shipped = root / "docs" / "prometheus"
    alerts = re.findall(
        r"- alert: (\w+)\n(.*?)(?=\n +- alert|\n +- name|\Z)", rules(root), re.DOTALL
    )
    tests = "".join((shipped / f"tests{which}.yml").read_text() for which in ("", "-days"))
    for alert, body in alerts:
        assert re.search(rf"alertname: {alert}, exp_alerts: \[\]", tests), alert
        assert re.search(rf"alertname: {alert}\n +exp_alerts:\n +- exp_labels", tests), alert
        assert re.search(r"severity: (warning|critical)", body), alert
        document, anchor = re.search(r"runbook: (\S+)#(\S+)", body).groups()  # type: ignore[union-attr]
        heads = re.findall(r"^#+ (.+)$", (root / "docs" / document).read_text(), re.MULTILINE)
        assert anchor in {h.lower().replace(" ", "-").replace("'", "") for h in heads}, anchor
