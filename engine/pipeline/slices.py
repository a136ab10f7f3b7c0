"""The champion's realised metric within each declared slice, and which slices are surely too bad.

Judged by the metric's limit alone: some slices are harder than others, so without one that says how
bad is too bad they are measured and shown, nothing more.
"""

import numpy as np
from msgspec import Struct, json

from engine.domain import gates
from engine.pipeline.look import Look
from engine.pipeline.measurement import SLICE_DRAWS, SLICE_SUPPORT
from engine.pipeline.realised import classes
from engine.pipeline.site import Site
from engine.stats import comparison, outcomes, performance
from engine.stats.comparison import Estimate
from engine.store import predictions
from engine.store.scores import Score

KIND = "slice"
ALPHA = 0.05


class Judged(Struct, frozen=True):
    """What a slice was judged by, and whether it is surely beyond that, among all of them."""

    limit: float
    surely: bool


def measured(site: Site, look: Look) -> list[Score]:
    """Measure each slice with support among the mature rows of a look, the worst first."""
    settings = site.model(look.model)
    columns = settings.gate.slices
    if not columns:
        return []
    model, version, span = look.model, look.champion, (look.mature_since, look.mature_until)
    found, values = predictions.sliced(site.store, model, version, columns, *span)
    labels = outcomes.codes(
        settings.task, classes(site, model, version), outcomes.texts(found.labels)
    )
    usable = ~np.isnan(labels)
    if usable.sum() < SLICE_SUPPORT:
        return []
    labels, answers = labels[usable], found.answers[usable]
    days = found.times[usable].astype("datetime64[D]").astype(np.int64)
    metric, task = settings.metric, settings.task
    higher = performance.metric_named(metric).higher_is_better
    sign = 1.0 if higher else -1.0
    limit = settings.monitor.metric_limit
    rng = np.random.default_rng([site.seed, int(look.mature_until.timestamp()), 1])
    estimates: dict[str, Estimate] = {}
    for column in columns:
        texts = values[column][usable]
        for value in sorted({v for v in texts if v is not None}):
            at = texts == value
            if at.sum() >= SLICE_SUPPORT:
                estimates[f"{column}={value}"] = comparison.interval(
                    metric, task, labels[at], answers[at], days[at], rng, draws=SLICE_DRAWS
                )
    worse = set() if limit is None else _surely_worse(estimates, limit, higher=higher)
    made = []
    for name, one in estimates.items():
        detail = None
        if limit is not None:
            detail = json.encode(Judged(limit, name in worse)).decode()
        made.append(
            Score(
                model,
                version,
                KIND,
                name,
                *span,
                one.value,
                one.n,
                one.low,
                one.high,
                detail,
            )
        )
    return sorted(made, key=lambda s: (sign * (s.value or 0.0), s.name))


def _surely_worse(found: dict[str, Estimate], limit: float, *, higher: bool) -> set[str]:
    """Return the slices whose interval lies beyond the limit, and that Holm rejects among all."""
    from scipy.special import stdtr  # Student's t, without scipy.stats and its 47 MiB

    usual = {n: e for n, e in found.items() if e.value is not None and e.se is not None}
    sign = 1.0 if higher else -1.0
    p = [
        float(stdtr(e.blocks - 1, sign * ((e.value or 0.0) - limit) / max(e.se or 0.0, 1e-12)))
        for e in usual.values()
    ]
    return {
        name
        for (name, e), bad in zip(usual.items(), gates.holm(p, ALPHA), strict=True)
        if bad and gates.within(e.low, e.high, limit, higher_is_better=higher) is gates.Verdict.FAIL
    }
