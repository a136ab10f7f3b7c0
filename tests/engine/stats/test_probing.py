"""Crowding and independence: what they say of plain cases, and of nothing."""

from typing import Any

import numpy as np
import pytest

from engine.stats import probing
from engine.stats.probing import CROWD, Column, Reference

N = 3_000


def rows(rng: np.random.Generator, n: int) -> list[list[Any]]:
    """Columns that hang together: the place decides distance and gate, wind goes by itself."""
    place = rng.integers(0, 8, size=n)
    distance = 100.0 * place + rng.normal(0, 5, size=n)
    return [
        [f"p{p}" for p in place],
        list(distance),
        [f"g{p // 2}" for p in place],
        list(rng.normal(10, 4, size=n)),
    ]


def known(seed: int = 1) -> Reference:
    sent = rows(np.random.default_rng(seed), N)
    kinds = (False, True, False, True)
    columns = [
        probing.column(name, values, numeric=numeric)
        for name, values, numeric in zip("pdgw", sent, kinds, strict=True)
    ]
    return probing.reference(columns, sent, sent, 300)


def test_honest_rows_hang_together_and_rows_drawn_by_column_do_not() -> None:
    reference, rng = known(), np.random.default_rng(2)
    honest = rows(rng, 300)
    made_up = [[column[int(at)] for at in rng.permutation(300)] for column in honest]
    assert probing.independence(reference, probing.encoded(reference, honest)[1]) < 0.05  # type: ignore[operator]
    assert probing.independence(reference, probing.encoded(reference, made_up)[1]) > 0.8  # type: ignore[operator]


def test_a_new_category_is_drift_and_not_independence() -> None:
    reference, honest = known(), rows(np.random.default_rng(3), 300)
    honest[0] = ["never seen"] * 300
    found = probing.independence(reference, probing.encoded(reference, honest)[1])
    assert found is not None
    assert found < 0.05


def test_rows_around_one_crowd_and_equal_rows_do_not() -> None:
    reference = known()
    one = [column[0] for column in rows(np.random.default_rng(4), 1)]
    moved = [[*one[:3], one[3] + 0.001 * at] for at in range(40)]
    points, _ = probing.encoded(reference, [list(c) for c in zip(*moved, strict=True)])
    decisions = ["true" if at % 2 else "false" for at in range(40)]
    found = probing.crowding(points, decisions, reference.radius)
    assert (found.n, found.near, found.crowded) == (40, 40, 40)
    assert found.flips == pytest.approx(0.5, abs=0.05)
    same, _ = probing.encoded(reference, [[v] * 40 for v in one])
    assert probing.crowding(same, decisions, reference.radius).near == 0


def test_fewer_than_a_crowd_is_near_and_not_crowded() -> None:
    reference = known()
    one = [column[0] for column in rows(np.random.default_rng(5), 1)]
    moved = [[*one[:3], one[3] + 0.001 * at] for at in range(CROWD)]
    points, _ = probing.encoded(reference, [list(c) for c in zip(*moved, strict=True)])
    found = probing.crowding(points, ["true"] * CROWD, reference.radius)
    assert (found.near, found.crowded, found.flips) == (CROWD, 0, 0.0)


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_honest_rows_of_a_narrow_kind_do_not_crowd_however_few_columns(columns: int) -> None:
    rng = np.random.default_rng(6)
    sent = [list(rng.normal(size=N)) for _ in range(columns)]
    read = [probing.column(str(at), v, numeric=True) for at, v in enumerate(sent)]
    reference = probing.reference(read, sent, sent, 300)
    narrow = [list(0.3 * rng.normal(size=300)) for _ in range(columns)]
    points, _ = probing.encoded(reference, narrow)
    assert probing.crowding(points, [None] * 300, reference.radius).crowded <= 0.05 * 300


def test_a_reference_whose_rows_are_all_alike_has_no_radius() -> None:
    values = [[float(v % 7) / 1000 for v in range(N)], list(np.linspace(0, 1e-6, N))]
    columns = [Column("a", 1.0, (), None), Column("b", 1.0, (), None)]
    reference = probing.reference(columns, values, values, 300)
    assert reference.radius is None
    points, bins = probing.encoded(reference, values)
    assert probing.crowding(points[:50], [None] * 50, reference.radius).crowded == 0
    assert probing.independence(reference, bins[:50]) is None


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None],
        [float("nan"), float("inf"), float("-inf"), 1e308, -1e308],
        [1.0] * 5,
        [10**400, "text", 1.0],
    ],
)
def test_odd_columns_have_an_answer(values: list[Any]) -> None:
    column = probing.column("x", values, numeric=True)
    reference = probing.reference([column], [values], [values], 300)
    points, bins = probing.encoded(reference, [values])
    assert np.isfinite(points).all()
    assert probing.crowding(points, [None] * len(values), 0.25).crowded == 0
    assert probing.independence(reference, bins) is None


def test_there_may_be_no_columns_at_all() -> None:
    reference = probing.reference([], [], [], 300)
    points, bins = probing.encoded(reference, [])
    assert probing.crowding(points, [], reference.radius).n == 0
    assert probing.independence(reference, bins) is None
