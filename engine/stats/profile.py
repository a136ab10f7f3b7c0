"""A column counted into bins that never change: what a version froze of its training rows.

Profiles of the same edges add up, so a window is the sum of its days and no row is read twice.
Nulls and infinities are counted apart from the bins. Text is compared as it stands.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidError

Floats = NDArray[np.float64]

BINS = 10
FINE = 200
_HUGE = 2.0**1020


class NumericProfile(msgspec.Struct, frozen=True):
    """Counts of finite numbers in the bins between `edges`, the outer bins open.

    `low` and `high` are the smallest and largest finite value, None without one. `deciles` are the
    edges that PSI is measured on, `mean` and `deviation` (population) those of the finite values;
    they are set where a reference is frozen, and taken over when profiles are added.
    """

    edges: list[float]
    counts: list[int]
    nulls: int = 0
    negative_infinities: int = 0
    positive_infinities: int = 0
    low: float | None = None
    high: float | None = None
    deciles: list[float] | None = None
    mean: float | None = None
    deviation: float | None = None

    @property
    def coarse(self) -> list[float]:
        """Return the edges that PSI is measured on: the deciles, else all."""
        return self.edges if self.deciles is None else self.deciles

    @property
    def n(self) -> int:
        """Return all rows: finite, infinite and null."""
        return sum(self.counts) + self.nulls + self.infinities

    @property
    def infinities(self) -> int:
        """Return the rows that hold an infinity of either sign."""
        return self.negative_infinities + self.positive_infinities

    @property
    def null_rate(self) -> float | None:
        """Return the share of rows that are null, in [0, 1]; None without rows."""
        return self.nulls / self.n if self.n else None

    def __add__(self, other: "NumericProfile") -> "NumericProfile":
        if self.edges != other.edges:
            raise InvalidError(
                f"Adding two profiles: their bins differ ({len(self.edges)} and "
                f"{len(other.edges)} edges). Count both into the same edges.",
                code="bins_differ",
            )
        return NumericProfile(
            self.edges,
            [a + b for a, b in zip(self.counts, other.counts, strict=True)],
            self.nulls + other.nulls,
            self.negative_infinities + other.negative_infinities,
            self.positive_infinities + other.positive_infinities,
            min((v for v in (self.low, other.low) if v is not None), default=None),
            max((v for v in (self.high, other.high) if v is not None), default=None),
            self.deciles,
            self.mean,
            self.deviation,
        )


class CategoricalProfile(msgspec.Struct, frozen=True):
    """Counts of each category, sorted by name."""

    counts: dict[str, int]
    nulls: int = 0

    @property
    def n(self) -> int:
        """Return all rows: with a category and null."""
        return sum(self.counts.values()) + self.nulls

    @property
    def null_rate(self) -> float | None:
        """Return the share of rows that are null, in [0, 1]; None without rows."""
        return self.nulls / self.n if self.n else None

    def __add__(self, other: "CategoricalProfile") -> "CategoricalProfile":
        names = sorted(self.counts.keys() | other.counts.keys())
        counts = {name: self.counts.get(name, 0) + other.counts.get(name, 0) for name in names}
        return CategoricalProfile(counts, self.nulls + other.nulls)


def quantile_edges(values: Floats, bins: int = BINS) -> list[float]:
    """Return the interior cut points of the reference: its linear quantiles 1/k .. (k-1)/k.

    Source: definition 7 of Hyndman & Fan 1996, as numpy.quantile. Duplicates are removed, so there
    are at most k - 1, rising. NaN and infinities are left out; no finite value gives none; one
    value and all equal give one edge.
    """
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return []
    # Neighbours near the largest float overflow when subtracted; a power of two is exact.
    scale = 4.0 if max(abs(float(finite.min())), abs(float(finite.max()))) > _HUGE else 1.0
    levels = np.arange(1, bins) / bins
    cuts = np.unique(np.quantile(finite / scale, levels) * scale)
    return [float(cut) for cut in cuts]


def bin_counts(values: Floats, edges: Iterable[float]) -> NDArray[np.int64]:
    """Return how many values lie in each bin; v is in bin number (edges <= v), counted from 0.

    One more bin than edges, so one without edges. Infinities fall into the outer bins and NaN
    must not be among the values: `numeric_profile` keeps both apart.
    """
    cuts = np.asarray(list(edges), dtype=np.float64)
    places = np.searchsorted(cuts, values, side="right")
    return np.bincount(places, minlength=len(cuts) + 1).astype(np.int64)


def numeric_profile(values: Floats, edges: list[float], nulls: int = 0) -> NumericProfile:
    """Count numbers into given edges; NaN counts as null, in addition to `nulls`.

    No values: all counts 0. One value and all equal: one bin holds them.
    """
    finite = values[np.isfinite(values)]
    return NumericProfile(
        edges=list(edges),
        counts=[int(c) for c in bin_counts(finite, edges)],
        nulls=nulls + int(np.isnan(values).sum()),
        negative_infinities=int(np.isneginf(values).sum()),
        positive_infinities=int(np.isposinf(values).sum()),
        low=float(finite.min()) if len(finite) else None,
        high=float(finite.max()) if len(finite) else None,
    )


def reference_profile(values: Floats) -> NumericProfile:
    """Freeze a reference: 200 quantile bins, among their edges the deciles; NaN counts as null.

    Without a finite value there is one bin and neither mean nor deviation; of one value and all
    equal the deviation is 0. Where they are too large for a float, both are None.
    """
    finite = values[np.isfinite(values)]
    mean = deviation = None
    if len(finite) and max(abs(float(finite.min())), abs(float(finite.max()))) < _HUGE / 2**520:
        mean, deviation = float(finite.mean()), float(finite.std())
    return msgspec.structs.replace(
        numeric_profile(values, quantile_edges(values, FINE)),
        deciles=quantile_edges(values),
        mean=mean,
        deviation=deviation,
    )


def rebinned(profile: NumericProfile, edges: list[float]) -> NumericProfile:
    """Return the same profile in fewer bins; every edge must be one of the profile's own.

    Exact, because whole bins are added. InvalidError for an edge that the profile does not have.
    """
    strangers = set(edges) - set(profile.edges)
    if strangers:
        raise InvalidError(
            f"Putting a profile into fewer bins: {min(strangers)!r} is not one of its edges. "
            "Use edges that were frozen with it.",
            code="bins_differ",
        )
    places = np.searchsorted(np.asarray(edges), np.asarray(profile.edges), side="right")
    groups = np.concatenate(([0], places)).astype(np.intp)
    counts = np.bincount(groups, weights=profile.counts, minlength=len(edges) + 1)
    return msgspec.structs.replace(profile, edges=list(edges), counts=[int(c) for c in counts])


def categorical_profile(values: Iterable[Any]) -> CategoricalProfile:
    """Count categories; None counts as null, a boolean as "true" or "false"."""
    counts: dict[str, int] = {}
    nulls = 0
    for value in values:
        if value is None:
            nulls += 1
        else:
            name = category(value)
            counts[name] = counts.get(name, 0) + 1
    return counted_profile(counts, nulls)


def category(value: Any) -> str:
    """Return the name of a category: its text, a boolean as "true" or "false"."""
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def counted_profile(counts: Mapping[str, int], nulls: int = 0) -> CategoricalProfile:
    """Make a profile of counts that a database has made."""
    return CategoricalProfile({name: int(counts[name]) for name in sorted(counts)}, int(nulls))
