"""The trusted reference of a model: a forest on accepted batches, and how new labels lie beside it.

Where labels are unexpected is learned on one half of the new rows in time and tested on the other:
what one storm brought does not hold in both, what somebody turned does.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.domain.schema import Schema
from engine.pipeline import features
from engine.stats import encoding, outcomes, poisoning
from engine.stats.poisoning import Surplus

TREES = 60
SPANS = 5
ROWS = 4_000
FEWEST = 500
GROWTH = 1.5
REGIONS = 8
CHUNKS = 10
ENOUGH = 100
FURTHER = 1.5
_DAY = 86_400_000_000
# Under this name the rows carry their time: no column of a user's is called so.
TIME = "time \x01"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labelled rows in order of time as a reference sees them; `surprise` is 0 on the average.

    `shifts` are how far the label rates of days were from what was expected.
    """

    matrix: Any
    labels: Any
    expected: Any
    surprise: Any
    names: Any
    shifts: Any

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Reference:
    """What was fitted on trusted rows; `worst` is the largest surplus among those, as z, effect."""

    schema: Schema
    classes: list[str]
    forest: Any
    trusted: Labelled
    worst: tuple[float, float]

    def judged(
        self, table: dict[str, Any], types: Sequence[str], target: str, time: str, name: str
    ) -> Labelled:
        """Return new rows, in order of time, as this reference sees them."""
        codes = outcomes.codes("multiclass", self.classes, table[target])
        kept = np.flatnonzero(~np.isnan(codes))
        labels = codes[kept].astype(np.intp)
        matrix = encoding.matrix(self.schema, {n: table[n][kept] for n in types})
        days = features.moments(table[time][kept]) // _DAY
        expected = _expected(self.forest, matrix)
        names, known = table[name][kept], self.trusted.shifts
        return _labelled(matrix, labels, expected, days, names, known)


@dataclass(slots=True)
class Trust:
    """A reference, what it was made of, and how it saw the batches since."""

    of: tuple[str, ...]
    reference: Reference | None
    seen: dict[str, Labelled]


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
    labels = table[target]
    classes = outcomes.classes_of(task, labels)
    if len(labels) < FEWEST or len(classes) < 2:
        return None
    codes = outcomes.codes(task, classes, labels).astype(np.intp)
    schema = features.schema(features.contract(types, table))
    matrix = encoding.matrix(schema, table)
    seed = int.from_bytes(hashlib.sha256(codes.tobytes()).digest()[:4], "little") % 2**31
    forest = _forest(TREES, seed).fit(matrix, codes)
    expected = _out_of_time(matrix, codes, len(classes), seed)
    days = (features.moments(table[TIME]) // _DAY).astype(np.int64)
    trusted = _labelled(matrix, codes, expected, days, codes)
    return Reference(schema, classes, forest, trusted, _worst(trusted))


def _labelled(
    matrix: Any, labels: Any, expected: Any, days: Any, names: Any, known: Any = None
) -> Labelled:
    """Take the label rate of each day as given, as far as `known` days went, by class.

    What a whole day had in common is no sign; what no day had in common is.
    """
    found, told, shifts = np.empty_like(expected), np.empty(len(labels)), []
    for rows in np.split(np.arange(len(labels)), _starts(days)):
        shift = poisoning.shift(expected[rows], labels[rows])
        if known is not None:
            shift = np.clip(shift, known.min(axis=0) / FURTHER, known.max(axis=0) * FURTHER)
        shifts.append(shift)
        found[rows] = poisoning.shifted(expected[rows], shift)
        told[rows] = poisoning.surprise(found[rows], labels[rows])
    return Labelled(matrix.astype(np.float32), labels, found, told, names, np.array(shifts))


def _starts(days: Any) -> list[int]:
    """Return where whole days begin that follow 100 rows or more: fewer say little of a rate."""
    starts, at = [], 0
    for place in np.flatnonzero(np.diff(days, prepend=days[:1])).tolist():
        if place - at >= ENOUGH:
            starts.append(place)
            at = place
    return starts


def _forest(trees: int, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(trees, min_samples_leaf=2, random_state=seed)


def _expected(forest: Any, matrix: Any) -> Any:
    """Return a forest's probabilities, smoothed as if two trees were unsure.

    Tree by tree: for the few rows of a batch the forest's own way costs ten times as much.
    """
    rows = matrix.astype(np.float32)
    trees = [tree.tree_ for tree in forest.estimators_]
    total = sum(tree.predict(rows) for tree in trees)
    return (total + 2 / forest.n_classes_) / (len(trees) + 2)


def _out_of_time(matrix: Any, codes: Any, classes: int, seed: int) -> Any:
    """Return what forests of the other spans of time expect of each span, as of a new batch."""
    expected = np.full((len(codes), classes), 2 / classes / (TREES // 2 + 2))
    for span in np.array_split(np.arange(len(codes)), SPANS):
        rest = np.ones(len(codes), dtype=bool)
        rest[span] = False
        forest = _forest(TREES // 2, seed).fit(matrix[rest], codes[rest])
        expected[np.ix_(span, forest.classes_)] = _expected(forest, matrix[span])
    return expected


def _worst(trusted: Labelled) -> tuple[float, float]:
    """Return the largest surplus by which a tenth of the trusted rows stood out of the rest."""
    found = [(0.0, 0.0)]
    for chunk in np.array_split(np.arange(len(trusted)), CHUNKS):
        rest = np.ones(len(trusted), dtype=bool)
        rest[chunk] = False
        one = region(
            trusted.matrix[chunk], trusted.surprise[chunk],
            trusted.matrix[rest], trusted.surprise[rest],
        )  # fmt: skip
        found += [(one.z, one.effect)] if one is not None else []
    return max(found, key=min)


def region(matrix: Any, values: Any, usual_rows: Any, usual: Any) -> Surplus | None:
    """Return the region of new rows, in order of time, whose labels surprise most; None for few.

    Each half of the rows names a region, a leaf of a shallow tree of surprise, and the other half
    says what it is worth there, beside trusted rows of the same region.
    """
    half = len(values) // 2
    if half < 2 * poisoning.FEWEST:
        return None
    deviation = float(usual.std())
    places = np.arange(len(values))
    found, rows = [], []
    for learn, test in ((places[:half], places[half:]), (places[half:], places[:half])):
        leaf = _leaf(matrix[learn], values[learn], usual_rows, usual, deviation)
        inside = places[leaf(matrix)] if leaf is not None else places[:0]
        tested = np.intersect1d(inside, test)
        beside = usual[leaf(usual_rows)] if leaf is not None else usual[:0]
        found.append((values[tested], beside))
        rows.append(inside)
    z, effect = poisoning.of_halves((found[0], found[1]), deviation)
    return Surplus(z, effect, np.union1d(*rows))


def _leaf(matrix: Any, values: Any, usual_rows: Any, usual: Any, deviation: float) -> Any:
    """Return what says of rows whether they are in the leaf that surprises most; None for none."""
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(
        max_leaf_nodes=REGIONS, min_samples_leaf=poisoning.FEWEST, random_state=0
    ).fit(matrix, values)
    leaves, trusted = tree.tree_.apply(matrix), tree.tree_.apply(usual_rows)
    ranked = [
        (poisoning.surplus(values[leaves == leaf], usual[trusted == leaf], deviation)[0], int(leaf))
        for leaf in np.unique(leaves)
    ]
    z, best = max(ranked)
    return (lambda rows: tree.tree_.apply(rows) == best) if z > 0 else None
