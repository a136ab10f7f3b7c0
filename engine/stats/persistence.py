"""What the past itself would answer: for each moment, outcomes that were known by then."""

import numpy as np
from numpy.typing import NDArray

from engine.stats.performance import Floats

HOUR = 3_600_000_000  # microseconds, as all moments here
WEEK = 168 * HOUR
Moments = NDArray[np.int64]
Places = NDArray[np.intp]


def last_known(known: Moments, at: Moments) -> tuple[Places, Places]:
    """Return for each moment the latest event whose outcome was known, as a range of one row.

    The events are in order of time, `known` says when each outcome was; it counts from that very
    moment. Where nothing was known the range is empty.
    """
    order = np.argsort(known, kind="stable")
    latest = np.concatenate([[-1], np.maximum.accumulate(order)]).astype(np.intp)
    found = latest[np.searchsorted(known[order], at, side="right")]
    return np.maximum(found, 0), found + 1


def week_before(times: Moments, at: Moments) -> tuple[Places, Places]:
    """Return for each moment the range of events within half an hour of one week before.

    `times` are in order, and of events whose outcomes were known within `in_time`.
    """
    first = np.searchsorted(times, at - WEEK - HOUR // 2, side="left")
    return first, np.searchsorted(times, at - WEEK + HOUR // 2, side="left")


def in_time(times: Moments, known: Moments) -> NDArray[np.bool_]:
    """Return which outcomes are known so soon that they may stand for a week later."""
    return known - times <= WEEK - HOUR // 2


def means(values: Floats, first: Places, end: Places, prior: Floats, weight: float) -> Floats:
    """Return the mean of each range of rows, in which `prior` counts as `weight` rows more.

    With a weight probabilities are never 0 or 1. An empty range answers the prior.
    """
    sums = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=sums[1:])
    count = (end - first)[:, None].astype(np.float64)
    total: Floats = sums[end] - sums[first] + weight * prior
    return np.where(count > 0, total / np.maximum(count + weight, 1.0), prior)
