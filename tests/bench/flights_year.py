"""A year of flights with a model frozen on January and February: estimates, forecasts, coverage.

Each window from March on is estimated at its beginning's knowledge: of its own rows only what was
answered, of labels only those known by then. Nothing is tuned to a metric or to this year.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from engine import artifacts
from engine.clock import parse_time
from engine.pipeline import features, fitting
from engine.pipeline.estimating import PAST, STEPS
from engine.pipeline.history import us
from engine.stats import encoding, estimation, experts, forecast
from engine.stats.estimation import Measure, Rows, Window
from engine.store.snapshots import Table, plain
from tests.bench.figure import Figure

DATA = Path(__file__).parents[2] / "data" / "flights_lga.parquet"
COST = "avg(case when decision and not label then 1 when not decision and label then 3 else 0 end)"
START, HELD_FROM, END = "2013-03-01T00:00:00Z", "2013-02-15T00:00:00Z", "2014-01-01T00:00:00Z"
DAY = 86_400_000_000
WEEK = 7 * DAY
MONTHS = [f"2013-{month:02d}-01T00:00:00Z" for month in range(3, 13)] + [END]
NAMES = ("roc_auc_score", "log_loss", "accuracy_score", "cost")
OUTCOMES = ("late", "event_time", "label_time", "flight_id")
NEVER = ("arr_delay_min", "air_time_min", "cancelled")
KINDS = {"SMALLINT": "BIGINT", "TINYINT": "BIGINT", "FLOAT": "DOUBLE"}
HORIZONS = 4


@dataclass(frozen=True, slots=True)
class Year:
    """The rows of a year as one frozen version answered them, and what validation had promised."""

    rows: Rows
    measures: list[Measure]
    constants: Any


def measure() -> list[Figure]:
    """Return every error of every expert and of their blend, coverage, and forecasts' errors."""
    year = _year()
    first = us(parse_time(START))
    weeks = [(first + k * WEEK, first + (k + 1) * WEEK) for k in range(43)]
    months = [(us(parse_time(a)), us(parse_time(b))) for a, b in pairwise(MONTHS)]
    found = [*_estimated(year, "week", weeks), *_estimated(year, "month", months)]
    return [*found, *_forecasts(year, weeks)]


def _estimated(year: Year, unit: str, spans: list[tuple[int, int]]) -> Iterator[Figure]:
    """Compare the blend with each of its experts over the same windows."""
    said, blend, truth, inside = [], [], [], []
    for since, until in spans:
        windows = [*_weeks_before(since + WEEK), Window(since, until, since, since)]
        values, true = estimation.walked(
            "binary", year.rows, year.measures, windows, year.constants
        )
        walks = [
            # A week's truth is known a day after its end: 8 steps of a day after its beginning.
            experts.walk(v, t, STEPS + 1, overlap=STEPS)
            for v, t in zip(values, _hidden(true), strict=True)
        ]
        said.append(values[:, -1])
        truth.append(true[:, -1])
        blend.append([w.value[-1] for w in walks])
        inside.append([_inside(w, t) for w, t in zip(walks, true[:, -1], strict=True)])
    table, real = np.array(said), np.array(truth)
    # Before the first labels persistence has nothing to go on but validation.
    table[:, :, 1] = np.where(np.isnan(table[:, :, 1]), table[:, :, 0], table[:, :, 1])
    errors = np.abs(table - real[:, :, None]).mean(axis=0)
    own = np.abs(np.array(blend) - real).mean(axis=0)
    for place, name in enumerate(NAMES):
        what = f"{name} by {unit}, mean absolute error of"
        for expert, error in zip(estimation.EXPERTS, errors[place], strict=True):
            yield Figure(f"{what} {expert}", float(error), "", len(spans))
        yield Figure(f"{what} the blend", float(own[place]), "", len(spans), errors[place].min())
        stated = np.array([i[place] for i in inside if i[place] is not None])
        yield Figure(
            f"{name} by {unit}, truth inside the stated 90 %",
            100.0 * float(stated.mean()), "%", len(stated), 85.0, at_least=True,
        )  # fmt: skip


def _hidden(truth: Any) -> Any:
    """Hide the truth of what is being estimated."""
    out = truth.copy()
    out[:, -1] = np.nan
    return out


def _weeks_before(until: int) -> list[Window]:
    """Return the overlapping weeks up to a moment, each seen as it was at its own beginning.

    A month is blended by the errors of weeks too: there are more of them, and sooner.
    """
    first = us(parse_time(START))
    ends = [until - back * DAY for back in range(PAST * STEPS + STEPS + 1, 0, -1)]
    return [Window(e - WEEK, e, e - WEEK, e - WEEK) for e in ends if e - WEEK >= first]


def _inside(walk: experts.Walk, truth: float) -> bool | None:
    stated = np.isfinite(walk.low[-1])
    return bool(walk.low[-1] <= truth <= walk.high[-1]) if stated else None


