"""Surprise beside a reference: what is usual, what is beyond it, and exact values that repeat."""

import numpy as np

from engine.stats import poisoning
from engine.stats.poisoning import Level


def test_surprise_is_nothing_on_the_average_where_expectations_are_true() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0.05, 0.95, 20_000)
    expected = np.column_stack([1 - p, p])
    labels = (rng.random(20_000) < p).astype(np.intp)
    assert abs(poisoning.surprise(expected, labels).mean()) < 0.01
    assert poisoning.surprise(expected, 1 - labels).mean() > 0.3


def test_expectations_are_shifted_to_the_rates_of_the_rows() -> None:
    rng = np.random.default_rng(2)
    p = rng.uniform(0.1, 0.5, 1_000)
    labels = (rng.random(1_000) < 0.7).astype(np.intp)
    shifted = poisoning.shifted(np.column_stack([1 - p, p]), labels)
    assert abs(shifted[:, 1].mean() - labels.mean()) < 0.02
    none = poisoning.shifted(np.empty((0, 2)), np.empty(0, dtype=np.intp))
    assert none.shape == (0, 2)


def test_what_is_usual_knows_rows_and_blocks_and_needs_fifteen() -> None:
    rng = np.random.default_rng(3)
    blocks = np.repeat(np.arange(50), 40)
    even = poisoning.level(rng.normal(0, 1, 2_000), blocks)
    uneven = poisoning.level(rng.normal(0, 1, 2_000) + rng.normal(0, 1, 50)[blocks], blocks)
    assert even is not None
    assert uneven is not None
    assert even.between < 0.02 < 0.5 < uneven.between
    assert poisoning.level(np.zeros(14), np.zeros(14, dtype=np.intp)) is None
    still = poisoning.watched(np.zeros(60), np.repeat(np.arange(2), 30))
    assert still == Level(0.0, 0.0, 0.0, 0.0)
    assert poisoning.excess(np.zeros(14), Level(0.0, 1.0, 0.0), 1) is None
    assert poisoning.excess(np.zeros(20), Level(0.0, 0.0, 0.0), 1) == 0.0


def test_exact_values_with_one_label_are_found_unless_an_hour_shared_them() -> None:
    rng = np.random.default_rng(4)
    trusted, rows = rng.normal(size=(1_000, 4)), rng.normal(size=(400, 4))
    labels = rng.integers(0, 2, 400).astype(np.intp)
    expected = np.full((400, 2), 0.5)
    assert poisoning.combinations(rows, labels, expected, trusted) == []
    spread, close = np.arange(0, 400, 10), np.arange(100, 140)
    for picked, count in ((close, 0), (spread, 1)):
        x, y = rows.copy(), labels.copy()
        x[picked, 1], y[picked] = 0.5, 1
        found = poisoning.combinations(x, y, expected, trusted)
        assert len(found) == count
    assert (found[0].columns, found[0].values, found[0].label, found[0].n) == ((1,), (0.5,), 1, 40)
    assert found[0].z > 6
    none = np.empty((0, 4))
    assert poisoning.combinations(none, labels[:0], expected[:0], trusted) == []
