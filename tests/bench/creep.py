"""A year of weekly retrains, many times, through the gate's own decisions: what slips through."""

import sys
from dataclasses import dataclass

import numpy as np

from engine.pipeline import checks
from engine.pipeline.measurement import Comparison, ValidateResult
from engine.settings import GateSettings
from engine.stats import comparison
from tests.bench.figure import Figure

SEED = 20
YEARS = 200
WEEKS = 52
DAYS = 14
ROWS = 20  # a day
DRAWS = 400
# What days and rows alone move a difference of two versions by, in the metric's unit.
DAY_NOISE = 0.005
ROW_NOISE = 0.02
MARGIN = 0.005
METRIC = "mean_absolute_error"


@dataclass(frozen=True, slots=True)
class Year:
    """What 52 retrains came to: promotions, and how much worse the champion is than the first."""

    promotions: int
    slip: float


def gates() -> list[Figure]:
    """Return promotions where nothing differs, and the slip where each challenger is worse."""
    sys.stderr.write(f"creep: seed {SEED}, {YEARS} years of {WEEKS} retrains\n")
    same = [_year(seed, 0.0, None) for seed in range(YEARS)]
    worse = [_year(seed, 0.002, None) for seed in range(YEARS)]
    drifting = [_year(seed, 0.002, "the champion drifts") for seed in range(YEARS)]
    slip = "mean slip in a year, each retrain 0.002 worse"
    promoted = float(np.mean([y.promotions for y in same]))
    return [
        Figure("promotions in a year without any difference, mean", promoted, "", YEARS, 3.0),
        Figure(slip, float(np.mean([y.slip for y in worse])), "", YEARS, 0.012),
        Figure(
            f"{slip}, as good is enough all year",
            float(np.mean([y.slip for y in drifting])),
            "",
            YEARS,
            0.012,
        ),
    ]


def _year(seed: int, worse_by: float, because: str | None) -> Year:
    """Retrain weekly; every challenger is `worse_by` worse than the champion of its week."""
    rng = np.random.default_rng([SEED, seed])
    policy = GateSettings(non_inferiority=MARGIN)
    promotions, slip = 0, 0.0
    for _ in range(WEEKS):
        against = {"champion": _seen(rng, worse_by)}
        if promotions:
            against["anchor"] = _seen(rng, slip + worse_by)
        n = DAYS * ROWS
        found = ValidateResult(n, DAYS, 1.0, 0.9, 1.1, against, [], {}, None, {})
        made = checks.compared(found, METRIC, policy, None, because)
        if checks.report("v1", "", "", n, made, 1.0).verdict == "pass":
            promotions, slip = promotions + 1, slip + worse_by
    return Year(promotions, slip)


def _seen(rng: np.random.Generator, worse_by: float) -> Comparison:
    """Measure a challenger that truly is `worse_by` worse, on two weeks of rows."""
    days = np.repeat(np.arange(DAYS), ROWS)
    moved = DAY_NOISE * rng.normal(size=DAYS)[days] + ROW_NOISE * rng.normal(size=len(days))
    labels, a = np.zeros(len(days)), np.ones((len(days), 1))
    b = a + (worse_by + moved)[:, None]
    one = comparison.paired(METRIC, "regression", labels, a, b, days, rng, draws=DRAWS)
    return Comparison(one.value, one.low, one.high, one.n, 1.0)
