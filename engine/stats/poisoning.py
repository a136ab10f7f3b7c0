"""New labels beside what a reference expected of them: overall, per segment, and per combination.

Expectations are probabilities of each class, made out of sample on rows that are trusted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.stats.profile import Floats

Places = NDArray[np.intp]
SMALLEST = 0.01
FEWEST = 15


def shifted(expected: Floats, labels: Places) -> Floats:
    """Return expectations whose means are the label rates of the rows: a storm is no attack.

    One step of Saerens, Latinne & Decaestecker 2002 towards the observed rates, ten times. Rows
    without any keep what they had; all answers lie in [0.01, 0.99] and add up to 1 before that.
    """
    found = np.clip(expected, SMALLEST, 1 - SMALLEST)
    if len(labels) == 0:
        return found
    rates = np.bincount(labels, minlength=found.shape[1]) / len(labels)
    weights = np.ones(found.shape[1])
    for _ in range(10):
        weighted = found * weights
        weighted /= weighted.sum(axis=1, keepdims=True)
        weights *= np.clip((rates + 1e-3) / (weighted.mean(axis=0) + 1e-3), 0.1, 10.0)
    weighted = found * weights
    whole: Floats = weighted / weighted.sum(axis=1, keepdims=True)
    return np.clip(whole, SMALLEST, 1 - SMALLEST)


def surprise(expected: Floats, labels: Places) -> Floats:
    """Return how much each label surprises beyond what was to be expected: -log p less its mean.

    0 on the average where expectations are calibrated; labels are places among the classes.
    """
    logs = -np.log(np.clip(expected, SMALLEST, None))
    told = logs[np.arange(len(labels)), labels]
    found: Floats = told - (expected * logs).sum(axis=1) / expected.sum(axis=1)
    return found


@dataclass(frozen=True, slots=True)
class Level:
    """What surprise is usual in a segment: its mean, the variance of a row, and between blocks.

    `worst` is the most standard errors by which rows that came together were above the mean.
    """

    mean: float
    row: float
    between: float
    worst: float = 0.0


def level(values: Floats, blocks: Places) -> Level | None:
    """Return what is usual of rows that came in blocks of time; None for fewer than 15 rows.

    The variance between blocks is that of their means beyond what the rows explain (the moment
    estimator of DerSimonian & Laird 1986), at least 0; all equal gives 0.
    """
    if len(values) < FEWEST:
        return None
    mean, row = float(values.mean()), float(values.var(ddof=1))
    counts = np.bincount(blocks)
    there = counts > 0
    means = np.bincount(blocks, weights=values)[there] / counts[there]
    counts = counts[there]
    if len(counts) < 2 or row == 0:
        return Level(mean, row, 0.0)
    heterogeneity = float((counts * (means - mean) ** 2).sum() / row) - (len(counts) - 1)
    scale = (counts.sum() - (counts**2).sum() / counts.sum()) / row
    return Level(mean, row, max(heterogeneity / float(scale), 0.0) if scale > 0 else 0.0)


def watched(values: Floats, blocks: Places) -> Level | None:
    """Return what is usual, with the worst of rows that came together, 30 at least.

    Blocks are numbered from 0 in order of time.
    """
    usual = level(values, blocks)
    if usual is None:
        return None
    starts = np.flatnonzero(np.diff(blocks, prepend=-1) > 0)
    worst, at = 0.0, 0
    for end in [*starts[1:].tolist(), len(values)]:
        if end - at >= 2 * FEWEST:
            there = values[at:end]
            z = excess(there, usual, len(np.unique(blocks[at:end])))
            worst = max(worst, skewed(z or 0.0, len(there), there))
            at = end
    return Level(usual.mean, usual.row, usual.between, worst)


def excess(values: Floats, usual: Level, blocks: int) -> float | None:
    """Return by how many standard errors surprise is above what is usual; None below 15 rows.

    `blocks` is how many blocks of time the rows come from. 0 where nothing ever varied.
    """
    if len(values) < FEWEST:
        return None
    row = max(usual.row, 1e-4)
    # Days next to each other are alike: many of them even out no more than two.
    error = float((row / len(values) + usual.between / min(max(blocks, 1), 2)) ** 0.5)
    return float(values.mean() - usual.mean) / error


def skewed(z: float, n: int, values: Floats) -> float:
    """Return z with the skewness of its rows taken out: Hall 1992, the cube transformation.

    Few surprising rows make a mean skew; as it is for fewer than two rows or all equal.
    """
    deviation = float(values.std()) if n > 1 else 0.0
    if deviation == 0 or z <= 0:
        return z
    gamma = float(((values - values.mean()) ** 3).mean()) / deviation**3
    return z - max(gamma, 0.0) * (z * z - 1) / (6 * n**0.5) if z * gamma < 3 * n**0.5 else z / 2


@dataclass(frozen=True, slots=True)
class Combination:
    """Exact values that stand together, with one label: how often, how often before, how sure."""

    columns: tuple[int, ...]
    values: tuple[float, ...]
    label: int
    n: int
    before: float
    z: float


COMMON, PURE, GREW, SPREAD = 0.01, 0.97, 4.0, 0.4
_PER_COLUMN = 12


def combinations(
    matrix: Floats, labels: Places, expected: Floats, trusted: Floats
) -> list[Combination]:
    """Return exact values, alone or in twos, that came with one label and hardly came before.

    Each stands in at least 12 rows and 1 % of them, four times its share among trusted rows, 97 %
    of them of one label, and is spread over the batch: what a single hour had in common is no
    trigger. `z` is the surplus of that label over the expectation, in standard errors.
    """
    n = len(labels)
    least = max(12, int(COMMON * n))
    items = _items(matrix, least)
    if n == 0 or not items:
        return []
    now = np.column_stack([matrix[:, c] == v for c, v in items]).astype(np.float32)
    was = np.column_stack([trusted[:, c] == v for c, v in items]).astype(np.float32)
    together, before = now.T @ now, was.T @ was / max(len(trusted), 1)
    classes = [now.T @ (now * (labels == k)[:, None]) for k in range(expected.shape[1])]
    found = []
    grew = (together >= least) & (together / n > GREW * before + COMMON / 2)
    for a, b in np.argwhere(np.triu(grew)):
        if a != b and (items[a][0] == items[b][0] or max(together[a, a], together[b, b]) > n / 2):
            continue
        count = float(together[a, b])
        label = int(np.argmax([k[a, b] for k in classes]))
        if classes[label][a, b] < PURE * count:
            continue
        rows = np.flatnonzero(now[:, a] * now[:, b])
        if np.quantile(rows, 0.9) - np.quantile(rows, 0.1) < SPREAD * n:
            continue
        p = expected[rows, label]
        z = float((classes[label][a, b] - p.sum()) / max((p * (1 - p)).sum(), 1e-9) ** 0.5)
        picked = sorted({int(a), int(b)})
        found.append(
            Combination(
                tuple(items[i][0] for i in picked),
                tuple(items[i][1] for i in picked),
                label,
                int(count),
                float(before[a, b]),
                z,
            )
        )
    return sorted(found, key=lambda c: -c.z)


def _items(matrix: Floats, least: int) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for column in range(matrix.shape[1]):
        values, counts = np.unique(matrix[:, column], return_counts=True)
        there = np.flatnonzero((counts >= least) & ~np.isnan(values))
        commonest = there[np.argsort(-counts[there], kind="stable")][:_PER_COLUMN]
        found += [(column, float(values[at])) for at in commonest]
    return found
