"""Many trees as one: a router above them picks each by its number, so that one call asks them all.

Asked one by one, a hundred trees cost a hundred calls for a few rows, and between any two of them
another thread may take the interpreter. For many rows that no longer matters.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW_ROWS = 16
# A second copy of the nodes: beyond this it is not worth its memory (64 bytes each).
MAX_NODES = 200_000

Matrix = NDArray[Any]


class Router:
    """The places of trees of given sizes in one array of nodes, and the nodes that lead to them.

    `steps` has (node, number, left, right): numbers below `number` are to the left of `node`.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        first = len(sizes) - 1
        self.starts = [first + sum(sizes[:at]) for at in range(len(sizes))]
        self.size = first + sum(sizes)
        self.steps: list[tuple[int, int, int, int]] = []
        self._used = 0
        self._lead(0, len(sizes))

    def _lead(self, low: int, high: int) -> int:
        if high - low == 1:
            return self.starts[low]
        node, middle = self._used, (low + high) // 2
        self._used += 1
        left, right = self._lead(low, middle), self._lead(middle, high)
        self.steps.append((node, middle, left, right))
        return node


def forest(trees: Sequence[Any], features: int) -> Callable[[Matrix], Matrix]:
    """Return what sums the answers of a forest's trees to a few rows of 32-bit floats."""
    from sklearn.tree._tree import Tree

    states = [tree.__getstate__() for tree in trees]
    router = Router([state["node_count"] for state in states])
    nodes = np.zeros(router.size, dtype=states[0]["nodes"].dtype)
    values = np.zeros((router.size, *states[0]["values"].shape[1:]))
    for start, state in zip(router.starts, states, strict=True):
        mine = state["nodes"].copy()
        inner = mine["left_child"] >= 0
        for side in ("left_child", "right_child"):
            mine[side][inner] += start
        nodes[start : start + len(mine)] = mine
        values[start : start + len(mine)] = state["values"]
    for node, number, left, right in router.steps:
        row = nodes[node]
        row["feature"], row["threshold"] = features, number - 0.5
        row["left_child"], row["right_child"] = left, right
    depth = max(state["max_depth"] for state in states) + len(trees).bit_length()
    one = Tree(features + 1, np.array([values.shape[2]], dtype=np.intp), 1)
    one.__setstate__(
        {"max_depth": depth, "node_count": router.size, "nodes": nodes, "values": values}
    )
    numbers = np.arange(len(trees), dtype=np.float32)

    def total(rows: Matrix) -> Matrix:
        found = one.predict(_numbered(rows, numbers)).reshape(len(trees), len(rows), -1)
        summed: Matrix = found.sum(axis=0)
        return summed

    return total


def boosting(trees: Sequence[Any], features: int, known: Any, places: Any) -> Callable[..., Matrix]:
    """Return what sums the answers of boosted trees to a few rows."""
    from sklearn.ensemble._hist_gradient_boosting._predictor import _predict_from_raw_data

    router = Router([len(tree.nodes) for tree in trees])
    nodes = np.zeros(router.size, dtype=trees[0].nodes.dtype)
    bitsets = np.concatenate([tree.raw_left_cat_bitsets for tree in trees])
    begun = 0
    for start, tree in zip(router.starts, trees, strict=True):
        mine = tree.nodes.copy()
        inner = mine["is_leaf"] == 0
        for side in ("left", "right"):
            mine[side][inner] += start
        mine["bitset_idx"][mine["is_categorical"] != 0] += begun
        begun += len(tree.raw_left_cat_bitsets)
        nodes[start : start + len(mine)] = mine
    for node, number, left, right in router.steps:
        row = nodes[node]
        row["feature_idx"], row["num_threshold"] = features, number - 0.5
        row["left"], row["right"] = left, right
    places = np.append(places, 0).astype(places.dtype)
    numbers = np.arange(len(trees), dtype=np.float64)

    def total(rows: Matrix) -> Matrix:
        leaves = np.empty(len(trees) * len(rows))
        _predict_from_raw_data(nodes, _numbered(rows, numbers), bitsets, known, places, 1, leaves)
        summed: Matrix = leaves.reshape(len(trees), len(rows)).sum(axis=0)
        return summed

    return total


def _numbered(rows: Matrix, numbers: Matrix) -> Matrix:
    """Return the rows once per tree, each with the tree's number as one more feature."""
    size, features = rows.shape
    wide = np.empty((len(numbers), size, features + 1), dtype=rows.dtype)
    wide[:, :, :features] = rows
    wide[:, :, features] = numbers[:, np.newaxis]
    return wide.reshape(-1, features + 1)
