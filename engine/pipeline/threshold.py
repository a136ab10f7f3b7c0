"""The decision threshold of a binary version: where its KPI is best on rows it has not seen."""

from typing import Any

import numpy as np

from engine.pipeline.cohort import Rows
from engine.pipeline.training import Kpi, TrainInputs
from engine.store import kpis

PLAIN = 0.5
LEAST_DAYS = 14  # fewer days drawn again and again look surer than they are
DRAWS = 2000
SURE = 0.01
THRESHOLDS = [k / 100 for k in range(1, 100)]


def chosen(inputs: TrainInputs, held: Rows, answers: Any) -> tuple[float, float | None]:
    """Return the threshold, 0.5 without a KPI, and the KPI on the inner hold-out there.

    Where a KPI is an average of rows, its optimum follows from the probabilities: the labels of
    one fortnight also tell how often the outcome came in that fortnight, and a threshold fitted to
    that is wrong as soon as it comes more or less often. The labels decide where they surely
    contradict the probabilities, day by day, and for other KPIs.
    """
    if inputs.kpi is None:
        return PLAIN, None
    columns = {name: held.table[name] for name in inputs.types}
    facts = kpis.facts(columns, answers[:, 0], held.labels > 0, held.table[inputs.table.time])
    seen = kpis.by_threshold(inputs.kpi.sql, facts, THRESHOLDS)
    expected = kpis.expected_by_threshold(inputs.kpi.sql, facts, THRESHOLDS)
    fitted, at = _best(inputs.kpi, seen), _best(inputs.kpi, expected)
    if fitted is None:
        return PLAIN, None
    if at is None or _contradict(inputs, held, facts, at, fitted):
        at = fitted
    return THRESHOLDS[at], seen[at]


def _contradict(
    inputs: TrainInputs, held: Rows, facts: dict[str, Any], expected: int, fitted: int
) -> bool:
    """Say whether the labels' own threshold is surely better, by a bootstrap of the days."""
    kpi = inputs.kpi
    days, blocks = np.unique(np.floor(held.days).astype(int), return_inverse=True)
    if kpi is None or len(days) < LEAST_DAYS:
        return False
    decisions = {str(at): facts["score"] >= THRESHOLDS[at] for at in (expected, fitted)}
    each = np.arange(len(days))[:, np.newaxis]
    found = kpis.resampled(kpi.sql, facts, decisions, blocks, each)
    sign = 1.0 if kpi.direction == "minimize" else -1.0
    rows = np.bincount(blocks, minlength=len(days))
    gain = rows * sign * (found[str(expected)] - found[str(fitted)])
    rng = np.random.default_rng([inputs.seed, 9])
    drawn = rng.integers(0, len(days), (DRAWS, len(days)))
    low = np.quantile(gain[drawn].sum(axis=1) / rows[drawn].sum(axis=1), SURE)
    return bool(low > 0)


def _best(kpi: Kpi, found: list[float | None]) -> int | None:
    """Return the place of the best value, the middle one of equals; None where there is none."""
    sign = 1.0 if kpi.direction == "minimize" else -1.0
    values = np.array([np.nan if v is None else sign * v for v in found])
    if np.isnan(values).all():
        return None
    places = np.flatnonzero(values <= np.nanmin(values) + 1e-12)
    return int(places[(len(places) - 1) // 2])
