"""A frozen column as a vector of whole numbers, so that hours add up exactly in any order.

What a database counted, or NumPy, becomes the same cells; cells become a profile again.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.stats.profile import CategoricalProfile, NumericProfile

Frozen = NumericProfile | CategoricalProfile
Cells = NDArray[np.int64]

NUMERIC_HEAD = 7  # nulls, -inf, inf, below the reference, above it, sum of z, sum of z squared
CATEGORICAL_HEAD = 2  # nulls, unseen
STEPS = 1024  # z is counted in whole steps of 1/1024 of the reference's deviation
REACH = 16.0  # and clipped to 16 deviations, so that sums are exact to 30 million rows at least
OTHERS = "(others)"
KEPT = 19  # categories that keep a cell of their own where evidence is gathered

_MAX = sys.float_info.max
_PACKED = np.dtype([("cell", "<u4"), ("count", "<i8")])


def decoded(text: str) -> Frozen:
    """Return a frozen profile from its JSON text, whichever kind it is."""
    if "edges" in msgspec.json.decode(text):
        return msgspec.json.decode(text, type=NumericProfile)
    return msgspec.json.decode(text, type=CategoricalProfile)


def size(frozen: Frozen) -> int:
    """Return how many cells a column takes."""
    head = NUMERIC_HEAD if isinstance(frozen, NumericProfile) else CATEGORICAL_HEAD
    return head + len(frozen.counts)


def layout(frozen: Mapping[Any, Frozen]) -> dict[Any, slice]:
    """Return where each column lies in a vector of all of them, in the order given."""
    found, at = {}, 0
    for key, one in frozen.items():
        found[key] = slice(at, at + size(one))
        at += size(one)
    return found


def packed(cells: Cells) -> bytes:
    """Return the cells that are not 0 as bytes: place (uint32) and count (int64), little endian."""
    places = np.flatnonzero(cells)
    found = np.empty(len(places), dtype=_PACKED)
    found["cell"], found["count"] = places, cells[places]
    return found.tobytes()


def summed(blobs: list[bytes], length: int) -> Cells:
    """Return the sum of packed vectors; zeros for none."""
    found = np.frombuffer(b"".join(blobs), dtype=_PACKED)
    # Floats below 2^53 add up exactly, and much faster than whole numbers do here.
    sums = np.bincount(found["cell"], weights=found["count"], minlength=length)
    return sums.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Grid:
    """How a database counts a numeric column: bounds of right-closed bins, and how z is made.

    Our bins are left-closed: v < e is v <= the float before e, so the bounds are those floats.
    `outer` are the places of -inf, the largest float and the reference's range among the bounds,
    `cuts` those of the edges.
    """

    bounds: list[float]
    outer: list[int]
    cuts: NDArray[np.intp]
    centre: float
    scale: float
    low: float
    high: float


def grid(frozen: NumericProfile) -> Grid:
    """Return how a column is counted; a reference without spread is given a scale of 1."""
    edges = np.nextafter(np.array(frozen.edges, dtype=np.float64), -np.inf)
    outer = [-np.inf, _MAX]
    if frozen.low is not None and frozen.high is not None:
        outer += [float(np.nextafter(frozen.low, -np.inf)), frozen.high]
    bounds = np.unique(np.concatenate([outer, edges]))
    centre, scale = frozen.mean or 0.0, frozen.deviation or 1.0
    return Grid(
        bounds.tolist(),
        np.searchsorted(bounds, outer).tolist(),
        np.searchsorted(bounds, edges),
        centre,
        scale,
        centre - REACH * scale,
        centre + REACH * scale,
    )


def numeric_cells(of: Grid, binned: list[int] | None, nulls: int, z: int, squares: int) -> Cells:
    """Return the cells of a column of which a database counted the bins of its grid."""
    found: Cells = numeric_rows(of, [binned], [(nulls, z, squares)])[0]
    return found


def numeric_rows(
    of: Grid, binned: Sequence[list[int] | None], sums: Sequence[tuple[int, int, int]]
) -> Cells:
    """Return the cells of several counts of a column, a row each.

    `sums` are of each the nulls, the sum of z and that of its square.
    """
    counts = np.zeros((len(binned), len(of.bounds) + 1), dtype=np.int64)
    for row, found in zip(counts, binned, strict=True):
        if found:
            row[: len(found)] = found
    below = np.cumsum(counts, axis=1)
    outer = below[:, of.outer]
    cells = np.zeros((len(binned), NUMERIC_HEAD + len(of.cuts) + 1), dtype=np.int64)
    cells[:, [0, 5, 6]] = np.array(sums, dtype=np.int64).reshape(-1, 3)
    cells[:, 1], cells[:, 2] = outer[:, 0], below[:, -1] - outer[:, 1]
    if len(of.outer) > 2:
        cells[:, 3], cells[:, 4] = outer[:, 2] - outer[:, 0], outer[:, 1] - outer[:, 3]
    edges = np.hstack([outer[:, :1], below[:, of.cuts], outer[:, 1:2]])
    cells[:, NUMERIC_HEAD:] = np.diff(edges, axis=1)
    return cells


def category_cells(
    frozen: CategoricalProfile, counts: Mapping[str, int], nulls: int, values: int
) -> Cells:
    """Return the cells of counted categories among so many values: the rest are unseen."""
    known = [counts.get(name, 0) for name in frozen.counts]
    return np.array([nulls, values - sum(known), *known], dtype=np.int64)


def profile_of(frozen: Frozen, cells: Cells, unseen: Mapping[str, int]) -> Frozen:
    """Return cells as a profile in the reference's bins; unseen ones without a name are one bin.

    Mean and deviation are those of z in its steps: off by at most 1/2048 of a deviation, and
    clipped at 16 of them; None without a finite value.
    """
    if isinstance(frozen, CategoricalProfile):
        found = dict(zip(frozen.counts, cells[CATEGORICAL_HEAD:].tolist(), strict=True))
        found = {name: n for name, n in found.items() if n} | dict(unseen)
        rest = int(cells[1]) - sum(unseen.values())
        return CategoricalProfile(found | ({OTHERS: rest} if rest else {}), int(cells[0]))
    counts = cells[NUMERIC_HEAD:]
    n, mean, deviation = int(counts.sum()), None, None
    if n and frozen.mean is not None:
        one = grid(frozen)
        z, squares = float(cells[5]) / STEPS / n, float(cells[6]) / STEPS**2 / n
        mean = one.centre + one.scale * z
        deviation = one.scale * float(np.sqrt(max(squares - z * z, 0.0)))
    return msgspec.structs.replace(
        frozen,
        counts=counts.tolist(),
        nulls=int(cells[0]),
        negative_infinities=int(cells[1]),
        positive_infinities=int(cells[2]),
        low=None,
        high=None,
        mean=mean,
        deviation=deviation,
    )


def outside(frozen: Frozen, cells: Cells) -> tuple[int, int]:
    """Return how many finite values lie below and above the reference's range."""
    return (int(cells[3]), int(cells[4])) if isinstance(frozen, NumericProfile) else (0, 0)


