"""The accepted batches of a model as one history by day, and how a new batch lies beside it."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.pipeline.site import Site
from engine.settings import ModelSettings
from engine.stats import days, units
from engine.stats.days import ColumnDays, Delivered, Places, Usual
from engine.store import delivered
from engine.store.batches import Batch
from engine.store.delivered import Columns

SLACK = 1.5
ERRORS = 4.0
FEWEST = 30
NOVEL, ONCE, FAR, APART = 0.55, 5.0, 2.5, 0.3


def columns_of(settings: ModelSettings, types: dict[str, str]) -> Columns:
    """Return the columns of a model with what each is for."""
    return Columns(
        types,
        settings.target,
        settings.time,
        settings.label_time,
        settings.id,
        settings.exclude,
        settings.task == "regression",
    )


def history(site: Site, model: str, of: Columns, batches: list[Batch]) -> Delivered | None:
    """Return accepted batches summed up by day; what is not remembered is read again."""
    names = tuple(b.batch for b in batches)
    before, summed = site.histories.get(model, ((), None))
    if before != names[: len(before)] or _others(summed, of):
        before, summed = (), None
    fresh = batches[len(before) :]
    known = delivered.kept(site.store, model, [b.batch for b in fresh])
    parts = [] if summed is None else [summed]
    for batch in fresh:
        found = known.get(batch.batch)
        if found is None:
            path = path_of(site, batch)
            if not path.is_file():
                continue
            with delivered.opened(site.store, path, of, batch.rows) as arrived:
                found = delivered.profile(arrived, of, 0.0)
            delivered.keep(site.store, model, batch.batch, found)
        parts.append(found)
    whole = days.added(parts)
    site.histories[model] = (names, whole)
    return whole


def _others(summed: Delivered | None, of: Columns) -> bool:
    return summed is not None and not summed.columns.keys() <= set(of.plain)


def path_of(site: Site, batch: Batch) -> Path:
    """Return where the snapshot of an accepted batch lies."""
    return site.workspace.batches / f"{batch.batch}.parquet"


@dataclass(frozen=True, slots=True)
class Beside:
    """A history, and which of its days a new batch is compared with.

    `lately` are those next to it, `season` the same time of earlier years; None where too few.
    """

    known: Delivered
    new: Delivered
    lately: Places | None
    season: Places | None

    @classmethod
    def of(cls, known: Delivered, new: Delivered) -> "Beside":
        """Lay a batch beside a history."""
        first, span = new.days[0], len(new.days)
        near, season = days.near(known.days, first), days.season(known.days, first, span)
        return cls(known, new, near, season)

    @property
    def references(self) -> list[Places]:
        """Return the days to compare with, those next to the batch first."""
        return [near for near in (self.lately, self.season) if near is not None]


def share_beyond(
    beside: Beside, above: list[int], below: list[int], new: list[int], total: list[int]
) -> float | None:
    """Return how far a share lies outside of what is usual, beyond luck; None for no history.

    Luck is one and a half of the largest step so far and four standard errors of the share.
    """
    n = sum(total)
    usual = [days.usual(days.ratio(above, below, near)) for near in beside.references]
    if n == 0 or not any(usual):
        return None
    share = sum(new) / n
    error = ERRORS * math.sqrt(max(share * (1 - share), 1 / n) / n)
    return min(u.outside(share) - SLACK * u.step - error for u in usual if u is not None)


@dataclass(frozen=True, slots=True)
class Moved:
    """How far the mean of a column left what is usual, in its deviations, and a unit that fits.

    `sure` is how far the values left what one may be mistaken about, in times of that.
    """

    by: float
    was: tuple[float, float]
    mean: float
    unit: str | None
    sure: float


def moved(beside: Beside, name: str) -> Moved | None:
    """Return how a column of numbers moved; None for too little history or no numbers.

    Only its first days count: a unit changes from one delivery to the next, a season does not.
    """
    old, new = beside.known.columns[name], beside.new.columns[name]
    first = np.arange(int(np.searchsorted(np.cumsum(new.counts), FEWEST)) + 1)[: len(new.counts)]
    n = sum(np.asarray(new.counts)[first])
    if n < 2:
        return None
    mean = sum(np.asarray(new.sums)[first]) / n
    square = sum(np.asarray(new.squares)[first]) / n
    now = (float(mean), float(max(square - mean * mean, 0.0) ** 0.5), int(n))
    found = []
    for near in beside.references:
        means = days.usual(days.ratio(old.sums, old.counts, near))
        spreads = days.usual(days.spread(old, near))
        if means is not None and spreads is not None:
            signs = max(_strange(old, new), days.gap(old, near, new, first) / APART)
            found.append(_moved(means, spreads, now, signs, beyond=_beyond(old, new)))
    return min(found, key=lambda m: (m.unit is not None, m.by), default=None)


def _strange(old: ColumnDays, new: ColumnDays) -> float:
    """Return how many values never came before, though they used to come again: 1 is too many."""
    found = days.novelty(old, new)
    return 0.0 if found is None else found[0] / (NOVEL + ONCE * found[1])


def _beyond(old: ColumnDays, new: ColumnDays) -> bool:
    """Say whether numbers lie outside of the range of all before."""
    (low, high), (lowest, highest) = old.bounds() or (0.0, 0.0), new.bounds() or (0.0, 0.0)
    return lowest < low or highest > high


def _moved(
    means: Usual, spreads: Usual, now: tuple[float, float, int], signs: float, *, beyond: bool
) -> Moved:
    mean, deviation, n = now
    scale = max(spreads.high, deviation, 1e-12)
    luck = SLACK * means.step + ERRORS * scale / n**0.5
    outside = means.outside(mean)
    # Of values like those before nobody can say whether they are only unusual.
    sure = max(signs, outside / (FAR * luck) if beyond else 0.0)
    unit = None
    # Where whole days were 0, like rain, no factor can be told from a wet day.
    if 0.0 not in (means.low, means.high) and (outside > luck or sure > 1):
        fitting = [u for u in units.UNITS if units.fits(u, mean, deviation, means, spreads)]
        unit = fitting[0].name if fitting else None
    return Moved((outside - luck) / scale, (means.low, means.high), mean, unit, sure)
