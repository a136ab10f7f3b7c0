"""Whether there are enough mature rows to train on; what is too few is refused, with how many."""

from typing import Any

import numpy as np

from engine.clock import parse_time
from engine.errors import RefusedError

MIN_ROWS = 200
NEWER = (20, 200)  # at least, and no more than
NEWER_SHARE = 20
SECOND = 1 / 86_400


def check(model: str, rows: int, newer: int | None, holdout_days: float) -> None:
    """Raise RefusedError where too few labelled rows are mature, or newer than the champion's.

    `newer` is None where there is no champion.
    """
    if rows < MIN_ROWS:
        raise RefusedError(
            f"Training {model}: {rows} rows have a mature label, at least {MIN_ROWS} are needed. "
            "Nothing was trained; deliver more rows.",
            code="too_few_rows",
        )
    needed = newer_needed(rows)
    if newer is not None and newer < needed:
        raise RefusedError(
            f"Training {model}: before the hold-out of {holdout_days:g} days only {newer} rows "
            f"are newer than what the champion has seen, at least {needed} are needed. Nothing "
            "was trained; wait for newer mature rows.",
            code="nothing_newer",
        )


def days_of(times: Any) -> Any:
    """Return moments as days since the epoch."""
    return times.astype("datetime64[us]").astype(np.int64) / 86_400e6


def newer(days: Any, newer_than: str) -> int:
    """Return how many rows lie after a moment."""
    return int(np.sum(days > parse_time(newer_than).timestamp() / 86_400 + SECOND))


def newer_needed(rows: int) -> int:
    """Return how many rows must be newer than what the champion has seen: 5 %, 20 to 200."""
    least, most = NEWER
    return min(most, max(least, rows // NEWER_SHARE))
