"""A profile counts every row once, and adding profiles equals counting all rows."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidError
from engine.stats import profile

rows = st.lists(st.floats(width=64), max_size=40).map(lambda v: np.array(v, dtype=np.float64))
names = st.lists(st.none() | st.text(max_size=3), max_size=40)


@settings(max_examples=80, deadline=None)
@given(rows, rows, rows, st.integers(2, 12))
def test_merging_numeric_profiles_equals_recomputing(reference, first, second, bins):
    edges = profile.quantile_edges(reference, bins)
    merged = profile.numeric_profile(first, edges) + profile.numeric_profile(second, edges)
    assert merged == profile.numeric_profile(np.concatenate([first, second]), edges)
    assert merged.n == len(first) + len(second)


@settings(max_examples=60, deadline=None)
@given(names, names)
def test_merging_categorical_profiles_equals_recomputing(first, second):
    merged = profile.categorical_profile(first) + profile.categorical_profile(second)
    assert merged == profile.categorical_profile(first + second)
    assert merged.n == len(first) + len(second)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_a_profile_survives_json(values):
    made = profile.numeric_profile(values, profile.quantile_edges(values))
    assert msgspec.json.decode(msgspec.json.encode(made), type=profile.NumericProfile) == made


def test_edges_are_linear_quantiles_without_duplicates():
    values = np.random.default_rng(0).normal(size=101)
    assert profile.quantile_edges(values) == list(np.quantile(values, np.arange(1, 10) / 10))
    assert profile.quantile_edges(np.array([0.0] * 99 + [1.0])) == [0.0]
    assert profile.quantile_edges(np.array([np.nan, np.inf])) == []
    assert profile.quantile_edges(np.array([4.0])) == [4.0]


def test_edges_of_values_near_the_largest_float_are_finite():
    edges = profile.quantile_edges(np.array([-1.7e308, 1.7e308]), 4)
    assert edges == pytest.approx([-0.85e308, 0.0, 0.85e308])


def test_nulls_and_infinities_are_counted_apart():
    made = profile.numeric_profile(np.array([np.nan, np.inf, -np.inf, 1.0, 2.0]), [1.5], nulls=5)
    assert (made.counts, made.nulls, made.infinities, made.n) == ([1, 1], 6, 2, 10)
    assert (made.low, made.high, made.null_rate) == (1.0, 2.0, 0.6)
    nothing = profile.numeric_profile(np.array([]), [])
    assert (nothing.counts, nothing.n, nothing.null_rate, nothing.low) == ([0], 0, None, None)


def test_categories_are_text_and_booleans_are_true_and_false():
    made = profile.categorical_profile([True, False, True, None, "x", 3])
    assert made.counts == {"3": 1, "false": 1, "true": 2, "x": 1}
    assert made.null_rate == pytest.approx(1 / 6)
    assert profile.categorical_profile([]).null_rate is None


def test_fewer_bins_are_sums_of_the_fine_ones():
    values = np.random.default_rng(1).normal(size=2000)
    fine = profile.numeric_profile(values, profile.quantile_edges(values, 200))
    coarse = profile.quantile_edges(values, 10)
    assert profile.rebinned(fine, coarse) == profile.numeric_profile(values, coarse)
    with pytest.raises(InvalidError, match="not one of its edges"):
        profile.rebinned(fine, [0.123])


def test_profiles_of_different_bins_do_not_add():
    first, second = (profile.numeric_profile(np.ones(3), edges) for edges in ([1.0], [2.0]))
    with pytest.raises(InvalidError, match="bins differ"):
        first + second
