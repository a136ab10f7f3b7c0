"""Surprise beside a reference: what is usual, what is beyond it, and exact values that repeat."""

import numpy as np

from engine.stats import poisoning


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
    expected = np.column_stack([1 - p, p])
    shifted = poisoning.shifted(expected, poisoning.shift(expected, labels))
    assert abs(shifted[:, 1].mean() - labels.mean()) < 0.02
    none = poisoning.shift(np.empty((0, 2)), np.empty(0, dtype=np.intp))
    assert none.tolist() == [1.0, 1.0]


def test_a_surplus_is_beside_trusted_rows_and_needs_some_of_both() -> None:
    rng = np.random.default_rng(3)
    usual = rng.normal(0, 1, 500)
    z, effect = poisoning.surplus(rng.normal(2, 1, 100), usual, 1.0)
    assert z > 10
    assert abs(effect - 2) < 0.4
    assert abs(poisoning.surplus(rng.normal(0, 1, 100), usual, 1.0)[0]) < 3
    # A region that never varied is not sure of itself.
    assert poisoning.surplus(np.full(10, 0.1), np.zeros(20), 1.0)[0] < 1
    for new, known, deviation in ((6, 500, 1.0), (100, 14, 1.0), (100, 500, 0.0)):
        assert poisoning.surplus(np.ones(new), usual[:known], deviation) == (0.0, 0.0)


def test_what_one_half_learned_counts_as_far_as_the_other_bears_it_out() -> None:
    rng = np.random.default_rng(4)
    usual, new, none = rng.normal(0, 1, 300), rng.normal(2, 1, 50), rng.normal(0, 1, 50)
    both = poisoning.of_halves(((new, usual), (new, usual)), 1.0)
    one = poisoning.of_halves(((new, usual), (none, usual)), 1.0)
    assert both[0] > 1.5 * one[0] > 0
    assert both[1] > 1.5 * one[1]


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
