"""The trivial baselines of a hold-out: base rate, last value, same time last week.

Each may use only what was known at the moment of the row: mature labels, nothing younger.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from engine.pipeline.features import moments
from engine.stats import outcomes, performance, persistence
from engine.store import snapshots
from engine.store.snapshots import Table


def answers(
    task: str,
    metric: str,
    classes: Sequence[str],
    table: Table,
    maturity_s: float,
    at: Any,
    since: datetime,
    until: datetime,
    known: datetime,
) -> dict[str, Any]:
    """Return what each baseline answers to rows at these moments; none without earlier rows."""
    columns = [table.label_time] if table.label_time else []
    past = snapshots.rows(table, columns, since=None, until=until, known_by=known)
    labels = outcomes.codes(task, classes, past.get(table.target, []))
    usable = ~np.isnan(labels)
    labels, times = labels[usable], moments(past.get(table.time, []))[usable]
    before = times < int(since.timestamp() * 1e6)
    k = max(len(classes), 1)
    prior = performance.baseline_answers("prior", task, labels[before], len(at), k, metric)
    if prior is None:
        return {}
    when = moments(past[table.label_time])[usable] if table.label_time else times
    ready = np.maximum(when, times) if table.label_time else times + int(maturity_s * 1e6)
    values = _values(task, labels, k)
    # A label counts as much as the base rate does, so that no probability is 0 or 1.
    weight = 0.0 if task == "regression" else 1.0
    first, end = persistence.last_known(ready, at)
    found = {
        "base rate": prior,
        "last value": persistence.means(values, first, end, prior, weight),
    }
    soon = persistence.in_time(times, ready)
    first, end = persistence.week_before(times[soon], at)
    if np.any(end > first):
        week = persistence.means(values[soon], first, end, prior, weight)
        found["same time last week"] = week
    return found


def _values(task: str, labels: Any, k: int) -> Any:
    """Return labels as answers: a value, the chance of true, or one column a class."""
    if task == "multiclass":
        return np.eye(k)[labels.astype(np.intp)]
    return labels[:, None]
