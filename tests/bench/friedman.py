"""How soon the sequential detector sees Friedman drift: the published protocol, one fixed model.

10,000 rows without drift: the model is fitted on 8,000, the errors on the other 2,000 calibrate the
detector of the loss stream at alpha 0.05. Each trial is a stream of its own, 2,500 rows before and
2,500 after the change; a trial is true where the first alarm comes after the change, false where it
comes before; the delay is counted from the first changed row, over the true ones. Where River is
installed the same is measured on its own generator.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from engine.stats import detector
from tests.bench.figure import Figure

ROWS, FITTED = 10_000, 8_000
STILL, CHANGED = 2_500, 2_500
TRANSITION = 500
ALPHA = 0.05
TRIALS, RIVERS = 300, 100
# The mean delays published for an e-process on this protocol, over 10,000 trials.
PUBLISHED = {"abrupt": 77, "gradual": 189, "local": 1_919}
NAMES = {"abrupt": "gra", "gradual": "gsg", "local": "lea"}

Stream = Callable[[str, int], tuple[Any, Any]]


def measure() -> list[Figure]:
    """Run every kind of drift; where River is installed, on its streams as well."""
    rng = np.random.default_rng(42)
    x = rng.random((ROWS, 10))
    y = _still(x) + rng.normal(size=ROWS)
    model = HistGradientBoostingRegressor(max_iter=300, learning_rate=0.06, random_state=0)
    model.fit(x[:FITTED], y[:FITTED])
    known = np.abs(y[FITTED:] - model.predict(x[FITTED:]))
    found = _figures(model, known, "", _own, TRIALS)
    if importlib.util.find_spec("river"):
        found += _figures(model, known, "River's ", _rivers, RIVERS)
    return found


def _figures(model: Any, known: Any, whose: str, stream: Stream, trials: int) -> list[Figure]:
    found = []
    for kind, published in PUBLISHED.items():
        alarms = [_alarm(model, known, *stream(kind, seed), seed) for seed in range(trials)]
        rows = np.array([np.inf if alarm is None else alarm for alarm in alarms])
        true = rows[np.isfinite(rows) & (rows > STILL)] - 1 - STILL
        what = f"{whose}Friedman drift, {kind}"
        false = 100 * float(np.mean(rows <= STILL))
        found += [
            Figure(f"{what}, true alarms", 100 * len(true) / trials, "%", trials, 96, True),
            Figure(f"{what}, false alarms", false, "%", trials, 4),
            Figure(f"{what}, mean delay", float(np.mean(true)), "rows", len(true), published),
        ]
    return found


def _alarm(model: Any, known: Any, x: Any, y: Any, seed: int) -> int | None:
    """Return the row of the first alarm, from 1."""
    losses = np.abs(y - model.predict(x))
    found = detector.begun(known, alpha=ALPHA, worse=True, seed=seed).after(losses)
    return found.rows if found.alarmed else None


def _own(kind: str, seed: int) -> tuple[Any, Any]:
    """Return a stream: ten uniform columns and a target with normal noise.

    Friedman 1991, Ann. Stat. 19:1; its drifts: Ikonomovska, Gama & Dzeroski 2011, Data Min. Knowl.
    Disc. 23:128, in the columns that River 0.26 takes.
    """
    rng = np.random.default_rng([seed, list(PUBLISHED).index(kind)])
    n = STILL + CHANGED
    x, at = rng.random((n, 10)), np.arange(n) - STILL
    noise = rng.normal(size=n)
    if kind == "abrupt":
        return x, np.where(at >= 0, _swapped(x, 5), _still(x)) + noise
    if kind == "gradual":
        mixed = (at < TRANSITION) & (rng.random(n) < 0.5)
        return x, np.where((at >= 0) & ~mixed, _swapped(x, 4), _still(x)) + noise
    return x, _local(x, at) + noise


def _still(x: Any) -> Any:
    wave = 10 * np.sin(np.pi * x[:, 0] * x[:, 1])
    return wave + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]


def _swapped(x: Any, other: int) -> Any:
    wave = 10 * np.sin(np.pi * x[:, 3] * x[:, other])
    return wave + 20 * (x[:, 1] - 0.5) ** 2 + 10 * x[:, 0] + 5 * x[:, 2]


def _local(x: Any, at: Any) -> Any:
    """Two corners change; they grow after a third and two thirds of the changed rows."""
    step = CHANGED // 3
    phase = (at >= 0).astype(int) + (at >= step) + (at >= 2 * step)
    low, high = x < 0.3, x > 0.7
    one = (phase > 0) & low[:, 1] & low[:, 2]
    one &= (high[:, 3] | (phase > 2)) & (low[:, 4] | (phase > 1))
    two = (phase > 0) & high[:, 1] & high[:, 2]
    two &= (low[:, 3] | (phase > 2)) & (high[:, 4] | (phase > 1))
    tilted = 20 * (x[:, 2] - 0.5)
    in_one = 10 * x[:, 0] * x[:, 1] + tilted + 10 * x[:, 3] + 5 * x[:, 4]
    in_two = 10 * np.cos(x[:, 0] * x[:, 1]) + tilted + np.exp(x[:, 3]) + 5 * x[:, 4] ** 2
    return np.where(one, in_one, np.where(two, in_two, _still(x)))


def _rivers(kind: str, seed: int) -> tuple[Any, Any]:
    """Return River's stream of that kind."""
    from river.datasets import synth

    far, step = 1_000_000, CHANGED // 3
    local = (STILL, STILL + step, STILL + 2 * step)
    made = synth.FriedmanDrift(
        NAMES[kind],
        position=local if kind == "local" else (STILL, far),
        transition_window=TRANSITION if kind == "gradual" else 0,
        seed=seed,
    )
    rows = list(made.take(STILL + CHANGED))
    return np.array([list(x.values()) for x, _ in rows]), np.array([y for _, y in rows])
