"""Drift of what clients send: each feature of a look against the champion's training rows."""

from typing import Any

import msgspec
import numpy as np

from engine.pipeline import features
from engine.pipeline.look import Look
from engine.pipeline.site import Site
from engine.stats import drift, profile
from engine.stats.profile import CategoricalProfile, NumericProfile
from engine.store import batches, profiles
from engine.store.scores import Score
from engine.wire import DriftColumn

MIN_DRIFT_ROWS = 200


def measured(site: Site, look: Look) -> list[Score]:
    """Measure each feature of a look against the champion's training rows."""
    types = features.feature_types(site.model(look.model), batches.columns(site.store, look.model))
    frozen = profiles.of(site.store, look.model, look.champion)
    live = profiles.live(site.store, look.model, types, look.since, look.until)
    found = []
    for name, kind in types.items():
        if name in frozen and name in live:
            numeric = features.KINDS[kind] == "numeric"
            column = column_drift(name, frozen[name], live[name], numeric=numeric)
            found.append(
                Score(
                    look.model,
                    look.champion,
                    "drift",
                    name,
                    look.since,
                    look.until,
                    column.psi if column.n_current >= MIN_DRIFT_ROWS else None,
                    column.n_current,
                    detail=msgspec.json.encode(column).decode(),
                )
            )
    return found


def reference_profile(values: Any, *, numeric: bool) -> str:
    """Return the profile of a training column as JSON, its bins frozen from here on."""
    made: NumericProfile | CategoricalProfile
    if numeric:
        numbers = np.asarray(values, dtype=np.float64)
        made = profile.numeric_profile(numbers, profile.quantile_edges(numbers))
    else:
        made = profile.categorical_profile(values)
    return msgspec.json.encode(made).decode()


def column_drift(name: str, frozen: str, values: Any, *, numeric: bool) -> DriftColumn:
    """Return the drift of one column's values against a frozen profile."""
    if numeric:
        reference = msgspec.json.decode(frozen, type=NumericProfile)
        current = profile.numeric_profile(np.asarray(values, dtype=np.float64), reference.edges)
        distance = drift.numeric_profiles(reference, current)
        psi, js, ks, new = distance.psi, distance.js, distance.ks, []
        sizes = (reference.n, current.n, reference.null_rate, current.null_rate)
    else:
        frozen_counts = msgspec.json.decode(frozen, type=CategoricalProfile)
        counts = profile.categorical_profile(values)
        apart = drift.categorical(frozen_counts, counts)
        psi, js, ks, new = apart.psi, apart.js, None, list(apart.new_categories)
        sizes = (frozen_counts.n, counts.n, frozen_counts.null_rate, counts.null_rate)
    return DriftColumn(
        name,
        "numeric" if numeric else "categorical",
        psi,
        js,
        ks,
        sizes[0],
        sizes[1],
        sizes[2] or 0.0,
        sizes[3] or 0.0,
        new,
    )
