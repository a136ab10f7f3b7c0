"""A look estimates what has no labels yet and forecasts what is to come, from raw rows alone."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.clock import parse_time
from engine.domain.alerts import Finding, Standing
from engine.pipeline import estimating, findings, history, performance_page
from engine.pipeline.ingest import ingest
from engine.pipeline.look import Look, look_at
from engine.pipeline.monitor import monitor
from engine.store import labels, predictions
from engine.store.labels import LabelRow
from engine.store.predictions import Block
from engine.store.scores import Score
from engine.wire import Estimated, Expert, Forecast
from tests.engine.pipeline.place import SETTINGS, Place, csv

DAILY = 30


def served(
    place: Place, version: str, weeks: int, *, rate: float = 0.3, labelled: bool = True
) -> None:
    """Store weeks of answers up to now, honest about who is late, at `rate` on average."""
    rng = np.random.default_rng(weeks)
    n, now = weeks * 7 * DAILY, place.clock.now()
    scores = np.clip(rng.normal(rate, 0.15, n), 0.02, 0.98)
    rows: list[Any] = []
    known = []
    for at, score in enumerate(scores):
        ts = (now - timedelta(days=weeks * 7) * (1 - at / n)).replace(tzinfo=None).isoformat()
        name, decision = f"{version}-{at}", "true" if score >= 0.5 else "false"
        rows.append(
            ("late", name, name, ts, ts, None, 1, version, "champion", '{"wind":5}',
             f"[{score}]", decision, "", 1.0)
        )  # fmt: skip
        known.append(LabelRow("late", name, ts, str(rng.random() < score).lower(), ts))
    predictions.load(place.store, Block(rows, [], [], {}))
    if labelled:
        labels.add(place.store, known)


def looked(place: Place, version: str = "v1") -> tuple[Look, list[Score]]:
    look = look_at("late", version, place.model("late"), place.clock.now())
    return look, estimating.measured(place, look)


def of(found: list[Score], kind: str) -> dict[str, Score]:
    """Return the scores of a kind by name, of forecasts the nearest."""
    out: dict[str, Score] = {}
    for s in found:
        if s.kind == kind:
            out.setdefault(s.name, s)
    return out


def made_of(score: Score) -> Estimated:
    return msgspec.json.decode(score.detail or "", type=Estimated)


def test_a_look_estimates_the_window_whose_labels_are_still_to_come(place: Place) -> None:
    (v1,) = place.champions(0.3)
    served(place, v1, 16)
    look, found = looked(place)
    estimates = of(found, "estimated")
    assert set(estimates) == {"log_loss", "roc_auc_score", "cost"}
    for one in estimates.values():
        assert (one.window_from, one.window_to, one.version) == (look.since, look.until, "served")
        assert one.n == pytest.approx(7 * DAILY, abs=1)
        assert one.value is not None
        assert one.low is not None
        assert one.low < one.value < (one.high or 0.0)
        detail = made_of(one)
        assert [e.name for e in detail.experts] == [
            "constant", "persistence", "calibrated", "answered"
        ]  # fmt: skip
        assert sum(e.weight for e in detail.experts) == pytest.approx(1.0, abs=1e-5)
        assert detail.windows >= 12
        assert (detail.coverage or 0.0) > 0.7
    constant = made_of(estimates["log_loss"]).experts[0]
    assert constant == Expert("constant", 0.4, constant.weight)  # the gate report's value
    # Nobody measured its AUC or cost at validation: that expert says nothing there.
    assert made_of(estimates["cost"]).experts[0].value is None


def test_past_windows_lie_side_by_side_on_a_grid_that_no_look_moves(place: Place) -> None:
    (v1,) = place.champions(0.3)
    served(place, v1, 8)
    first = {(s.name, s.window_to): s for s in looked(place)[1] if s.kind == "period"}
    place.clock.passes(hours=5)
    second = {(s.name, s.window_to): s for s in looked(place)[1] if s.kind == "period"}
    assert len(first) == 3 * 4
    assert {k: v for k, v in first.items() if k in second} == {
        k: v for k, v in second.items() if k in first
    }
    ends = sorted({to for _, to in first})
    assert [b - a for a, b in pairwise(ends)] == [timedelta(days=7)] * 3
    assert all(to <= place.clock.now() - timedelta(days=1) for to in ends)


def test_the_same_rows_give_the_same_scores_and_unripe_labels_change_none(place: Place) -> None:
    (v1,) = place.champions(0.3)
    served(place, v1, 12)
    look, found = looked(place)
    assert looked(place)[1] == found
    unripe = predictions.answered(place.store, "late", look.mature_until, look.until, wide=False)
    assert len(unripe.times) == DAILY
    n = 12 * 7 * DAILY
    names = [f"{v1}-{at}" for at in range(n - DAILY + 1, n)]
    at = look.until.replace(tzinfo=None).isoformat()
    labels.add(place.store, [LabelRow("late", name, at, "true", at) for name in names])
    assert looked(place)[1] == found


def test_a_late_label_restates_the_window_of_its_row(place: Place) -> None:
    (v1,) = place.champions(0.3)
    served(place, v1, 8)
    before = [s for s in looked(place)[1] if s.kind == "period" and s.name == "cost"]
    place.clock.passes(minutes=1)
    ts = place.clock.now().replace(tzinfo=None).isoformat()
    middle = 8 * 7 * DAILY - 14 * DAILY
    others = [LabelRow("late", f"{v1}-{middle + k}", ts, "true", ts) for k in range(50)]
    labels.add(place.store, others)
    after = [s for s in looked(place)[1] if s.kind == "period" and s.name == "cost"]
    changed = [a.window_to for a, b in zip(after, before, strict=True) if a.value != b.value]
    assert 1 <= len(changed) <= 2


def test_without_labels_only_answers_speak_and_no_interval_is_stated(place: Place) -> None:
    (v1,) = place.champions(0.3)
    assert looked(place)[1] == []
    served(place, v1, 3, labelled=False)
    found = looked(place)[1]
    auc = of(found, "estimated")["roc_auc_score"]
    assert auc.value is not None
    assert (auc.low, auc.high) == (None, None)
    detail = made_of(auc)
    assert detail.missing == "no interval: 0 of 2 past windows"
    assert {e.name for e in detail.experts if e.weight > 0} == {"calibrated", "answered"}
    ahead = of(found, "forecast")["log_loss"]
    assert ahead.value is None
    assert '"missing":"not enough: 0 of 9 windows"' in (ahead.detail or "")
    assert of(found, "calibration")["gap"].value is None
    assert of(found, "period")["log_loss"].value is None


def test_forecasts_reach_as_far_as_the_history_allows(place: Place) -> None:
    (v1,) = place.champions(0.3)
    served(place, v1, 10)
    ahead = [s for s in looked(place)[1] if s.kind == "forecast" and s.name == "log_loss"]
    points = ahead[0].n
    assert points in (10, 11)
    assert [s.value is None for s in ahead] == [h > points - 8 for h in (1, 2, 3, 4)]
    for s, horizon in zip(ahead, (1, 2, 3, 4), strict=True):
        detail = msgspec.json.decode(s.detail or "", type=Forecast)
        assert detail.horizon == horizon
        assert detail.limit == 0.8
        assert s.version == f"+{horizon}"
        since, until = parse_time(detail.window_from), parse_time(detail.window_to)
        assert until - since == timedelta(days=7)
        assert until > place.clock.now() - timedelta(days=1)


def beyond(place: Place) -> list[Finding]:
    """What the forecasts of a look find beyond its limit."""
    found = findings.found(place.model("late"), looked(place)[1], None, place.clock.now())
    return [f for f in found if f.kind == "forecast" and f.standing is Standing.BEYOND]


def test_what_will_likely_be_beyond_its_limit_is_said_ahead(place: Place) -> None:
    (v1,) = place.champions(0.3)
    served(place, v1, 16)
    assert not beyond(place)
    strict = SETTINGS.replace("metric_limit = 0.8", "metric_limit = 0.1")
    place.workspace.config.write_text(strict, encoding="utf-8")
    monitor_settings = msgspec.structs.replace(place.model("late").monitor, metric_limit=0.1)
    changed = msgspec.structs.replace(place.model("late"), monitor=monitor_settings)
    place.settings = msgspec.structs.replace(place.settings, models={"late": changed})
    (found,) = beyond(place)
    assert (found.name, found.limit) == ("log_loss", findings.LIKELY)
    assert "0.1" in found.text
    assert found.text.startswith("forecast log_loss")


def test_a_kpi_that_is_no_average_of_rows_is_forecast_but_not_estimated(tmp_path: Path) -> None:
    old = "avg(case when decision <> label then 1 else 0 end)"
    share = "sum(case when decision <> label then 1 else 0 end) / count(*)"
    place = Place.made(tmp_path, SETTINGS.replace(old, share))
    (v1,) = place.champions(0.3)
    served(place, v1, 14)
    found = looked(place)[1]
    assert of(found, "estimated")["cost"].value is None
    assert made_of(of(found, "estimated")["cost"]).missing.startswith("not estimated")
    assert of(found, "forecast")["cost"].value is not None
    values = [s.value for s in found if s.kind == "period" and s.name == "cost"]
    place.close()
    place = Place.made(tmp_path)
    same = [s.value for s in looked(place)[1] if s.kind == "period" and s.name == "cost"]
    assert values == pytest.approx(same)
    place.close()


def test_the_constant_is_what_the_answering_version_promised(place: Place) -> None:
    """A new champion's promise counts by the share of the rows that it answered."""
    v1, v2 = place.champions(0.3, 0.4)
    served(place, v1, 9)
    with_one = made_of(of(looked(place, v2)[1], "estimated")["log_loss"])
    assert with_one.experts[0].value == 0.4
    assert of(looked(place, v2)[1], "calibration") == {}  # it has answered nothing yet


