"""The champion's realised metric within each declared slice, and which slices are surely too bad.

Judged by the metric's limit alone: some slices are harder than others, so without one that says how
bad is too bad they are measured and shown, nothing more.
"""

from datetime import datetime

import numpy as np
from msgspec import Struct, json

from engine.domain import gates
from engine.pipeline.look import Look
from engine.pipeline.measurement import SLICE_DRAWS, SLICE_SUPPORT
from engine.pipeline.realised import classes
from engine.pipeline.site import Site
from engine.stats import comparison, outcomes, performance
from engine.stats.comparison import Estimate
from engine.store import predictions, scores
from engine.store.scores import Score

KIND = "slice"
ALPHA = 0.05
PATIENCE = 2  # looks in a row: one bad day of a small slice wakes nobody
NAMED = 3


class Beyond(Struct, frozen=True):
    """What a slice was judged by, and how many looks in a row it has surely been beyond that."""

    limit: float
    looks: int


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
    before = _before(site, model, version, look.mature_until)
    made = []
    for name, one in estimates.items():
        detail = None
        if limit is not None:
            beyond = Beyond(limit, before.get(name, 0) + 1 if name in worse else 0)
            detail = json.encode(beyond).decode()
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


def _before(site: Site, model: str, version: str, until: datetime) -> dict[str, int]:
    """Return how many looks in a row each slice had been beyond its limit before this window."""
    looks = {}
    for s in scores.history(site.store, model, KIND, version):
        if s.window_to < until and s.detail:
            looks[s.name] = json.decode(s.detail, type=Beyond).looks
    return looks


def breach(metric: str, found: list[Score]) -> str | None:
    """Say which slices have been too bad for long enough, the worst of them by name, or None."""
    over = []
    for s in found:
        if s.kind == KIND and s.detail:
            beyond = json.decode(s.detail, type=Beyond)
            if beyond.looks >= PATIENCE:
                over.append(
                    f"{_plain(s.name)} {metric} {s.value:.3f} [{s.low:.3f}, {s.high:.3f}], "
                    f"limit {beyond.limit:.3g}, n {s.n}"
                )
    more = f" and {len(over) - NAMED} more" if len(over) > NAMED else ""
    return f"{KIND} {', '.join(over[:NAMED])}{more}" if over else None


def _plain(name: str) -> str:
    """Return a slice's name for people: its value is whatever clients sent."""
    return "".join(c if c.isprintable() else "?" for c in name[:80])
