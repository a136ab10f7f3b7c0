"""Realised performance: the metrics and KPIs of mature labelled answers, each with its n."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.errors import InvalidError, UnavailableError
from engine.pipeline import features
from engine.pipeline.look import Look
from engine.pipeline.site import Site
from engine.settings import ModelSettings
from engine.stats import comparison, outcomes, performance
from engine.store import batches, kpis, predictions
from engine.store.scores import Score

SERVED = "served"
MIN_LABELS = 100


def measured(site: Site, look: Look) -> list[Score]:
    """Measure answers whose labels are mature: as they were served, and of the champion."""
    settings = site.model(look.model)
    names = classes(site, look.model, look.champion)
    found = []
    for version in (SERVED, look.champion):
        cohort = predictions.cohort(
            site.store,
            look.model,
            None if version == SERVED else version,
            look.mature_since,
            look.mature_until,
        )
        labels = outcomes.codes(settings.task, names, outcomes.texts(cohort.labels))
        usable = ~np.isnan(labels)
        labels, answers = labels[usable], cohort.answers[usable]
        days = cohort.times[usable].astype("datetime64[D]").astype(np.int64)
        found += [
            _score(site, look, version, metric, labels, answers, days)
            for metric in metrics(settings)
        ]
    return found


def _score(
    site: Site, look: Look, version: str, metric: str, labels: Any, answers: Any, days: Any
) -> Score:
    task = site.model(look.model).task
    span = (look.mature_since, look.mature_until)
    if len(labels) < MIN_LABELS:
        return Score(look.model, version, "realised", metric, *span, None, len(labels))
    if metric != site.model(look.model).metric:
        value = performance.value(metric, task, labels, answers)
        return Score(look.model, version, "realised", metric, *span, value, len(labels))
    rng = np.random.default_rng([site.seed, int(look.until.timestamp())])
    found = comparison.interval(metric, task, labels, answers, days, rng, draws=500)
    return Score(
        look.model, version, "realised", metric, *span, found.value, found.n, found.low, found.high
    )


def metrics(settings: ModelSettings) -> list[str]:
    """Return the metric that decides, and the one that people also ask for."""
    return performance.shown(settings.metric, settings.task)


def classes(site: Site, model: str, version: str) -> list[str]:
    """Return the classes of a version in their order."""
    sealed = site.ledger.version(model, version)
    return site.artifacts.manifest(sealed.manifest or "").classes


def business(site: Site, look: Look) -> list[Score]:
    """Measure each KPI as served, and what never or always acting would have given."""
    settings = site.model(look.model)
    types = features.feature_types(settings, batches.columns(site.store, look.model))
    span = (look.mature_since, look.mature_until)
    names = classes(site, look.model, look.champion)
    found = []
    for name, kpi in settings.kpi.items():
        decisions = {SERVED: None, "never act": "false", "always act": "true"}
        for version, decision in decisions.items():
            if decision is not None and settings.task != "binary":
                continue
            fault, value, n = None, None, 0
            try:
                value, n = kpis.served(
                    site.store, look.model, settings.task, kpi.sql, types, *span, decision, names
                )
            except (InvalidError, UnavailableError) as e:
                fault = e.message  # it takes no other measure down with it
            # DuckDB adds rows up in an order of its own: the last digits would not come again.
            shown = float(f"{value:.12g}") if value is not None and n >= MIN_LABELS else None
            found.append(Score(look.model, version, "kpi", name, *span, shown, n, detail=fault))
    return found


def faults(found: Sequence[Score]) -> list[str]:
    """Return why KPIs could not be measured, each once."""
    said = [f"{s.name}: {s.detail}" for s in found if s.kind == "kpi" and s.detail]
    return list(dict.fromkeys(said))
