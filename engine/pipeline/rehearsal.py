"""What the rollback target would have answered: the champion's own rows, asked again in serving."""

from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from engine.errors import CdmlError
from engine.pipeline import readiness, way_back
from engine.pipeline.site import Site
from engine.stats import comparison, outcomes, performance
from engine.store import predictions
from engine.store.scores import Score

MIN_ROWS = 100
CHUNK = 250


def rehearse(site: Site, model: str, since: datetime, until: datetime) -> list[Score]:
    """Score the rollback target on the champion's mature rows, and how it differs on them.

    The difference is the target's improvement over the champion, positive is better. Without a
    target, or with too few rows, there is nothing to say.
    """
    settings = site.model(model)
    roles = site.ledger.roles(model)
    found, _ = way_back.target(site, model, roles)
    if found is None or roles.champion is None:
        return []
    rows = predictions.asked(site.store, model, roles.champion, since, until)
    manifest = site.artifacts.manifest(site.ledger.version(model, roles.champion).manifest or "")
    labels = outcomes.codes(settings.task, manifest.classes, outcomes.texts(rows.labels))
    usable = np.flatnonzero(~np.isnan(labels))
    if len(usable) < MIN_ROWS:
        return []
    try:
        answers = _ask(site, model, found.version, [rows.features[at] for at in usable])
    except CdmlError as e:
        said = f"{found.version} cannot answer live rows: {e.message}"
        site.tell("WARN", "rehearsal", model, said)
        readiness.drilled(site, model, found.version, ok=False, found=said)
        return []
    labels, champion = labels[usable], rows.answers[usable]
    days = rows.times[usable].astype("datetime64[D]").astype(np.int64)
    rng = np.random.default_rng([site.seed, int(until.timestamp())])
    gain = comparison.paired(
        settings.metric, settings.task, labels, champion, answers, days, rng, draws=500
    )
    value = performance.value(settings.metric, settings.task, labels, answers)
    n = len(labels)
    low, high = float(np.min(answers)), float(np.max(answers))
    said = f"{n} live rows answered, from {low:.3g} to {high:.3g}"
    readiness.drilled(site, model, found.version, ok=True, found=said)
    return [
        Score(model, found.version, "replayed", settings.metric, since, until, value, n),
        Score(
            model,
            found.version,
            "replayed gain",
            settings.metric,
            since,
            until,
            gain.value,
            n,
            gain.low,
            gain.high,
            roles.champion,
        ),
    ]


def _ask(site: Site, model: str, version: str, features: list[str]) -> Any:
    """Ask the real serving process, a few rows at a time so that clients do not wait."""
    rows = [msgspec.json.decode(text) for text in features]
    answers: list[Any] = []
    for at in range(0, len(rows), CHUNK):
        answers += site.serving.probe(model, version, rows[at : at + CHUNK])
    return np.asarray(answers, dtype=np.float64)
