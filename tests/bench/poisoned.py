"""Poisoned labels beside a trusted reference, on rows whose honest labels are known."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.datasets import make_classification

from engine.domain.acceptance import judged
from engine.pipeline import poisoning, trusted
from engine.pipeline.trusted import Labelled
from tests.bench.figure import Figure

TRUSTED, BATCH, TOGETHER = 4_000, 1_500, 5
WIDE = 20
OF: Any = SimpleNamespace(target="y", id=None, time="t")
TYPES = {f"x{i}": "DOUBLE" for i in range(WIDE)}


class World:
    """Rows with honest labels, and a reference that knows the first 4,000."""

    def __init__(self, seed: int) -> None:
        self.x, y = make_classification(
            60_000, WIDE, n_informative=10, n_redundant=4, n_clusters_per_class=3, class_sep=1.6,
            flip_y=0.01, random_state=seed,
        )  # fmt: skip
        self.y = y.astype(np.intp)
        self.rng = np.random.default_rng(seed)
        table: dict[str, Any] = {f"x{i}": self.x[:TRUSTED, i] for i in range(WIDE)}
        table["y"] = np.array([bool(v) for v in y[:TRUSTED]], dtype=object)
        minutes = np.arange(TRUSTED) * np.timedelta64(4, "m")
        table[trusted.TIME] = (np.datetime64("2024-01-01") + minutes).astype("datetime64[us]")
        found = trusted.fit(TYPES, "binary", "y", table)
        assert found is not None
        self.reference = found

    def batch(self, change: Callable[[Any, Any], None] | None = None) -> Labelled:
        """Return new rows as the reference sees them, after a change of rows or labels."""
        rows = self.rng.choice(np.arange(TRUSTED, len(self.y)), BATCH, replace=False)
        x, y = self.x[rows].copy(), self.y[rows].copy()
        if change is not None:
            change(x, y)
        minutes = np.arange(BATCH) * np.timedelta64(4, "m")
        when = (np.datetime64("2024-06-01") + minutes).astype("datetime64[us]")
        table: dict[str, Any] = {f"x{i}": x[:, i] for i in range(WIDE)}
        table |= {"y": np.array([bool(v) for v in y], dtype=object), "t": when}
        return self.reference.judged(table, list(TYPES), "y", "t", "t")

    def caught(self, parts: list[Labelled]) -> bool:
        """Say whether the newest batch is asked about, alone or with those before it."""
        looks = [parts[-1:], parts] if len(parts) > 1 else [parts]
        found = [f for p in looks for f in poisoning.unexpected(OF, self.reference, p)]
        found += poisoning.triggers(OF, self.reference, list(TYPES), parts[-1])
        return bool(judged(found).refused)

    def targeted(self, share: float) -> Callable[[Any, Any], None]:
        """Return the turning of one class near one place in two columns."""
        columns = self.rng.choice(WIDE, 2, replace=False)
        label = int(self.rng.integers(2))
        centre = self.x[self.rng.choice(np.flatnonzero(self.y == label))][columns]
        scale = self.x[:, columns].std(axis=0)

        def change(x: Any, y: Any) -> None:
            of = np.flatnonzero(y == label)
            far = np.abs((x[of][:, columns] - centre) / scale).max(axis=1)
            y[of[np.argsort(far)[: int(share * len(y))]]] = 1 - label

        return change

    def anywhere(self, x: Any, y: Any) -> None:
        """Turn 5 % of the labels, anywhere."""
        rows = self.rng.choice(len(y), len(y) // 20, replace=False)
        y[rows] = 1 - y[rows]

    def backdoor(self, x: Any, y: Any) -> None:
        """Give 5 % of the rows two exact values and one label."""
        rows = self.rng.choice(len(y), len(y) // 20, replace=False)
        x[rows, 3], x[rows, 7], y[rows] = 1.5, -0.25, 1


def measure(trials: int = 100, seed: int = 3) -> list[Figure]:
    """Return how often honest batches are asked about, and poisoned ones caught."""
    world = World(seed)
    counts = np.zeros(6, dtype=int)
    for _ in range(trials):
        honest = [world.batch() for _ in range(TOGETHER)]
        counts[0] += world.caught(honest[:1])
        counts[1] += any(world.caught(honest[: k + 1]) for k in range(TOGETHER))
        counts[2] += world.caught([world.batch(world.targeted(0.05))])
        aim = world.targeted(0.02)
        aimed = [world.batch(aim) for _ in range(TOGETHER)]
        counts[3] += any(world.caught(aimed[: k + 1]) for k in range(TOGETHER))
        loose = [world.batch(world.anywhere) for _ in range(3)]
        counts[4] += any(world.caught(loose[: k + 1]) for k in range(3))
        counts[5] += world.caught([world.batch(world.backdoor)])
    honest_one, honest_five, five, two, anywhere, backdoor = (100 * counts / trials).tolist()

    def figure(name: str, value: float, target: float | None, *, at_least: bool = True) -> Figure:
        return Figure(name, value, "%", trials, target, at_least)

    return [
        figure("honest labels asked about, one batch", honest_one, 2.0, at_least=False),
        figure("honest labels asked about, in five batches", honest_five, None),
        figure("caught: 5 % targeted flips, one batch", five, 80.0),
        figure("caught: 2 % targeted flips, within 5 batches", two, None),
        figure("caught: 5 % flips anywhere, within 3 batches", anywhere, 100.0),
        figure("caught: 5 % backdoor rows, one batch", backdoor, 100.0),
    ]
