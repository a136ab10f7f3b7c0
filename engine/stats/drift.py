"""How far two samples of one column lie apart, from counts or from all values. No thresholds.

Reference first, current second. Nulls, NaN and infinities are left out here and reported apart by
whoever counted them. Where either side is empty there is no distance: None.
"""

import math
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.stats.profile import (
    BINS,
    CategoricalProfile,
    Floats,
    NumericProfile,
    quantile_edges,
    rebinned,
)

EPSILON = 1e-4

Counts = NDArray[np.int64]


class NumericDrift(msgspec.Struct, frozen=True):
    """The distances of a numeric column. `bins` are those of psi and js.

    `ks_p` exists only where all values were at hand. From profiles `ks` is a lower bound, short by
    at most the largest share of a bin, and the Wasserstein distances are those of clipped values.
    """

    psi: float | None
    js: float | None
    ks: float | None
    ks_p: float | None
    wasserstein: float | None
    wasserstein_normed: float | None
    bins: int


class CategoricalDrift(msgspec.Struct, frozen=True):
    """The distances of a categorical column; `bins` is the number of categories of both sides."""

    psi: float | None
    js: float | None
    chi2: float | None
    chi2_p: float | None
    cramers_v: float | None
    tvd: float | None
    linf: float | None
    new_categories: list[str]
    gone_categories: list[str]
    bins: int


def numeric(reference: Floats, current: Floats, bins: int = BINS) -> NumericDrift:
    """Measure all distances of two samples exactly, over all rows.

    Either side without a finite value: all None. One value or all equal on both sides: zeros, and
    None for the normed Wasserstein distance. Values near 1e308 do not overflow.
    """
    x, y = _sorted(reference), _sorted(current)
    edges = quantile_edges(x, bins)
    shares = _binned(x, edges), _binned(y, edges)
    cdfs = _Cdfs.of(x, y)
    return NumericDrift(
        psi=psi(*shares),
        js=js(*shares),
        ks=None if cdfs is None else cdfs.gap,
        ks_p=None if cdfs is None else ks_p(cdfs.gap, len(x), len(y)),
        wasserstein=None if cdfs is None else cdfs.area_in_unit,
        wasserstein_normed=None if cdfs is None else cdfs.area_normed(x),
        bins=len(edges) + 1,
    )


def numeric_profiles(reference: NumericProfile, current: NumericProfile) -> NumericDrift:
    """Measure what two profiles of the same edges can tell: psi and js on the deciles."""
    fine = np.asarray(reference.counts), np.asarray(current.counts)
    edges = reference.coarse
    shares = [
        np.asarray(rebinned(side, edges).counts, dtype=np.int64) for side in (reference, current)
    ]
    area = wasserstein_binned(*fine, reference.edges)
    deviation = reference.deviation
    return NumericDrift(
        psi=psi(*shares),
        js=js(*shares),
        ks=ks_binned(*fine),
        ks_p=None,
        wasserstein=area,
        wasserstein_normed=_finite(area / deviation) if area is not None and deviation else None,
        bins=len(edges) + 1,
    )


def categorical(reference: CategoricalProfile, current: CategoricalProfile) -> CategoricalDrift:
    """Measure all distances of two counted categorical columns, one bin per category of the union.

    Either side without a category: all None. One category on both sides: zeros, p 1.
    """
    names = sorted(reference.counts.keys() | current.counts.keys())
    r, c = (
        np.array([side.counts.get(n, 0) for n in names], dtype=np.int64)
        for side in (reference, current)
    )
    statistic, p = chi2(r, c)
    return CategoricalDrift(
        psi=psi(r, c),
        js=js(r, c),
        chi2=statistic,
        chi2_p=p,
        cramers_v=cramers_v(r, c),
        tvd=tvd(r, c),
        linf=linf(r, c),
        new_categories=[n for n in names if not reference.counts.get(n)],
        gone_categories=[n for n in names if not current.counts.get(n)],
        bins=len(names),
    )


def psi(reference: Counts, current: Counts) -> float | None:
    """Return the population stability index: sum of (c - r) ln(c / r) over the bins' shares.

    Source: Siddiqi 2006, Jeffreys' divergence of the binned shares; every share below 1e-4 is
    replaced by 1e-4 and nothing is rescaled. At least 0; None where a side has no rows; 0 for one
    bin.
    """
    shares = _shares(reference, current)
    if shares is None:
        return None
    r, c = (np.maximum(side, EPSILON) for side in shares)
    return float(np.sum((c - r) * np.log(c / r)))


