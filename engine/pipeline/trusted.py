"""The trusted reference of a model: a forest on accepted batches, and what is usual beside it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.domain.schema import Schema
from engine.pipeline import features
from engine.stats import encoding, outcomes, poisoning
from engine.stats.poisoning import Level

TREES = 60
LEAVES = 12
SPANS = 5
ROWS = 8_000
FEWEST = 500
GROWTH = 1.5
# Under this name the rows carry their time: no column of a user's is called so.
TIME = "time \x01"


@dataclass(frozen=True, slots=True)
class Reference:
    """What was fitted on trusted rows; `usual` is per segment, the first of all rows."""

    schema: Schema
    classes: list[str]
    forest: Any
    tree: Any
    usual: list[Level | None]
    matrix: Any

    def segments(self, matrix: Any) -> Any:
        """Return which leaf of the shallow tree each row falls into, from 1 on."""
        return np.searchsorted(self.leaves, self.tree.apply(matrix)) + 1

    @property
    def leaves(self) -> Any:
        """Return the numbers of the leaves, rising."""
        return np.flatnonzero(self.tree.tree_.children_left == -1)

    def expected(self, matrix: Any) -> Any:
        """Return the forest's probabilities, smoothed as if two trees were unsure."""
        return _smooth(self.forest.predict_proba(matrix))


@dataclass(frozen=True, slots=True)
class Judged:
    """The labelled rows of a batch as the reference sees them, in order of time."""

    matrix: Any
    labels: Any
    expected: Any
    overall: Any
    apart: Any
    segments: Any
    days: int
    names: Any


@dataclass(slots=True)
class Trust:
    """A reference, what it was made of, and how it saw the batches since."""

    of: tuple[str, ...]
    reference: Reference | None
    seen: dict[str, Judged]


def _smooth(p: Any) -> Any:
    return (p * TREES + 2 / p.shape[1]) / (TREES + 2)


def prefix(rows: Sequence[int]) -> int:
    """Return how many of the oldest batches the reference is made of: it grows by half at a time.

    So it stays the same while few batches come, and is a matter of the batches alone.
    """
    total, reached, count = 0, 0.0, 0
    for at, n in enumerate(rows):
        total += n
        if total >= FEWEST and total >= reached * GROWTH:
            reached, count = total, at + 1
    return count


def fit(types: dict[str, str], task: str, target: str, table: dict[str, Any]) -> Reference | None:
    """Fit a reference on trusted rows in order of time; None for too few, or no two outcomes.

    The seed comes from the rows: the same rows give the same reference.
    """
    from sklearn.tree import DecisionTreeClassifier

    labels = table[target]
    classes = outcomes.classes_of(task, labels)
    if len(labels) < FEWEST or len(classes) < 2:
        return None
    codes = outcomes.codes(task, classes, labels).astype(np.intp)
    schema = features.schema(features.contract(types, table))
    matrix = encoding.matrix(schema, table)
    seed = int.from_bytes(hashlib.sha256(codes.tobytes()).digest()[:4], "little") % 2**31
    forest = _forest(TREES, seed).fit(matrix, codes)
    tree = DecisionTreeClassifier(
        max_leaf_nodes=LEAVES,
        min_samples_leaf=max(FEWEST // 10, len(codes) // 40),
        random_state=seed,
    ).fit(matrix, codes)
    made = Reference(schema, classes, forest, tree, [], matrix)
    expected = _out_of_time(matrix, codes, len(classes), seed)
    days = (features.moments(table[TIME]) // 86_400_000_000).astype(np.int64)
    usual = _usual(made, expected, codes, matrix, days)
    return Reference(schema, classes, forest, tree, usual, matrix)


def _forest(trees: int, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(trees, min_samples_leaf=2, random_state=seed)


def _out_of_time(matrix: Any, codes: Any, classes: int, seed: int) -> Any:
    """Return what forests of the other spans of time expect of each span, as of a new batch."""
    expected = np.empty((len(codes), classes))
    for span in np.array_split(np.arange(len(codes)), SPANS):
        rest = np.ones(len(codes), dtype=bool)
        rest[span] = False
        forest = _forest(TREES // 2, seed).fit(matrix[rest], codes[rest])
        found = np.zeros((len(span), classes))
        found[:, forest.classes_] = forest.predict_proba(matrix[span])
        expected[span] = _smooth(found)
    return expected


def _usual(
    made: Reference, expected: Any, codes: Any, matrix: Any, days: Any
) -> list[Level | None]:
    """Return what surprise was usual, each day taken by itself as a batch will be."""
    _, blocks = np.unique(days, return_inverse=True)
    values = poisoning.surprise(expected, codes)
    apart = np.empty(len(codes))
    for block in range(int(blocks.max()) + 1):
        rows = np.flatnonzero(blocks == block)
        apart[rows] = poisoning.surprise(
            poisoning.shifted(expected[rows], codes[rows]), codes[rows]
        )
    segments = made.segments(matrix)
    found = [poisoning.watched(values, blocks)]
    for segment in range(1, len(made.leaves) + 1):
        inside = segments == segment
        found.append(poisoning.watched(apart[inside], blocks[inside]))
    return found