def test_pages_show_windows_estimates_forecasts_and_kpis(place: Place) -> None:
    assert performance_page.forecast(place, "late").missing
    (empty,) = performance_page.kpi(place, "late").kpis
    assert (empty.promised_by, empty.windows, empty.estimate) == (None, [], None)
    ingest(place, "late", place.drop("a.csv", csv()))
    (v1,) = place.champions(0.3)
    served(place, v1, 14)
    monitor(place, "late")
    page = performance_page.performance(place, "late")
    assert {w.name for w in page.windows} == {"log_loss", "roc_auc_score", "cost"}
    assert {e.name for e in page.estimates} == {"log_loss", "roc_auc_score", "cost"}
    assert [c.name for c in page.calibration] == ["error", "gap"]
    assert page.calibration[1].means is not None
    ahead = performance_page.forecast(place, "late")
    assert [r.made_of.horizon for r in ahead.rows if r.name == "cost"] == [1, 2, 3, 4]
    place.clock.passes(days=7)
    monitor(place, "late")  # the newest look's forecasts only
    again = performance_page.forecast(place, "late")
    assert [r.made_of.horizon for r in again.rows if r.name == "cost"] == [1, 2, 3, 4]
    assert again.rows[0].from_ == ahead.rows[1].from_
    (cost,) = performance_page.kpi(place, "late").kpis
    assert cost.promised_by == v1
    assert cost.windows[0].never_act is not None
    assert cost.estimate is not None


