"""Windows of training rows: where each begins, and which of them can be fitted."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from engine.quantities import duration


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
