"""The decision threshold of a binary version: where its KPI is best on rows it has not seen."""

from typing import Any

from engine.pipeline.cohort import Rows
from engine.pipeline.training import TrainInputs
from engine.store import kpis

PLAIN = 0.5
THRESHOLDS = [k / 100 for k in range(2, 99, 2)]


def chosen(inputs: TrainInputs, held: Rows, answers: Any) -> tuple[float, float | None]:
    """Return the threshold, the KPI's optimum on the inner hold-out or 0.5, and the KPI there."""
    if inputs.kpi is None:
        return PLAIN, None
    sql, sign = inputs.kpi.sql, 1.0 if inputs.kpi.direction == "minimize" else -1.0
    columns = {name: held.table[name] for name in inputs.types}
    rows = kpis.facts(columns, answers[:, 0], held.labels > 0, held.table[inputs.table.time])
    found = kpis.by_threshold(sql, rows, THRESHOLDS)
    usable = [(sign * v, t) for v, t in zip(found, THRESHOLDS, strict=True) if v is not None]
    return (min(usable)[1], sign * min(usable)[0]) if usable else (PLAIN, None)