def psi_by_chance(n_reference: int, n_current: int, bins: int) -> float | None:
    """Return the PSI to expect of two samples of one distribution: (bins - 1) (1 / n + 1 / m).

    Source: Yurdakul 2018, PSI as a scaled chi-square of bins - 1 degrees of freedom. At least 0;
    None where a side has no rows; 0 for one bin. Too low where bins are nearly empty.
    """
    if n_reference <= 0 or n_current <= 0:
        return None
    return max(bins - 1, 0) * (1.0 / n_reference + 1.0 / n_current)


def js(reference: Counts, current: Counts) -> float | None:
    """Return the Jensen-Shannon distance, base 2: the root of the divergence from the mean share.

    Source: Endres & Schindelin 2003, as scipy.spatial.distance.jensenshannon(base=2); no epsilon.
    In [0, 1]; None where a side has no rows; 0 for one bin.
    """
    shares = _shares(reference, current)
    if shares is None:
        return None
    r, c = shares
    middle = (r + c) / 2.0
    total = 0.0
    for side in (r, c):
        there = side > 0.0
        total += float(np.sum(side[there] * np.log2(side[there] / middle[there])))
    return min(math.sqrt(max(total, 0.0) / 2.0), 1.0)


def ks(reference: Floats, current: Floats) -> float | None:
    """Return the two-sample Kolmogorov-Smirnov statistic: the largest gap between the two CDFs.

    Exact over all finite values, ties kept, as scipy.stats.ks_2samp. In [0, 1]; None where a side
    is empty; one value and all equal need no special case.
    """
    cdfs = _Cdfs.of(_sorted(reference), _sorted(current))
    return None if cdfs is None else cdfs.gap


def ks_binned(reference: Counts, current: Counts) -> float | None:
    """Return the largest gap between the two CDFs at the bins' edges.

    In [0, 1], at most the exact statistic and short of it by at most the largest share of a bin.
    None where a side has no rows; 0 for one bin.
    """
    shares = _shares(reference, current)
    if shares is None:
        return None
    gaps = np.abs(np.cumsum(shares[0]) - np.cumsum(shares[1]))
    return min(float(np.max(gaps[:-1], initial=0.0)), 1.0)


def ks_p(statistic: float, n_reference: int, n_current: int) -> float | None:
    """Return the asymptotic two-sided p-value of a KS statistic.

    Formula: scipy.stats.kstwo.sf at the effective size n m / (n + m), rounded, as
    scipy.stats.ks_2samp(method="asymp"); where that is below 1e-17, its limit
    2 exp(-(6 N d + 1)^2 / (18 N)) (Maag & Dicaire 1971), since scipy's sum takes time in N.
    In [0, 1]; None where the size rounds to 0 (one against one row, or an empty side).
    """
    if n_reference == 0 or n_current == 0:
        return None
    size = round(n_reference * n_current / (n_reference + n_current))
    if size == 0:
        return None
    if size * statistic**2 > 20.0 and size > 140:
        return 2.0 * math.exp(-((6.0 * size * statistic + 1.0) ** 2) / (18.0 * size))
    from scipy.stats import kstwo

    return float(np.clip(kstwo.sf(statistic, size), 0.0, 1.0))


def wasserstein(reference: Floats, current: Floats) -> float | None:
    """Return the first Wasserstein distance, in the column's unit: the area between the two CDFs.

    Source: Ramdas, Trillos & Cuturi 2017, as scipy.stats.wasserstein_distance. At least 0; None
    where a side is empty and where the distance is too large for a float.
    """
    cdfs = _Cdfs.of(_sorted(reference), _sorted(current))
    return None if cdfs is None else cdfs.area_in_unit


def wasserstein_normed(reference: Floats, current: Floats) -> float | None:
    """Return the Wasserstein distance over the reference's population standard deviation.

    At least 0, without unit. None where a side is empty and where the deviation is 0 (one value,
    all equal).
    """
    x = _sorted(reference)
    cdfs = _Cdfs.of(x, _sorted(current))
    return None if cdfs is None else cdfs.area_normed(x)


def wasserstein_binned(reference: Counts, current: Counts, edges: list[float]) -> float | None:
    """Return the Wasserstein distance of values clipped to the outermost edges, in their unit.

    The gap of the two CDFs is exact at the edges and taken as straight between them. At least 0;
    None where a side has no rows or the distance is too large for a float; 0 with one edge.
    """
    shares = _shares(reference, current)
    if shares is None:
        return None
    if len(edges) < 2:
        return 0.0
    gaps = np.abs(np.cumsum(shares[0]) - np.cumsum(shares[1]))[:-1]
    cuts = np.asarray(edges) / 4.0
    return _finite(float(np.dot(gaps[1:] + gaps[:-1], np.diff(cuts))) * 2.0)


