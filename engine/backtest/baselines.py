"""What doing nothing clever would have come to: trivial rules on the same rows.

Each knows only what was known at the moment of the row, or at its period's beginning.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np

from engine.backtest.figures import Found, by_period, rounded, us
from engine.backtest.plan import Plan
from engine.pipeline.features import moments
from engine.settings import ModelSettings
from engine.stats import outcomes, performance, persistence
from engine.store import history, kpis


class Rows:
    """All labelled rows of the history in order of time; those replayed are `asked`."""

    def __init__(
        self, plan: Plan, own: ModelSettings, types: Sequence[str], classes: Sequence[str]
    ) -> None:
        begin = datetime(1, 1, 2, tzinfo=UTC)
        table = history.rows(plan.history, types, begin, plan.until)
        labels = outcomes.codes(own.task, classes, table["label"])
        usable = ~np.isnan(labels) & ~np.isnat(table["known"])
        self.labels = labels[usable]
        self.times = moments(table["time"])[usable]
        self.known = np.maximum(moments(table["known"])[usable], self.times)
        self.table = {n[2:]: v[usable] for n, v in table.items() if n.startswith("f:")}
        self.asked = self.times >= us(plan.periods[0][0])


def measured(
    plan: Plan, own: ModelSettings, classes: Sequence[str], rows: Rows
) -> dict[str, Found]:
    """Return each baseline with its periods and its total, like a policy."""
    asked = rows.asked
    times, labels = rows.times[asked], rows.labels[asked]
    prior = _prior(plan, own, classes, rows)
    weight = 0.0 if own.task == "regression" else 1.0
    k = max(len(classes), 1)
    values = (
        np.eye(k)[rows.labels.astype(int)] if own.task == "multiclass" else rows.labels[:, None]
    )
    first, end = persistence.last_known(rows.known, times)
    last = persistence.means(values, first, end, prior, weight)
    rules: dict[str, tuple[Any, Any]] = {
        "majority": (prior, _decided(own, prior)),
        "persistence": (last, _decided(own, last)),
    }
    if own.task == "binary" and own.kpi:
        rules |= {
            "never act": (None, np.zeros(len(labels), bool)),
            "always act": (None, np.ones(len(labels), bool)),
        }
    table = {name: column[asked] for name, column in rows.table.items()}

    def told(answers: Any, decisions: Any, of: Any) -> Found:
        value = None
        if answers is not None:
            value = performance.value(own.metric, own.task, labels[of], answers[of])
        part = {name: column[of] for name, column in table.items()}
        scores = np.zeros(int(of.sum())) if answers is None else answers[of][:, 0]
        when = times[of].astype("datetime64[us]")
        kpi = {}
        for name, one in own.kpi.items() if own.task == "binary" else ():
            facts = kpis.facts(part, scores, labels[of] > 0, when)
            kpi[name] = rounded(kpis.of_rows(one.sql, facts, decisions[of]))
        return {"n": int(of.sum()), "metric": rounded(value), "kpi": kpi}

    return {
        name: by_period(plan, times, partial(told, answers, decided))
        for name, (answers, decided) in rules.items()
    }


def _prior(plan: Plan, own: ModelSettings, classes: Sequence[str], rows: Rows) -> Any:
    """Return the best constant of what was known when each row's period began."""
    asked = rows.times[rows.asked]
    width = max(len(classes), 1) if own.task == "multiclass" else 1
    found = np.full((len(asked), width), np.nan)
    for since, until in plan.periods:
        of = (asked >= us(since)) & (asked < us(until))
        known = rows.labels[rows.known <= us(since)]
        k = max(len(classes), 1)
        answers = performance.baseline_answers(
            "prior", own.task, known, int(of.sum()), k, own.metric
        )
        if answers is not None:
            found[of] = answers
    return found


def _decided(own: ModelSettings, answers: Any) -> Any:
    return answers[:, 0] >= 0.5 if own.task == "binary" else np.zeros(len(answers), bool)
