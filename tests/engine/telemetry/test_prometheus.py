"""What Prometheus is shown of one process; of several, see serving/test_crew.py."""

from pathlib import Path

from engine.telemetry import prometheus
from engine.telemetry.prometheus import MAX_FLAGS, ServingMetrics
from engine.telemetry.shared import forget_gauges, prepare


def test_a_version_out_of_memory_is_shown_no_more() -> None:
    memory = {("late", "v1"): 10, ("late", "v2"): 20}
    dropped = 3.0
    metrics = ServingMetrics(lambda: 7.0, lambda: dropped, lambda: dict(memory))
    text = metrics.text().decode()
    assert 'cdml_version_bytes{model="late",version="v2"} 20.0' in text
    assert "cdml_spool_bytes 7.0" in text
    assert "cdml_log_dropped_total 3.0" in text
    del memory["late", "v2"]
    text = metrics.text().decode()
    assert 'version="v1"' in text
    assert 'version="v2"' not in text
    assert "cdml_log_dropped_total 3.0" in text


def test_a_loop_that_stood_still_is_counted_and_one_that_was_busy_is_not() -> None:
    metrics = ServingMetrics(lambda: 0.0, lambda: 0.0, dict)
    assert 'cdml_loop_stalled_seconds_total{loop="serving"} 0.0' in metrics.text().decode()
    metrics.late(0.4)
    metrics.late(2.5)
    assert 'cdml_loop_stalled_seconds_total{loop="serving"} 2.5' in metrics.text().decode()


def test_flags_are_counted_by_column_and_never_without_bound() -> None:
    metrics = ServingMetrics(lambda: 0.0, lambda: 0.0, dict)
    for _ in range(2):
        metrics.flagged("late", ["range:dep_hour", "unseen:carrier"])
    for n in range(MAX_FLAGS + 50):
        metrics.flagged("late", [f"null:c{n}"])
    text = metrics.text().decode()
    assert 'cdml_contract_flags_total{column="dep_hour",kind="range",model="late"} 2.0' in text
    assert f'column="{prometheus.OTHERS}",kind="null",model="late"}} 52.0' in text
    assert text.count("cdml_contract_flags_total{") == MAX_FLAGS + 1


def test_what_a_version_out_of_memory_counted_is_shown_once_more_and_then_let_go() -> None:
    memory = {("late", "v1"): 10, ("late", "v2"): 20}
    metrics = ServingMetrics(lambda: 0.0, lambda: 0.0, lambda: dict(memory))
    metrics.answered("late", "v1", "champion", 3, 0.01)
    metrics.answered("late", "v2", "champion", 5, 0.01)
    metrics.refused("late", 422)
    del memory["late", "v1"]
    assert 'role="champion",version="v1"} 3.0' in metrics.text().decode()
    text = metrics.text().decode()
    assert 'version="v1"' not in text
    assert 'role="champion",version="v2"} 5.0' in text
    assert 'code="422",model="late",role="",version=""} 1.0' in text


def test_files_to_count_in_are_made_anew_or_done_without(tmp_path: Path) -> None:
    assert prepare(tmp_path / "metrics", 2)
    former = tmp_path / "metrics" / "gauge_min_1.db"
    former.write_bytes(b"\x01" * 100)
    forget_gauges(tmp_path / "metrics", 1)
    assert former.read_bytes() == bytes(8) + b"\x01" * 92
    assert prepare(tmp_path / "metrics", 1)
    assert not former.exists()
    (tmp_path / "taken").touch()
    assert not prepare(tmp_path / "taken", 1)