def chi2(reference: Counts, current: Counts) -> tuple[float | None, float | None]:
    """Return the two-sample chi-square statistic on the 2 x K table, and its p-value.

    Formula: Pearson's, without correction, K - 1 degrees of freedom over the categories that occur,
    as scipy.stats.chi2_contingency: both sides are samples. At least 0 and in [0, 1]; (0, 1) for
    one category; (None, None) where a side has no rows.
    """
    from scipy.special import chdtrc

    table = np.stack([reference, current]).astype(np.float64)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    if not rows.all():
        return None, None
    table, columns = table[:, columns > 0], columns[columns > 0]
    expected = np.outer(rows, columns) / rows.sum()
    statistic = float(np.sum((table - expected) ** 2 / expected))
    freedom = len(columns) - 1
    return (statistic, float(chdtrc(freedom, statistic))) if freedom else (0.0, 1.0)


def cramers_v(reference: Counts, current: Counts) -> float | None:
    """Return Cramer's V of the 2 x K table: the root of chi-square over n (Cramer 1946).

    In [0, 1]; 0 for one category; None where a side has no rows.
    """
    statistic = chi2(reference, current)[0]
    if statistic is None:
        return None
    return min(math.sqrt(statistic / float(reference.sum() + current.sum())), 1.0)


def tvd(reference: Counts, current: Counts) -> float | None:
    """Return the total variation distance: half the sum of the shares' absolute differences.

    In [0, 1]; None where a side has no rows.
    """
    shares = _shares(reference, current)
    return None if shares is None else float(np.sum(np.abs(shares[0] - shares[1])) / 2.0)


def linf(reference: Counts, current: Counts) -> float | None:
    """Return the largest absolute difference of a share.

    In [0, 1]; None where a side has no rows.
    """
    shares = _shares(reference, current)
    return None if shares is None else float(np.max(np.abs(shares[0] - shares[1])))


def infinities(values: Floats) -> int:
    """Count the infinities of either sign; 0 for no values, NaN is none."""
    return int(np.isinf(values).sum())


def _shares(reference: Counts, current: Counts) -> tuple[Floats, Floats] | None:
    r, c = reference.sum(), current.sum()
    return (reference / r, current / c) if r > 0 and c > 0 else None


def _sorted(values: Floats) -> Floats:
    finite = values[np.isfinite(values)]
    finite.sort()
    return finite


def _binned(ordered: Floats, edges: list[float]) -> Counts:
    """Count sorted values into bins, as `bin_counts` does, by looking for the edges alone."""
    places = np.searchsorted(ordered, np.asarray(edges, dtype=np.float64), side="left")
    return np.diff(np.concatenate(([0], places, [len(ordered)]))).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Cdfs:
    """The largest gap and the area between two CDFs; the area in units of `scale`."""

    gap: float
    area: float
    scale: float

    @classmethod
    def of(cls, x: Floats, y: Floats) -> "_Cdfs | None":
        """Compare two sorted samples; None where one is empty."""
        if len(x) == 0 or len(y) == 0:
            return None
        n, m = len(x), len(y)
        both = np.concatenate([x, y])
        order = both.argsort(kind="stable")  # merges two sorted runs in one pass
        both = both[order]
        # In whole numbers, n m times the gap: no rounding adds up over millions of rows.
        gaps = np.where(order < n, m, -n)
        np.cumsum(gaps, out=gaps)
        np.abs(gaps, out=gaps)
        heights = gaps[:-1].astype(np.float64)
        # Between equal values there is no gap to see: only the last of them counts.
        gap = float(np.max(heights, where=both[1:] > both[:-1], initial=0.0))
        scale = _scale(both)
        if scale != 1.0:
            both /= scale
        steps = np.diff(both)
        return cls(gap / (n * m), float(np.dot(heights, steps)) / (n * m), scale)

    @property
    def area_in_unit(self) -> float | None:
        """Return the area in the column's unit; None where no float is so large."""
        return _finite(self.area * self.scale)

    def area_normed(self, x: Floats) -> float | None:
        """Return the area over the population standard deviation of the reference."""
        if x[0] == x[-1]:
            return None
        deviation = float(np.std(x / self.scale))
        return _finite(self.area / deviation) if deviation > 0.0 else None


def _scale(ordered: Floats) -> float:
    """Return a power of two by which squares of these values neither overflow nor vanish."""
    largest = max(abs(float(ordered[0])), abs(float(ordered[-1])))
    usual = largest == 0.0 or 1e-100 < largest < 1e100
    return 1.0 if usual else 2.0 ** (math.frexp(largest)[1] - 1)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
