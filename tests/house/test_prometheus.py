"""The rules and the dashboard name what the code shows, and all that the code shows is in them."""

import json
import re
from pathlib import Path

from engine.telemetry import engine_metrics
from engine.telemetry.prometheus import ServingMetrics

DESIGNED = """
cdml_predictions_total cdml_prediction_seconds cdml_drift_score cdml_performance cdml_kpi
cdml_job_runs_total cdml_job_seconds cdml_generation cdml_rollbacks_total cdml_rollback_ready
cdml_alerts_firing cdml_spool_bytes cdml_log_dropped_total
"""


def shown() -> set[str]:
    """Return the name of every metric that either process shows."""
    service = ServingMetrics(lambda: 0.0, lambda: 0.0, dict)
    text = engine_metrics.text({}, {"control": 0.0}) + service.text()
    return set(re.findall(r"^# TYPE (\S+) ", text.decode(), re.MULTILINE))


def named(text: str) -> set[str]:
    """Return the metrics that a text asks for; the parts of a histogram by its own name."""
    return {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"cdml_\w+", text)}


def test_what_is_shown_and_what_the_shipped_files_ask_for_are_the_same(root: Path) -> None:
    shipped = root / "docs" / "prometheus"
    dashboard = json.loads((shipped / "dashboard.json").read_text())
    asked = [t["expr"] for p in dashboard["panels"] for t in p.get("targets", ())]
    rules = named((shipped / "rules.yml").read_text())
    assert rules <= named((shipped / "tests.yml").read_text())
    assert rules | named(" ".join(asked)) == shown()
    assert set(DESIGNED.split()) <= shown()


def test_the_document_for_operators_explains_every_metric(root: Path) -> None:
    assert shown() <= named((root / "docs" / "OPERATING.md").read_text())
