"""The shipped training policy on the year of flights, month by month, through the fitting itself.

Each month is answered by a version trained on what was known before its gate's hold-out began.
The costs of a false warning (1) and of a missed late flight (3) are assumptions.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from engine import artifacts
from engine.clock import iso, parse_time
from engine.pipeline import features, fitting
from engine.pipeline.training import Recipe, TrainInputs, origin_of
from engine.stats import encoding
from engine.store.snapshots import Table, plain
from tests.bench.figure import Figure
from tests.bench.flights_year import COST, DATA, KINDS, MONTHS, NEVER, OUTCOMES

TARGETS = {"late": (*OUTCOMES, *NEVER), "air_time_min": (*OUTCOMES, *NEVER)}
ACT, MISS = 1.0, 3.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How a model is trained: candidates, and the hold-out that its gate keeps from training."""

    target: str
    metric: str
    windows: list[str]
    holdout_days: float = 7.0
    recipe: str = "hist_gradient_boosting"
    recipes: list[str] = field(default_factory=list)
    named: dict[str, list[Recipe]] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """Return the task of the target."""
        return "binary" if self.target == "late" else "regression"


LATE = Policy("late", "log_loss", ["all", "60d"])
ALWAYS = Policy("late", "log_loss", ["all"])
PATIENT = Recipe("patient", "hist_gradient_boosting", {"max_iter": 300})
AIR = Policy(
    "air_time_min",
    "mean_absolute_error",
    ["60d"],
    holdout_days=3.0,
    recipe="patient",
    recipes=["linear"],
    named={"patient": [PATIENT]},
)


@dataclass(frozen=True, slots=True)
class Trained:
    """How a version answers and decides, and what it was chosen as."""

    answer: Callable[[dict[str, Any]], Any]
    threshold: float
    said: str


def measure() -> list[Figure]:
    """Measure cost and error of the policies against frozen, retraining always and never acting."""
    return [*_late(), *_air()]


def _late() -> list[Figure]:
    months = list(pairwise(MONTHS))
    rows = [_rows("late", *month) for month in months]
    own = [trained(LATE, since, gated=place > 0) for place, (since, _) in enumerate(months)]
    always = [trained(ALWAYS, since, gated=place > 0) for place, (since, _) in enumerate(months)]
    costs = {
        "shipped": [_cost(v, *r) for v, r in zip(own, rows, strict=True)],
        "always": [_cost(v, *r) for v, r in zip(always, rows, strict=True)],
        "frozen": [_cost(own[0], *r) for r in rows],
        "never": [MISS * float(np.mean(truth)) for _, truth in rows],
    }
    mean = {name: float(np.mean(found)) for name, found in costs.items()}
    n = sum(len(truth) for _, truth in rows)
    worse = sum(a >= b for a, b in zip(costs["shipped"], costs["never"], strict=True))
    saved = 100.0 * (1.0 - mean["shipped"] / mean["frozen"])
    return [
        *(Figure(f"late, cost, {name}", value, "", n) for name, value in mean.items()),
        Figure("late, cost saved against frozen", saved, "%", n, 12.0, at_least=True),
        Figure("late, cost against retrain always", mean["shipped"] / mean["always"], "x", n, 1.0),
        Figure("late, months in which never warning costs less", worse, "", len(months), 0),
    ]


def _air() -> list[Figure]:
    months = list(pairwise(MONTHS))[1:]
    first = trained(AIR, MONTHS[0], gated=False)
    own, frozen, n = [], [], 0
    for month in months:
        table, truth = _rows("air_time_min", *month)
        n += len(truth)
        own.append(float(np.mean(np.abs(trained(AIR, month[0]).answer(table) - truth))))
        frozen.append(float(np.mean(np.abs(first.answer(table) - truth))))
    return [
        Figure("air_time_min, mean absolute error, frozen", float(np.mean(frozen)), "min", n),
        Figure("air_time_min, mean absolute error, shipped", float(np.mean(own)), "min", n, 7.0),
    ]


def _cost(version: Trained, table: dict[str, Any], truth: Any) -> float:
    act = version.answer(table) >= version.threshold
    return float(np.mean(ACT * (act & (truth == 0)) + MISS * (~act & (truth > 0))))


def trained(policy: Policy, moment: str, *, gated: bool = True) -> Trained:
    """Train as a job does at a moment; once there is a champion, without the gate's hold-out."""
    until = parse_time(moment) - timedelta(days=policy.holdout_days if gated else 0.0)
    kpi = fitting.Kpi("cost", COST, "minimize", "") if policy.task == "binary" else None
    with tempfile.TemporaryDirectory(prefix="cdml-bench-policy-") as folder:
        inputs = TrainInputs(
            model=policy.target, run="bench", task=policy.task, recipe=policy.recipe,
            metric=policy.metric, windows=policy.windows, seeds=1, seed=1,
            table=Table([str(DATA)], policy.target, "event_time", "label_time", "flight_id"),
            types=_types(policy.target), until=iso(until), known_by=moment, newer_than=None,
            holdout_days=policy.holdout_days, batches=[], kpi=kpi, created_at=moment, root=folder,
            recipes=policy.recipes, named=policy.named,
        )  # fmt: skip
        made = fitting.fit(inputs, Path(folder), lambda *_: None).manifest
        content = (Path(folder) / fitting.ESTIMATOR).read_bytes()
    estimator = artifacts.loads(content, made.artifact)
    schema = features.schema(made.features)

    def answer(table: dict[str, Any]) -> Any:
        matrix = encoding.matrix(schema, table)
        if policy.task == "regression":
            return estimator.predict(matrix)
        return estimator.predict_proba(matrix)[:, 1]

    origin = origin_of(made)
    return Trained(answer, made.threshold, origin.search.chosen if origin is not None else "")


def _types(target: str) -> dict[str, str]:
    with duckdb.connect() as db:
        found = db.execute(f"describe select * from '{DATA}'").fetchall()
    kinds = {name: KINDS.get(kind, kind) for name, kind, *_ in found}
    return {n: k for n, k in kinds.items() if n not in TARGETS[target]}


def _rows(target: str, since: str, until: str) -> tuple[dict[str, Any], Any]:
    """Return the labelled rows of a span: features and truth."""
    begin, end = (parse_time(t).replace(tzinfo=None) for t in (since, until))
    with duckdb.connect(config={"threads": 1}) as db:
        found = db.execute(
            f"select * from '{DATA}' where event_time >= ? and event_time < ? "
            f"and {target} is not null order by event_time, flight_id",
            [begin, end],
        ).fetchnumpy()
    table = {name: plain(found[name]) for name in _types(target)}
    return table, np.asarray(plain(found[target]), dtype=np.float64)