def coarse(frozen: Frozen) -> list[int]:
    """Return the bin of each cell where evidence is gathered, -1 for none.

    Of numbers the deciles; of categories the 19 commonest, the rest, and the unseen.
    """
    if isinstance(frozen, CategoricalProfile):
        names = sorted(frozen.counts, key=lambda name: (-frozen.counts[name], name))
        rank = {name: at for at, name in enumerate(names)}
        return [-1, KEPT + 1, *(min(rank[name], KEPT) for name in frozen.counts)]
    places = np.searchsorted(np.array(frozen.coarse), np.array(frozen.edges), side="right")
    return [-1] * NUMERIC_HEAD + [0, *(int(p) for p in places)]


def merged(cells: Cells, bins: list[int]) -> list[int]:
    """Return cells added up in their bins."""
    at = np.array(bins)
    there = at >= 0
    length = int(at.max(initial=-1)) + 1
    counts = np.zeros(length, dtype=np.int64)
    np.add.at(counts, at[there], cells[there])
    return counts.tolist()


def reference_cells(frozen: Frozen) -> Cells:
    """Return the reference itself as cells; only its nulls, infinities and bins are told."""
    if isinstance(frozen, CategoricalProfile):
        return np.array([frozen.nulls, 0, *frozen.counts.values()], dtype=np.int64)
    head = [frozen.nulls, frozen.negative_infinities, frozen.positive_infinities, 0, 0, 0, 0]
    return np.array([*head, *frozen.counts], dtype=np.int64)