def test_a_log_too_large_to_be_held_is_looked_back_on_by_fewer_windows(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (v1,) = place.champions(0.3)
    served(place, v1, 16)
    monkeypatch.setattr(history, "MOST_ROWS", 4 * 7 * DAILY)
    look, found = looked(place)
    seen = history.gathered(place, look)
    assert seen is not None
    assert len(seen.rows.times) <= 4 * 7 * DAILY
    assert of(found, "estimated")["log_loss"].value is not None
    assert of(found, "forecast")["log_loss"].n == 3


def tasked(root: Path, task: str, metric: str, kpi: str) -> Place:
    """Return a place of another task with 14 weeks of answers; the champion's answers are known."""
    text = SETTINGS.replace('task = "binary"', f'task = "{task}"\nmetric = "{metric}"')
    text = text.replace("avg(case when decision <> label then 1 else 0 end)", kpi)
    place = Place.made(root, text)
    rng = np.random.default_rng(1)
    n, now = 14 * 7 * DAILY, place.clock.now()
    rows: list[Any] = []
    known = []
    for at in range(n):
        ts = (now - timedelta(days=14 * 7) * (1 - at / n)).replace(tzinfo=None).isoformat()
        p = float(rng.uniform(0.1, 0.9))
        answer = f"[{1 - p}, {p}]" if task == "multiclass" else f"[{10 * p}]"
        label = f'"{str(rng.random() < p).lower()}"'
        label = label if task == "multiclass" else str(10 * p + rng.normal())
        decision = str(p >= 0.5).lower() if task == "multiclass" else None
        rows.append(
            ("late", f"r{at}", f"r{at}", ts, ts, None, 1, "v1", "champion", "{}", answer,
             decision, "", 1.0)
        )  # fmt: skip
        known.append(LabelRow("late", f"r{at}", ts, label, ts))
    predictions.load(place.store, Block(rows, [], [], {}))
    labels.add(place.store, known)
    place.version()
    return place


def test_several_classes_are_estimated_as_two_are(tmp_path: Path) -> None:
    kpi = "avg(case when decision = label then probabilities[1] else 0 end)"
    place = tasked(tmp_path, "multiclass", "log_loss", kpi)
    found = looked(place)[1]
    estimates = of(found, "estimated")
    assert set(estimates) == {"log_loss", "accuracy_score", "cost"}
    assert all(s.low is not None for s in estimates.values())
    assert set(of(found, "calibration")) == {"error"}
    place.close()


def test_values_are_estimated_by_a_loss_model(tmp_path: Path) -> None:
    place = tasked(tmp_path, "regression", "mean_absolute_error", "avg(abs(label - value))")
    found = looked(place)[1]
    error = of(found, "estimated")["mean_absolute_error"]
    assert error.value == pytest.approx(0.8, abs=0.1)  # E|N(0, 1)|
    names = [e.name for e in made_of(error).experts]
    assert names == ["constant", "persistence", "loss model"]
    assert of(found, "estimated")["cost"].value is None
    assert of(found, "forecast")["cost"].value == pytest.approx(0.8, abs=0.1)
    assert of(found, "calibration")["gap"].value == pytest.approx(0.0, abs=0.2)
    assert set(of(found, "calibration")) == {"gap"}
    place.close()
