"""Labels by source on real flights: how often honest sources are told of, how often liars are.

A boosted model trained on the months before; every week each source with enough labels is compared
with the others, by the decisions of the engine.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from engine.domain.attacks import LABELLED, Labelled, skewed
from engine.stats import feedback
from tests.bench.figure import Figure
from tests.bench.probing import FLIGHTS

SEED = 43
SPLITS = (59, 181)
NUMBERS = (
    "distance_mi", "dep_hour", "weekday", "sched_clock_min", "origin_hour_flights", "seats",
    "plane_age", "temp_f", "dewpoint_f", "wind_mph", "wind_dir", "precip_in", "visibility_mi",
    "pressure_mb", "recent_late_share", "carrier_late_share_24h",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Year:
    """Flights in order of time: day of the year, carrier, hour, outcome, and what was answered."""

    days: Any
    carriers: Any
    hours: Any
    late: Any
    scores: Any


def year(split: int) -> Year:
    """Train on the days before the split, answer all."""
    wanted = ", ".join(NUMBERS)
    found = duckdb.sql(
        f"select {wanted}, carrier, late, dayofyear(event_time) - 1 as day from '{FLIGHTS}' "
        "where late is not null order by event_time, flight_id"
    ).fetchnumpy()
    columns = [np.ma.filled(found[c].astype(np.float64), np.nan) for c in NUMBERS]
    carriers = np.unique(found["carrier"].astype(str), return_inverse=True)[1]
    matrix, days = np.column_stack([*columns, carriers]), np.asarray(found["day"], dtype=np.int64)
    late = np.asarray(np.ma.getdata(found["late"]), dtype=np.float64)
    model = HistGradientBoostingClassifier(random_state=1)
    model.fit(matrix[days < split], late[days < split])
    scores = model.predict_proba(matrix)[:, 1:2]
    return Year(days, carriers, np.asarray(found["dep_hour"], dtype=np.int64), late, scores)


def told(y: Year, late: Any, sources: Any, split: int) -> list[tuple[int, bool]]:
    """Return, week by week, each source that was compared and whether it was told of."""
    found = []
    for begin in range(split, 358, 7):
        week = (y.days >= begin) & (y.days < begin + 7)
        residual = feedback.residuals("binary", late[week], y.scores[week])
        levels = feedback.level("binary", y.scores[week])
        names, counts = np.unique(sources[week], return_counts=True)
        for name in names[counts >= LABELLED]:
            skew = feedback.skew(residual, levels, y.days[week], sources[week], int(name))
            if skew is not None:
                one = Labelled(skew.n, skew.apart, skew.log_e, skew.own, skew.others)
                found.append((int(name), skewed(one)))
    return found


def measure(runs: int = 4) -> list[Figure]:
    """Return how often honest sources are told of a week, and how often those that lie are."""
    sys.stderr.write(f"sources: seed {SEED}, weeks after day {SPLITS}, {runs} draws\n")
    figures, alarms, weeks = [], 0, 0
    years = {split: year(split) for split in SPLITS}
    for name, by in HONEST.items():
        found = [
            one
            for split, y in years.items()
            for run in range(runs if name.startswith("at random") else 1)
            for one in told(y, y.late, by(y, np.random.default_rng([SEED, run])), split)
        ]
        hits = sum(hit for _, hit in found)
        alarms, weeks = alarms + hits, weeks + len(found)
        label = f"honest sources, {name}: told of in a week"
        figures.append(Figure(label, 100.0 * hits / max(1, len(found)), "%", len(found)))
    label = "honest sources, all: told of in a week"
    figures.append(Figure(label, 100.0 * alarms / weeks, "%", weeks, 1.0))
    for name, lie in LIES.items():
        right, wrong, n, others = 0, 0, 0, 0
        for split, y in years.items():
            rng = np.random.default_rng([SEED, split])
            sources = rng.integers(5, size=len(y.late))
            late = np.where(sources == 0, lie(y.late, rng), y.late)
            for source, hit in told(y, late, sources, split):
                n, right = n + (source == 0), right + (hit and source == 0)
                others, wrong = others + (source != 0), wrong + (hit and source != 0)
        figures.append(Figure(f"one of five, {name}: told of in a week", 100.0 * right / n, "%", n))
        label = f"the other four, while one {name}: told of in a week"
        figures.append(Figure(label, 100.0 * wrong / others, "%", others, 1.0))
    return figures


HONEST: dict[str, Callable[[Year, np.random.Generator], Any]] = {
    "at random one of five": lambda y, rng: rng.integers(5, size=len(y.late)),
    "at random one of two": lambda y, rng: rng.integers(2, size=len(y.late)),
    "a source a carrier": lambda y, _: y.carriers,
    "a source a part of the day": lambda y, _: y.hours // 4,
}
LIES: dict[str, Callable[[Any, np.random.Generator], Any]] = {
    "hides every late one": lambda late, _: np.zeros(len(late)),
    "turns all around": lambda late, _: 1.0 - late,
    "turns 30 % around": lambda late, rng: np.where(rng.random(len(late)) < 0.3, 1 - late, late),
    "hides 60 % of the late ones": lambda late, rng: late * (rng.random(len(late)) >= 0.6),
}
