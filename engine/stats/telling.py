"""How much one column alone tells of the target: a copy of the outcome tells nearly all."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 200
FEWEST = 10
_PER_BIN = 10


def places(values: Any) -> NDArray[np.intp] | None:
    """Return a place for each value: numbers in up to 200 quantile bins, texts each their own.

    Missing values have a place of their own. None for texts that differ in more than a tenth of
    the rows, which are names rather than categories, and for nothing.
    """
    n = len(values)
    if n == 0:
        return None
    if values.dtype.kind == "f":
        finite = values[~np.isnan(values)]
        distinct = np.unique(finite)
        bins = max(2, min(BINS, n // _PER_BIN))
        if len(distinct) > bins:
            distinct = np.unique(np.quantile(finite, np.arange(1, bins) / bins))
        found: NDArray[np.intp] = np.searchsorted(distinct, values, side="right") + 1
        found[np.isnan(values)] = 0
        return found
    found = np.unique(values, return_inverse=True)[1].astype(np.intp)
    return None if found.max() + 1 > max(2, n // _PER_BIN) else found


def unexplained(of: NDArray[np.intp], target: NDArray[np.float64], *, number: bool) -> float | None:
    """Return the error left when the target is guessed from places alone: 0 none, 1 all.

    The best guess of each place is learned on every other row and scored on the rest: misses over
    those of the commonest class, or, for numbers, the variance left. None where the rows scored
    have fewer than ten that the commonest guess misses.
    """
    learned, scored = target[::2], target[1::2]
    if len(scored) < FEWEST:
        return None
    size = int(of.max()) + 1
    counts = np.bincount(of[::2], minlength=size)
    if number:
        base = learned.mean()
        sums = np.bincount(of[::2], weights=learned, minlength=size)
        guess = np.where(counts > 0, sums / np.maximum(counts, 1), base)[of[1::2]]
        none = float(((scored - base) ** 2).sum())
        return float(((scored - guess) ** 2).sum()) / none if none > 0 else None
    classes = int(target.max()) + 1
    table = np.zeros((size, classes))
    np.add.at(table, (of[::2], learned.astype(np.intp)), 1)
    base = int(table.sum(axis=0).argmax())
    guess = np.where(counts > 0, table.argmax(axis=1), base)[of[1::2]]
    none = int((scored != base).sum())
    return float((scored != guess).sum()) / none if none >= FEWEST else None
