"""Whether enough rows of a training lie after what the champion has seen."""

from typing import Any

import numpy as np

from engine.clock import parse_time
from engine.errors import RefusedError

SECOND = 1 / 86_400


def check(model: str, days: Any, newer_than: str | None, holdout_days: float, wanted: int) -> None:
    """Raise RefusedError where fewer rows than wanted are newer than what the champion has seen."""
    if newer_than is None:
        return
    newer = int(np.sum(days > parse_time(newer_than).timestamp() / 86_400 + SECOND))
    if newer < wanted:
        raise RefusedError(
            f"Training {model}: before the hold-out of {holdout_days:g} days only {newer} rows are "
            f"newer than what the champion has seen, at least {wanted} are needed. Nothing was "
            "trained; wait for newer mature rows.",
            code="nothing_newer",
        )


def days_of(times: Any) -> Any:
    """Return moments as days since the epoch."""
    return times.astype("datetime64[us]").astype(np.int64) / 86_400e6
