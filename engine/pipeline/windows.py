"""Windows of training rows: where each begins, which can be fitted, and how new rows must be."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from engine.quantities import duration

NEWER = (20, 200)  # at least, and no more than
NEWER_SHARE = 20


def since(window: str, end: float) -> float:
    """Return the day that a window before `end` begins with."""
    return -np.inf if window == "all" else end - duration(window) / timedelta(days=1)


def complete(
    windows: Sequence[str], classes: int, labels: Any, days: Any, ends: Sequence[float]
) -> list[str]:
    """Return the windows in which every class occurs before each of the ends.

    What no longer occurs within a window cannot be learned from it; a longer one may know it. All
    of them where none is complete, so that the fit says what is lacking.
    """
    found = [
        window
        for window in windows
        if all(
            len(np.unique(labels[(days >= since(window, end)) & (days < end)])) == classes
            for end in ends
        )
    ]
    return found or list(windows)


def newer_needed(rows: int) -> int:
    """Return how many rows must be newer than what the champion has seen: 5 %, 20 to 200."""
    least, most = NEWER
    return min(most, max(least, rows // NEWER_SHARE))
