"""What a finished course came to: each period's metric and KPIs, once, from answers and labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from engine.artifacts import Artifacts
from engine.backtest.course import Done
from engine.backtest.plan import Plan
from engine.clock import parse_time
from engine.ledger.ledger import Ledger
from engine.pipeline.features import feature_types, moments
from engine.settings import ModelSettings
from engine.stats import outcomes, performance
from engine.store import batches, history, kpis
from engine.store.connection import Store
from engine.wire import AuditEntry
from engine.workspace import Workspace

DIGITS = 6
Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """Labelled answers in order of time: ids, microseconds, labels as codes, rows x classes."""

    ids: Any
    times: Any
    labels: Any
    answers: Any

    def between(self, since: str, until: str) -> slice:
        """Return the rows of a period."""
        first, end = np.searchsorted(self.times, [us(since), us(until)])
        return slice(int(first), int(end))


class Policy:
    """The scratch workspace of a policy, read."""

    def __init__(self, plan: Plan, policy: str, own: ModelSettings, classes: Sequence[str]) -> None:
        self._plan = plan
        self._own = own
        self._classes = classes
        place = Workspace(plan.folder(policy))
        self.artifacts = Artifacts(place.artifacts, place.keys)
        ledger = Ledger(place.ledger)
        try:
            self.versions = ledger.versions(plan.model)
            self.audit = [e for e in ledger.audit_entries(limit=1_000_000) if e.model == plan.model]
            events = ledger.events(limit=1_000_000)
        finally:
            ledger.close()
        self.alerts = [e.time for e in events if e.kind == "alert" and e.level in ("WARN", "CRIT")]
        self.quarantined = [e.text for e in events if e.kind == "ingest" and e.level == "WARN"]
        self._store = Store(place.store, place.batches)
        self.types = feature_types(own, batches.columns(self._store, plan.model))
        self.answered = self._answered()

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def told(self, done: Done) -> Found:
        """Return what is told of the policy."""
        spans = [*self._plan.periods, (self._plan.periods[0][0], self._plan.periods[-1][1])]
        rows = [self._figures(*span) for span in spans]
        periods = [
            {"from": a, "to": b, **row, **self._happened(a, b), "refused": refused}
            for (a, b), row, refused in zip(self._plan.periods, rows, done.refused, strict=False)
        ]
        return {
            "periods": periods,
            "total": {**rows[-1], "alerts": len(self.alerts), "refused": sum(done.refused)},
            "promotions": [_move(e) for e in self._moves("promote")],
            "rollbacks": [_move(e) for e in self._moves("rollback")],
            "rollouts": [_move(e) for e in self._moves("shadow", "canary", "abort")],
            "retrainings": len(self._registered()) - 1,
            "versions": [
                {
                    "version": v.version,
                    "trained_from": v.trained_from,
                    "trained_to": v.trained_to,
                    "verdict": v.verdict,
                }
                for v in self.versions
                if not v.safe_mode
            ],
        }

    def _figures(self, since: str, until: str) -> Found:
        own, found = self._own, self.answered
        part = found.between(since, until)
        value = performance.value(own.metric, own.task, found.labels[part], found.answers[part])
        begin, end = parse_time(since), parse_time(until)
        kpi = {name: rounded(self._kpi(one.sql, begin, end)) for name, one in own.kpi.items()}
        return {"n": part.stop - part.start, "metric": rounded(value), "kpi": kpi}

    def _kpi(self, sql: str, since: datetime, until: datetime) -> float | None:
        own = self._own
        asked = (self._plan.model, own.task, sql, self.types, since, until)
        return kpis.served(self._store, *asked, classes=self._classes or ("false", "true"))[0]

    def _happened(self, since: str, until: str) -> Found:
        first, end = parse_time(since), parse_time(until)

        def inside(times: Sequence[str]) -> int:
            return sum(first < parse_time(t) <= end for t in times)

        moved = [e for e in self.audit if e.to_version and parse_time(e.time) <= end]
        champions = [e.to_version for e in moved if e.action in ("promote", "rollback")]
        return {
            "champion": champions[-1] if champions else None,
            "alerts": inside(self.alerts),
            "promotions": inside([e.time for e in self._moves("promote")]),
            "rollbacks": inside([e.time for e in self._moves("rollback")]),
            "retrainings": inside([e.time for e in self._registered()]),
        }

    def _moves(self, *actions: str) -> list[AuditEntry]:
        found = [e for e in self.audit if e.action in actions]
        return [e for e in found if e.action != "promote" or e.from_version is not None]

    def _registered(self) -> list[AuditEntry]:
        return [e for e in self.audit if e.action == "register"]

    def _answered(self) -> Answered:
        """Return the labelled answers, the columns of every version in one order of classes."""
        found = history.served(self._store, self._plan.model)
        texts = ["null" if v is None else v for v in found.labels]
        labels = outcomes.codes(self._own.task, self._classes, outcomes.texts(texts))
        known = ~np.isnan(labels)
        width = max(len(self._classes), 1) if self._own.task == "multiclass" else 1
        answers = np.zeros((len(labels), width))
        for version in sorted(set(found.versions)):
            mine = found.versions == version
            places = self._places(version)
            answers[np.ix_(mine, places)] = np.array(
                [a for a, own in zip(found.answers, mine, strict=True) if own]
            )
        times = moments(found.times)
        return Answered(found.ids[known], times[known], labels[known], answers[known])

    def _places(self, version: str) -> list[int]:
        if self._own.task != "multiclass":
            return [0]
        name = next(v.manifest for v in self.versions if v.version == version) or ""
        return [self._classes.index(c) for c in self.artifacts.manifest(name).classes]


def _move(entry: AuditEntry) -> Found:
    return {
        "time": entry.time,
        "action": entry.action,
        "from": entry.from_version,
        "to": entry.to_version,
        "reason": entry.reason,
    }


def by_period(plan: Plan, times: Any, measure: Callable[[Any], Found]) -> Found:
    """Return a measure of each period's rows and of all; `measure` gets which rows those are."""
    found = []
    for since, until in plan.periods:
        rows = (times >= us(since)) & (times < us(until))
        found.append({"from": since, "to": until, **measure(rows)})
    return {"periods": found, "total": measure(np.ones(len(times), bool))}


def us(moment: str) -> int:
    """Return a moment as whole microseconds since the epoch."""
    return round(parse_time(moment).timestamp() * 1e6)


def rounded(value: float | None) -> float | None:
    """Return a figure as it is told."""
    return None if value is None else round(value, DIGITS)