def _forecasts(year: Year, weeks: list[tuple[int, int]]) -> Iterator[Figure]:
    """Forecast each week from every earlier one, 1 to 4 ahead, beside the last week's value."""
    for place, name in enumerate(NAMES):
        one = year.measures[place]
        series = [estimation.realised(year.rows, one, year.rows.between(*w)) for w in weeks]
        own: list[float] = []
        other: list[float] = []
        inside: list[bool] = []
        for t in range(len(series)):
            for ahead in forecast.forecast(series[: t + 1], HORIZONS):
                if t + ahead.horizon >= len(series):
                    continue
                truth = series[t + ahead.horizon]
                own.append(abs(ahead.value - truth))
                other.append(abs(ahead.values[0] - truth))
                if ahead.low is not None and ahead.high is not None:
                    inside.append(ahead.low <= truth <= ahead.high)
        yield Figure(f"{name} forecast, error of persistence", float(np.mean(other)), "", len(own))
        yield Figure(
            f"{name} forecast, error against persistence",
            float(np.mean(own) / np.mean(other)), "x", len(own), 1.02,
        )  # fmt: skip
        yield Figure(
            f"{name} forecast, coverage away from 90 %",
            abs(100.0 * float(np.mean(inside)) - 90.0), "points", len(inside), 5.0,
        )  # fmt: skip


def _year() -> Year:
    """Train on January and February, answer the rest; measure validation as training does."""
    with tempfile.TemporaryDirectory(prefix="cdml-bench-year-") as folder:
        answer, threshold = _trained(Path(folder), START)
        before, _ = _trained(Path(folder), HELD_FROM)
    rows, table = _rows(START, END)
    held, held_table = _rows(HELD_FROM, START)
    answered = Rows(rows.times, rows.versions, answer(table), rows.labels, rows.known)
    checked = Rows(held.times, held.versions, before(held_table), held.labels, held.known)
    whole = slice(0, len(held.times))
    promised = [[estimation.realised(checked, m, whole)] for m in _measures(checked, threshold)]
    return Year(answered, _measures(answered, threshold), np.array(promised))


def _measures(rows: Rows, threshold: float) -> list[Measure]:
    found = [estimation.measure(name, "binary", rows, 2) for name in NAMES[:-1]]
    act = rows.answers[:, 0] >= threshold
    return [*found, Measure("cost", "mean", np.column_stack([act * 1.0, ~act * 3.0]))]


def _trained(folder: Path, until: str) -> tuple[Callable[[dict[str, Any]], Any], float]:
    """Train as a job does on what was known by a moment; return how it answers and decides."""
    table = Table([str(DATA)], "late", "event_time", "label_time", "flight_id")
    inputs = fitting.TrainInputs(
        model="late", run="bench", task="binary", recipe="hist_gradient_boosting",
        metric="log_loss", windows=["all"], seeds=1, seed=1, table=table, types=_types(),
        until=until, known_by=until, newer_than=None, holdout_days=14.0, batches=[],
        kpi=fitting.Kpi("cost", COST, "minimize", ""), created_at=until, root=str(folder),
    )  # fmt: skip
    made = fitting.fit(inputs, folder, lambda _share, _text: None).manifest
    estimator = artifacts.loads((folder / fitting.ESTIMATOR).read_bytes(), made.artifact)
    schema = features.schema(made.features)

    def answer(rows: dict[str, Any]) -> Any:
        return estimator.predict_proba(encoding.matrix(schema, rows))[:, 1:]

    return answer, made.threshold


def _rows(since: str, until: str) -> tuple[Rows, dict[str, Any]]:
    """Return every row of a span, labelled or not, and its features."""
    begin, end = (_naive(parse_time(t)) for t in (since, until))
    with duckdb.connect(config={"threads": 1}) as db:
        found = db.execute(
            f"select * from '{DATA}' where event_time >= ? and event_time < ? "
            "order by event_time, flight_id",
            [begin, end],
        ).fetchnumpy()
    times = found["event_time"].astype("datetime64[us]").astype(np.int64)
    late = found["label_time"].astype("datetime64[us]").astype(np.int64)
    labels = np.array([np.nan if v is None else float(v) for v in plain(found["late"])])
    known = np.ma.filled(
        late, us(parse_time(END)) + int(timedelta(days=3650).total_seconds()) * 10**6
    )
    table = {name: plain(found[name]) for name in _types()}
    return Rows(times, np.zeros(len(times), np.intp), np.empty((0, 1)), labels, known), table


def _types() -> dict[str, str]:
    with duckdb.connect() as db:
        found = db.execute(f"describe select * from '{DATA}'").fetchall()
    kinds = {name: KINDS.get(kind, kind) for name, kind, *_ in found}
    return {n: k for n, k in kinds.items() if n not in (*OUTCOMES, *NEVER)}


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)
