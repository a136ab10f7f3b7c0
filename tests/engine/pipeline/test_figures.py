"""What Prometheus is shown of the engine: from ledger and store, bounded, nothing unknown."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from engine.clock import iso
from engine.domain.alerts import Finding
from engine.domain.locks import EVERYWHERE
from engine.pipeline import alerts, locks, readiness
from engine.pipeline.figures import MAX_COLUMNS, Figures
from engine.pipeline.monitor import monitor
from engine.pipeline.rollback import rollback
from engine.store import archive, looks, runs, scores
from engine.store.scores import Score
from engine.telemetry.engine_metrics import JOB_BUCKETS
from engine.telemetry.stalls import Stalls
from engine.wire import Change, DriftColumn, JobRow, LockRequest, NotifyRow, ScheduleRow
from tests.engine.pipeline.place import PERSON, ROBOT, START, Place
from tests.engine.pipeline.test_monitor import watched

LOOKED = START + timedelta(days=1)


def shown(place: Place, figures: Figures | None = None) -> dict[str, float]:
    """Return every sample by its name and labels."""
    text = (figures or Figures(place, Stalls())).text().decode()
    rows = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in rows}


def named(found: dict[str, float], start: str) -> dict[str, float]:
    return {name: value for name, value in found.items() if name.startswith(start)}


def test_a_model_of_which_nothing_is_known_shows_no_number(place: Place) -> None:
    found = shown(place)
    assert not [name for name in found if "model=" in name]
    assert found["cdml_store_complete"] == 1.0
    assert found["cdml_spool_waiting_bytes"] == 0.0
    assert 0 < found["cdml_disk_free_bytes"] <= found["cdml_disk_size_bytes"]
    # There is no backup: that is known by its absence, not by a 0 long ago.
    assert "cdml_backup_timestamp_seconds" not in found


def test_a_file_set_aside_is_shown_before_any_look(place: Place) -> None:
    place.champions(0.5)
    finding = Finding("quarantine", "files", 1.0, 0.0, 1, "1 file waits")
    alerts.settle(place, "late", [finding], "v1", place.clock.now())
    assert named(shown(place), "cdml_alerts_firing") == {
        'cdml_alerts_firing{kind="quarantine",model="late"}': 1.0
    }


def test_the_workspace_is_shown_as_ledger_spool_and_targets_have_it(place: Place) -> None:
    place.champions(0.5)
    locks.freeze(place, EVERYWHERE, PERSON, LockRequest("one", reason="a move"))
    due = ScheduleRow("late", "monitor", "every 1d", "2026-06-02T00:00:00Z")
    late = ScheduleRow("late", "train", "every 7d", "2026-06-02T00:00:00Z", "waits: frozen")
    row = NotifyRow("ops", "url", "WARN", [], 3, 2, 1, 0, None, "it was not accepted there")
    found = shown(place, Figures(place, Stalls(), lambda: [due, late], lambda: [row]))
    assert found['cdml_messages_total{outcome="failed",target="ops"}'] == 2.0
    assert found['cdml_target_failing{target="ops"}'] == 1.0
    since = found['cdml_lock_timestamp_seconds{lock="freeze",model="(all)"}']
    assert since == place.clock.wall().timestamp()
    # What a freeze lets wait is not late.
    assert named(found, "cdml_job_due") == {
        'cdml_job_due_timestamp_seconds{job="monitor",model="late"}': 1780358400.0
    }
    assert found["cdml_audit_entries"] == place.ledger.audit_entries(limit=1)[-1].seq


def test_a_look_is_shown_by_kind_and_what_has_no_value_is_not(place: Place) -> None:
    watched(place, score=0.3, wind=9.0)
    readiness.refresh(place, "late")
    found = shown(place)
    assert found['cdml_generation{model="late"}'] == place.ledger.roles("late").generation
    assert found['cdml_rollback_ready{model="late"}'] == 0.0
    drift = named(found, "cdml_drift_score")
    assert drift['cdml_drift_score{column="wind",method="psi",model="late"}'] > 0.2
    served = 'metric="log_loss",model="late",version="served"}'
    (value,) = [s.value for s in scores.latest(place.store, "late", "realised", "served")
                if s.name == "log_loss"]  # fmt: skip
    assert found[f'cdml_performance{{kind="realised",{served}'] == value
    # The forecast lacks windows and the estimate labels: not 0, but not there.
    kinds = {re.search('kind="([^"]*)"', name)[1] for name in named(found, "cdml_performance")}  # type: ignore[index]
    assert "forecast" not in kinds
    assert found['cdml_kpi{kpi="cost",model="late",version="served"}'] >= 0.0
    firing = named(found, "cdml_alerts_firing")
    assert firing['cdml_alerts_firing{kind="drift",model="late"}'] == 1.0
    assert firing['cdml_alerts_firing{kind="realised",model="late"}'] == 0.0


def test_versions_out_of_every_role_are_shown_no_more(place: Place) -> None:
    place.champions(0.5, 0.4)
    rollback(place, "late", PERSON, Change("one", to="v1"))
    looks.record(place.store, "late", LOOKED, "v2")
    span = (LOOKED - timedelta(days=1), LOOKED)
    found = [Score("late", v, "realised", "log_loss", *span, 0.5, 900) for v in ("served", "v2")]
    scores.put_look(place.store, "late", LOOKED, found)
    (name,) = named(shown(place), "cdml_performance")
    assert 'version="served"' in name


def column(name: str, psi: float) -> Score:
    drift = DriftColumn(name, "numeric", psi, None, 0.5, 9, 9, 0.0, 0.0, damage=psi)
    text = msgspec.json.encode(drift).decode()
    return Score(
        "late", "v1", "drift", name, LOOKED - timedelta(days=1), LOOKED, psi, 9, detail=text
    )


def test_of_many_columns_the_most_damaging_are_named_and_the_worst_of_the_rest_is_kept(
    place: Place,
) -> None:
    place.champions(0.5)
    looks.record(place.store, "late", LOOKED, "v1")
    many = [column(f"c{n:03}", n / 1000) for n in range(200)]
    scores.put_look(place.store, "late", LOOKED, many)
    found = named(shown(place), "cdml_drift_score")
    psis = {name: v for name, v in found.items() if 'method="psi"' in name}
    assert len(psis) == MAX_COLUMNS + 1
    assert psis['cdml_drift_score{column="(others)",method="psi",model="late"}'] == 0.169
    assert 'cdml_drift_score{column="c199",method="psi",model="late"}' in psis
    assert not [name for name in found if 'method="js"' in name]


@pytest.fixture
def rolled(place: Place) -> Iterator[Place]:
    """A champion that a person took back, and then the engine."""
    place.champions(0.5, 0.4, 0.3)
    rollback(place, "late", PERSON, Change("one", to="v2"))
    place.clock.passes(minutes=10)
    rollback(place, "late", ROBOT, Change("two", to="v1", expect="v2"))
    return place


def test_counts_come_from_the_record_and_outlive_whoever_counts(rolled: Place) -> None:
    now = rolled.moment()
    later = (rolled.clock.now() + timedelta(seconds=30)).isoformat().replace("+00:00", "Z")
    row = JobRow("r1", "late", "train", "done", "x", now, now, later)
    for number, state in enumerate(("done", "done", "failed", "queued")):
        end = None if state == "queued" else later
        runs.put(rolled.store, msgspec.structs.replace(
            row, id=f"r{number}", state=state, started_at=end and now, ended_at=end))  # fmt: skip
    figures = Figures(rolled, Stalls())
    for found in (shown(rolled, figures), shown(rolled, figures), shown(rolled)):
        assert found['cdml_rollbacks_total{cause="human",model="late"}'] == 1.0
        assert found['cdml_rollbacks_total{cause="guardrail",model="late"}'] == 1.0
        runs_of = {'job="train",model="late",outcome="done"': 2.0,
                   'job="train",model="late",outcome="failed"': 1.0}  # fmt: skip
        for labels, n in runs_of.items():
            assert found[f"cdml_job_runs_total{{{labels}}}"] == n
        assert not [name for name in found if "queued" in name]
        of_job = 'job="train",'
        assert found[f'cdml_job_seconds_bucket{{{of_job}le="15.0",model="late"}}'] == 0.0
        assert found[f'cdml_job_seconds_bucket{{{of_job}le="60.0",model="late"}}'] == 3.0
        assert found['cdml_job_seconds_sum{job="train",model="late"}'] == 90.0


def test_runs_that_are_no_longer_kept_go_on_being_counted(place: Place) -> None:
    place.champions(0.5)
    began, ended = place.moment(), iso(place.clock.now() + timedelta(seconds=30))
    row = JobRow("r1", "late", "train", "failed", "x", began, began, ended)
    before: dict[str, float] = {}
    for days in range(3):
        runs.put(place.store, msgspec.structs.replace(row, id=f"r{days}"))
        before = named(shown(place), "cdml_job_")
        archive.forget_records(place.store, START + timedelta(days=1), JOB_BUCKETS)
        assert runs.newest(place.store, 9) == []
        assert named(shown(place), "cdml_job_") == before
    assert before['cdml_job_runs_total{job="train",model="late",outcome="failed"}'] == 3.0
    assert before['cdml_job_seconds_bucket{job="train",le="60.0",model="late"}'] == 3.0
    assert before['cdml_job_seconds_sum{job="train",model="late"}'] == 90.0


def test_a_look_measured_again_is_read_again_and_a_store_that_fails_takes_its_numbers_along(
    place: Place,
) -> None:
    watched(place, score=0.3)
    figures = Figures(place, Stalls())
    before = shown(place, figures)
    (look,) = looks.known(place.store, "late")
    again = [replace(s, value=0.123) if s.kind == "kpi" else s
             for s in scores.of_look(place.store, "late", look.at)]  # fmt: skip
    scores.put_look(place.store, "late", look.at, again)
    looks.restated(place.store, "late", [look])
    cost = 'cdml_kpi{kpi="cost",model="late",version="served"}'
    assert before[cost] != shown(place, figures)[cost] == 0.123
    place.clock.passes(days=1)
    monitor(place, "late")
    place.store.read = broken  # type: ignore[method-assign, assignment]
    found = shown(place, figures)
    assert cost not in found
    assert 'cdml_generation{model="late"}' in found


def broken(*_: object) -> None:
    from engine.errors import UnavailableError

    raise UnavailableError("Reading the metric store: a test broke it.", code="store_unavailable")
