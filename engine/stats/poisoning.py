"""New labels beside what a reference expected of them: regions of rows, and exact combinations.

Expectations are probabilities of each class, made out of sample on rows that are trusted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.stats.profile import Floats

Places = NDArray[np.intp]
SMALLEST = 0.01
FEWEST = 15
FLOOR = 0.25


def shift(expected: Floats, labels: Places) -> Floats:
    """Return one weight for each class that takes the mean expectation to the label rates.

    Ten steps of Saerens, Latinne & Decaestecker 2002; 0.1 to 10 each, 1 on the geometric mean, and
    ones for no rows.
    """
    weights = np.ones(expected.shape[1])
    if len(labels) == 0:
        return weights
    rates = np.bincount(labels, minlength=expected.shape[1]) / len(labels)
    for _ in range(10):
        means = shifted(expected, weights).mean(axis=0)
        weights = np.clip(weights * (rates + 1e-3) / (means + 1e-3), 0.1, 10.0)
    found: Floats = weights / np.exp(np.log(weights).mean())
    return found


def shifted(expected: Floats, weights: Floats) -> Floats:
    """Return expectations after a shift of the label rates: a storm is no attack.

    All answers lie in [0.01, 0.99].
    """
    weighted = np.clip(expected, SMALLEST, 1 - SMALLEST) * weights
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
class Surplus:
    """By how much rows surprise more than trusted ones like them.

    `z` is in standard errors, `effect` in deviations of all trusted rows; `rows` are their places.
    """

    z: float
    effect: float
    rows: Places


def surplus(values: Floats, usual: Floats, deviation: float) -> tuple[float, float]:
    """Return how far the mean of some rows is above that of trusted ones: z, and the effect.

    Welch's statistic with the larger of both variances for both, and at least a quarter of that of
    all trusted rows: a region that never varied is not sure of itself. 0 for fewer than 15 trusted
    rows, or half as many new ones.
    """
    if len(values) < FEWEST // 2 or len(usual) < FEWEST or deviation == 0:
        return 0.0, 0.0
    by = float(values.mean() - usual.mean())
    variance = max(float(values.var()), float(usual.var()), FLOOR * deviation**2)
    error = (variance * (1 / len(values) + 1 / len(usual))) ** 0.5
    return by / error, by / deviation


def of_halves(
    halves: tuple[tuple[Floats, Floats], tuple[Floats, Floats]], deviation: float
) -> tuple[float, float]:
    """Combine what was found in either half by what was learned in the other: Stouffer 1949."""
    one, other = (surplus(new, usual, deviation) for new, usual in halves)
    return (one[0] + other[0]) / 2**0.5, (one[1] + other[1]) / 2


@dataclass(frozen=True, slots=True)
class Combination:
    """Exact values that stand together, with one label: how often, how often before, how sure."""

    columns: tuple[int, ...]
    values: tuple[float, ...]
    label: int
    n: int
    before: float
    z: float


COMMON, PURE, GREW, SPREAD, Z = 0.01, 0.97, 4.0, 0.4, 3.0
_PER_COLUMN = 12


def combinations(
    matrix: Floats, labels: Places, expected: Floats, trusted: Floats
) -> list[Combination]:
    """Return exact values, alone or in twos, that came with one label and hardly came before.

    Each stands in at least 12 rows and 1 % of them, four times its share among trusted rows, 97 %
    of them of one label, and is spread over the batch: what a single hour had in common is no
    trigger. `z` is the surplus of that label over the expectation, in standard errors, above 3.
    """
    n = len(labels)
    least = max(12, int(COMMON * n))
    items = _items(matrix, least)
    if n == 0 or not items:
        return []
    now = np.column_stack([matrix[:, c] == v for c, v in items]).astype(np.float32)
    together = now.T @ now
    own = np.where(np.eye(len(items), dtype=bool), 0.0, np.diag(together))
    # Of two of the same column, or where one alone is most of the batch, nothing can be said.
    column = np.array([c for c, _ in items])
    apart = np.triu(column[:, None] != column) | np.eye(len(items), dtype=bool)
    asked = apart & (together >= least) & (np.maximum(own, own.T) <= n / 2)
    found = []
    for label in range(expected.shape[1]):
        p = expected[:, label : label + 1]
        count = now.T @ (now * (labels == label)[:, None])
        surplus = count - now.T @ (now * p)
        z = surplus / np.sqrt(np.maximum(now.T @ (now * p * (1 - p)), 1e-9))
        for a, b in np.argwhere(asked & (count >= PURE * together) & (z > Z)):
            picked = tuple(items[i] for i in sorted({int(a), int(b)}))
            rows = np.flatnonzero(now[:, a] * now[:, b])
            if np.quantile(rows, 0.9) - np.quantile(rows, 0.1) < SPREAD * n:
                continue
            before = np.logical_and.reduce([trusted[:, c] == v for c, v in picked]).mean()
            if len(rows) / n <= GREW * before + COMMON / 2:
                continue
            columns, values = zip(*picked, strict=True)
            found.append(
                Combination(columns, values, label, len(rows), float(before), float(z[a, b]))
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
