"""What a column is worth to a model: how much worse it does when the column says nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np

ROWS = 2_000
REPEATS = 2


def permutation(
    matrix: Any,
    labels: Any,
    answers: Callable[[Any], Any],
    loss: Callable[[Any, Any], float | None],
    rng: np.random.Generator,
) -> list[float | None]:
    """Return the mean growth of the loss when one column after the other is shuffled.

    Source: Breiman 2001, sec. 10; Fisher, Rudin & Dominici 2019. In the loss's unit; at least 0,
    as a column cannot help by saying nothing. At most 2,000 rows spread over all, twice each. All
    None for fewer than two rows or where the loss cannot be told.
    """
    picked = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), ROWS)).astype(int))
    width = matrix.shape[1]
    if len(picked) < 2:
        return [None] * width
    rows, truth = np.array(matrix[picked]), labels[picked]
    base = loss(truth, answers(rows))
    orders = [rng.permutation(len(picked)) for _ in range(REPEATS)]
    found: list[float | None] = []
    for column in range(width):
        kept = rows[:, column].copy()
        grown = []
        for order in orders:
            rows[:, column] = kept[order]
            grown.append(loss(truth, answers(rows)))
        rows[:, column] = kept
        there = [g for g in grown if g is not None]
        worse = None if base is None or not there else max(float(np.mean(there)) - base, 0.0)
        found.append(worse if worse is None or np.isfinite(worse) else None)
    return found
