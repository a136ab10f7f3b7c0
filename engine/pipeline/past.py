"""The accepted batches of a model as one history by day, and how a new batch lies beside it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.pipeline.site import Site
from engine.settings import ModelSettings
from engine.stats import days, units
from engine.stats.days import ColumnDays, Delivered, Near, Usual
from engine.store import delivered
from engine.store.batches import Batch
from engine.store.delivered import Columns

SLACK = 1.5
ERRORS = 4.0


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
            with delivered.opened(path, of) as arrived:
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
    lately: Near | None
    season: Near | None

    @classmethod
    def of(cls, known: Delivered, new: Delivered) -> "Beside":
        """Lay a batch beside a history."""
        first, span = new.days[0], len(new.days)
        return cls(
            known,
            new,
            days.near(known.days, first, span),
            days.season(known.days, first, span),
        )

    @property
    def references(self) -> list[Near]:
        """Return the days to compare with, those next to the batch first."""
        return [near for near in (self.lately, self.season) if near is not None]

    def block(self, near: Near) -> slice:
        """Return the first days of the batch: as many as a window has."""
        return slice(0, near.length)


def share_beyond(
    beside: Beside, above: list[int], below: list[int], new: list[int], total: list[int]
) -> float | None:
    """Return how far a share lies outside of what is usual, beyond luck; None for no history.

    Luck is one and a half of the largest step so far and four standard errors of the share.
    """
    found = []
    for near in beside.references:
        usual = days.usual(days.ratio(above, below, near))
        block = beside.block(near)
        n = sum(total[block])
        if usual is None or n == 0:
            continue
        share = sum(new[block]) / n
        error = ERRORS * float(np.sqrt(max(share * (1 - share), 1 / n) / n))
        found.append(usual.outside(share) - SLACK * usual.step - error)
    return min(found, default=None)


@dataclass(frozen=True, slots=True)
class Moved:
    """How far the mean of a column left what is usual, in its deviations, and a unit that fits."""

    by: float
    was: tuple[float, float]
    mean: float
    unit: str | None


def moved(beside: Beside, name: str) -> Moved | None:
    """Return how a column of numbers moved; None for too little history or no numbers."""
    old, new = beside.known.columns[name], beside.new.columns[name]
    found = []
    for near in beside.references:
        means = days.usual(days.ratio(old.sums, old.counts, near))
        spreads = days.usual(days.spread(old, near))
        now = _first(new, beside.block(near))
        if means is None or spreads is None or now is None:
            continue
        found.append(_moved(means, spreads, *now))
    return min(found, key=lambda m: (m.unit is not None, m.by), default=None)


def beyond(old: ColumnDays, new: ColumnDays) -> bool:
    """Say whether numbers lie outside of the range of all before."""
    bounds = (old.low, old.high, new.low, new.high)
    low, high, lowest, highest = (0.0 if b is None else b for b in bounds)
    return lowest < low or highest > high


def _first(of: ColumnDays, block: slice) -> tuple[float, float, int] | None:
    n = sum(of.counts[block])
    if n < 2:
        return None
    mean = sum(of.sums[block]) / n
    return mean, max(sum(of.squares[block]) / n - mean * mean, 0.0) ** 0.5, n


def _moved(means: Usual, spreads: Usual, mean: float, deviation: float, n: int) -> Moved:
    scale = max(spreads.high, deviation, 1e-12)
    luck = SLACK * means.step + ERRORS * scale / n**0.5
    by = means.outside(mean) - luck
    wider = spreads.outside(deviation) - SLACK * spreads.step - ERRORS * scale / n**0.5
    unit = None
    # A spread below what is usual may be a quiet day; one above it, or a mean that left, is not.
    # Where whole windows were 0, like rain, no factor can be told from a wet day; and a season that
    # turns moves a mean further than before, but not by so much.
    far = means.outside(mean) - luck > SLACK * means.step or wider > SLACK * spreads.step
    if 0.0 not in (means.low, means.high) and far and (by > 0 or deviation > spreads.high):
        fitting = [u for u in units.UNITS if units.fits(u, mean, deviation, means, spreads)]
        unit = fitting[0].name if fitting else None
    return Moved(by / scale, (means.low, means.high), mean, unit)
