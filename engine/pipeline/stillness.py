"""Evidence that a column moved, gathered day by day from counted hours; replayed where rows came.

A period ends with the UTC day that brings it to enough rows, whatever they hold and however often
one looks. It is tested against the reference and all periods before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import numpy as np

from engine.domain import drifts
from engine.stats import drift, stillness, tally
from engine.stats.stillness import Counts
from engine.store import evidence, hours
from engine.store.connection import Store
from engine.store.counting import Bins

DAY = timedelta(days=1)
CALM = 3  # periods in a row: a quiet Sunday ends nothing


class Gathered(msgspec.Struct, frozen=True):
    """One column after a day. `since` is when its evidence began to grow, None while there is none.

    `waiting` are rows of days not enough for a period yet, `calm` counts periods without effect.
    """

    pool: list[int]
    waiting: list[int]
    waiting_since: str | None = None
    evidence: float = 0.0
    since: str | None = None
    periods: int = 0
    calm: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """The floor of the effect and the evidence that is enough: what was gathered rests on both."""

    limit: float
    needed: float

    @property
    def said(self) -> str:
        """Return them as text."""
        return f"{self.limit!r} {self.needed!r}"


def after(
    one: Gathered, counts: list[int], day: str, reference: list[int], terms: Terms
) -> Gathered:
    """Return a column after one more day with rows.

    Evidence that is enough stays so, and nothing more is pooled, until the effect of a few periods
    in a row is back under the floor: then all begins anew, so that an alarm also ends.
    """
    waiting = [a + b for a, b in zip(one.waiting, counts, strict=True)]
    begun = one.waiting_since or day
    if sum(waiting) < drifts.MIN_ROWS:
        # Days without a value are no beginning.
        return msgspec.structs.replace(
            one, waiting=waiting, waiting_since=begun if sum(waiting) else None
        )
    pool, period = np.array(one.pool), np.array(waiting)
    empty, periods = [0] * len(waiting), one.periods + 1
    if one.evidence >= terms.needed:
        still = (drift.psi(np.array(reference), period) or 0.0) <= terms.limit
        if still and one.calm + 1 == CALM:
            return Gathered(reference, empty, periods=periods)
        return msgspec.structs.replace(
            one,
            waiting=empty,
            waiting_since=None,
            periods=periods,
            calm=one.calm + 1 if still else 0,
        )
    e = stillness.e_value(pool, period)
    grown = stillness.gathered(one.evidence, e, drifts.DAYS_A_YEAR)
    since = (one.since if one.evidence >= 1.0 else begun) if grown >= 1.0 else None
    return Gathered((pool + period).tolist(), empty, None, grown, since, periods)


def at_once(reference: Counts, window: Counts) -> float:
    """Return the evidence of one window alone, against the reference alone.

    Enough of it is a year's days as much as of what is gathered: windows of whole days overlap, and
    there are no more of them.
    """
    return min(stillness.e_value(reference, window), stillness.LARGEST)


def upto(
    store: Store, bins: Bins, terms: Terms, since: datetime, until: datetime
) -> dict[str, Gathered]:
    """Return what is gathered of each column from the day of `since` to the last full one.

    Days whose rows have changed, and all after them, are gathered again; days without rows change
    nothing. The hours must have been counted.
    """
    first, end = day_of(since), day_of(until)
    sent: dict[datetime, int] = {}
    for hour, n in hours.known(store, bins, first, end).items():
        day = hour.replace(hour=0)
        sent[day] = sent.get(day, 0) + n
    kept = evidence.days(store, bins.model, bins.version, terms.said)
    days = sorted(sent)
    stale = next((d for d in days if kept.get(d) != sent[d]), None)
    begin = days.index(stale) if stale is not None else len(days)
    if stale is not None:
        evidence.forget(store, bins.model, bins.version, stale)
    references = {
        key: tally.merged(tally.reference_cells(one), tally.coarse(one))
        for key, one in bins.frozen.items()
    }
    found: Mapping[str, Gathered] = {
        " ".join(key): Gathered(counts, [0] * len(counts)) for key, counts in references.items()
    }
    if begin:
        text = evidence.state(store, bins.model, bins.version, days[begin - 1])
        found = msgspec.json.decode(text, type=dict[str, Gathered])
    places, made = bins.places, []
    for day in days[begin:]:
        at = day.replace(tzinfo=since.tzinfo)
        cells = hours.total(store, bins, at, at + DAY).cells
        found = {
            " ".join(key): after(
                found[" ".join(key)],
                tally.merged(cells[places[key]], tally.coarse(one)),
                f"{day:%Y-%m-%d}",
                references[key],
                terms,
            )
            for key, one in bins.frozen.items()
        }
        made.append((day, sent[day], msgspec.json.encode(found).decode()))
    if made:
        evidence.put(store, bins.model, bins.version, terms.said, made)
    return dict(found)


def day_of(moment: datetime) -> datetime:
    """Return the beginning of the UTC day."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
