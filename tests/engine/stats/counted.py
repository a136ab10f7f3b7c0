"""Cells counted from values at hand: the other way to what the store counts by the hour."""

import numpy as np

from engine.stats import tally
from engine.stats.profile import Floats, NumericProfile


def value_cells(frozen: NumericProfile, values: Floats) -> tally.Cells:
    """Return the cells of values at hand as the store would have counted them; NaN is null."""
    one = tally.grid(frozen)
    there = values[~np.isnan(values)]
    binned = np.bincount(
        np.searchsorted(one.bounds, there, side="left"), minlength=len(one.bounds) + 1
    )
    finite = np.clip(there[np.isfinite(there)], one.low, one.high)
    steps = np.floor((finite - one.centre) / one.scale * tally.STEPS + 0.5).astype(np.int64)
    return tally.numeric_cells(
        one,
        [int(c) for c in binned],
        len(values) - len(there),
        int(steps.sum()),
        int((steps * steps).sum()),
    )
