"""Distances equal scipy's, are zero between equal samples, and always have an answer."""

import dataclasses
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from engine.stats import drift
from engine.stats.profile import (
    bin_counts,
    categorical_profile,
    counted_profile,
    numeric_profile,
    quantile_edges,
)

numbers = st.lists(
    st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=60
).map(lambda values: np.array(values, dtype=np.float64))
counts = st.dictionaries(st.text(max_size=3), st.integers(0, 50), min_size=1, max_size=12)


def values(found) -> dict[str, float]:
    """The numbers of a result that are there."""
    assert dataclasses.is_dataclass(found) or isinstance(found, msgspec.Struct)
    fields = msgspec.structs.asdict(found)
    return {k: v for k, v in fields.items() if isinstance(v, float)}


@pytest.mark.parametrize("ties", [None, 0, 1])
@pytest.mark.parametrize(("n", "m", "shift"), [(2000, 3000, 0.0), (50, 7, 0.3), (900, 900, 2.0)])
def test_numeric_distances_equal_scipy(n, m, shift, ties):
    rng = np.random.default_rng(n + m)
    x, y = rng.normal(size=n), rng.normal(size=m) + shift
    if ties is not None:
        x, y = np.round(x, ties), np.round(y, ties)
    found = drift.numeric(x, y)
    exact = stats.ks_2samp(x, y, method="asymp")
    assert found.ks == pytest.approx(exact.statistic, abs=1e-9)
    assert found.ks_p == pytest.approx(exact.pvalue, abs=1e-9)
    distance = stats.wasserstein_distance(x, y)
    assert found.wasserstein == pytest.approx(distance, abs=1e-9)
    assert found.wasserstein_normed == pytest.approx(distance / np.std(x), abs=1e-9)
    edges = np.unique(np.quantile(x, np.arange(1, 10) / 10))
    r, c = (
        np.bincount((edges[None, :] <= side[:, None]).sum(axis=1), minlength=len(edges) + 1)
        for side in (x, y)
    )
    assert found.bins == len(edges) + 1
    assert found.js == pytest.approx(jensenshannon(r, c, base=2), abs=1e-9)
    p, q = (np.maximum(side / side.sum(), 1e-4) for side in (r, c))
    assert found.psi == pytest.approx(float(((q - p) * np.log(q / p)).sum()), abs=1e-9)


def test_p_value_of_a_large_gap_agrees_with_scipy_where_it_is_cut_short():
    for size, gap in ((20_000, 0.05), (20_000, 0.07), (2_000, 0.15)):
        wanted = stats.kstwo.sf(gap, size // 2)
        assert drift.ks_p(gap, size, size) == pytest.approx(wanted, rel=0.01, abs=1e-17)


@pytest.mark.parametrize("k", [2, 5, 300])
def test_categorical_distances_equal_scipy(k):
    rng = np.random.default_rng(k)
    r, c = rng.integers(0, 40, k), rng.integers(0, 60, k)
    r[0], c[-1] = 0, 0
    r[-1] = c[0] = 5
    names = [f"c{i:03}" for i in range(k)]
    reference, current = (
        counted_profile(dict(zip(names, side.tolist(), strict=True))) for side in (r, c)
    )
    found = drift.categorical(reference, current)
    table = np.stack([r, c])[:, (r + c) > 0]
    statistic, p, _, _ = stats.chi2_contingency(table, correction=False)
    assert found.chi2 == pytest.approx(statistic, rel=1e-9)
    assert found.chi2_p == pytest.approx(p, abs=1e-9)
    assert found.cramers_v == pytest.approx(
        stats.contingency.association(table, method="cramer"), abs=1e-9
    )
    assert found.js == pytest.approx(jensenshannon(r, c, base=2), abs=1e-9)
    p, q = r / r.sum(), c / c.sum()
    assert found.tvd == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-12)
    assert found.linf == pytest.approx(np.abs(p - q).max(), abs=1e-12)
    assert names[0] in found.new_categories
    assert names[-1] in found.gone_categories


@settings(max_examples=60, deadline=None)
@given(numbers)
def test_same_numbers_give_zero(sample):
    found = drift.numeric(sample, np.random.default_rng(0).permutation(sample))
    assert (found.psi, found.js, found.ks, found.wasserstein) == (0.0, 0.0, 0.0, 0.0)
    assert found.wasserstein_normed in (0.0, None)


@settings(max_examples=60, deadline=None)
@given(counts)
def test_same_counts_give_zero(table):
    found = drift.categorical(counted_profile(table), counted_profile(table))
    if not sum(table.values()):
        assert values(found) == {}
        return
    assert (found.psi, found.js, found.chi2, found.tvd, found.linf) == (0.0,) * 5
    assert found.chi2_p == pytest.approx(1.0)
    assert found.new_categories == found.gone_categories or not all(table.values())


@settings(max_examples=100, deadline=None)
@given(numbers, numbers)
def test_every_distance_of_any_two_samples_is_finite_and_in_range(x, y):
    found = drift.numeric(x, y)
    assert all(math.isfinite(v) and v >= 0.0 for v in values(found).values())
    assert found.ks <= 1.0
    assert found.js <= 1.0


def test_binned_ks_is_short_by_at_most_one_bins_share():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=5000), rng.normal(size=4000) + 0.2
    exact = drift.ks(x, y)
    for bins in (10, 50, 200):
        edges = quantile_edges(x, bins)
        binned = drift.numeric_profiles(numeric_profile(x, edges), numeric_profile(y, edges))
        assert exact - 1.0 / bins - 1e-3 <= binned.ks <= exact
        assert binned.psi == pytest.approx(drift.numeric(x, y, bins).psi, abs=1e-12)
        assert binned.ks_p is None


EMPTY, NAN, INF = np.array([]), np.array([np.nan] * 4), np.array([np.inf, -np.inf])


@pytest.mark.parametrize("side", [EMPTY, NAN, INF], ids=["empty", "all null", "infinite"])
def test_a_side_without_finite_values_has_no_distance(side):
    other = np.array([1.0, 2.0])
    for found in (
        drift.numeric(side, other),
        drift.numeric(other, side),
        drift.numeric(side, side),
    ):
        assert values(found) == {}
    assert values(drift.categorical(counted_profile({}), counted_profile({"a": 1}))) == {}


def test_constant_one_row_and_moved_constant_have_answers():
    same = drift.numeric(np.full(50, 3.0), np.full(9, 3.0))
    assert (same.psi, same.ks, same.wasserstein, same.wasserstein_normed) == (0, 0, 0, None)
    moved = drift.numeric(np.full(50, 3.0), np.full(9, 2.0))
    assert (moved.js, moved.ks, moved.wasserstein) == (1.0, 1.0, 1.0)
    assert moved.psi == pytest.approx(2 * (1 - 1e-4) * math.log(1e4))
    # From above the edge a constant's bin is open: only the exact measures see it.
    one = drift.numeric(np.array([1.0]), np.array([5.0]))
    assert (one.ks, one.ks_p, one.wasserstein) == (1.0, None, 4.0)


def test_infinities_are_left_out_and_counted():
    x = np.array([1.0, 2.0, 3.0, np.inf, -np.inf, np.nan])
    assert drift.infinities(x) == 2
    assert drift.numeric(x, np.array([1.0, 2.0, 3.0])).ks == 0.0


def test_values_near_the_largest_and_smallest_float_are_measured():
    large = drift.numeric(np.array([1e308, -1e308, 0.0]), np.array([-1e308, 0.0]))
    assert large.wasserstein_normed == pytest.approx(0.5 / math.sqrt(2 / 3))
    assert large.ks == pytest.approx(1 / 3)
    small = drift.numeric(np.array([1e-300, -1e-300, 0.0]), np.array([-1e-300, 0.0]))
    assert small.wasserstein_normed == pytest.approx(large.wasserstein_normed)


def test_ten_thousand_categories_are_one_bin_each():
    reference = categorical_profile(f"c{i}" for i in range(10_000))
    current = categorical_profile(f"c{i}" for i in range(5_000, 15_000))
    found = drift.categorical(reference, current)
    assert found.bins == 15_000
    assert len(found.new_categories) == len(found.gone_categories) == 5_000
    assert found.tvd == pytest.approx(0.5)


def test_one_outlier_in_the_reference_does_not_hide_a_half_deviation_shift():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=50_000), rng.normal(size=50_000) + 0.5
    clean = drift.numeric(x, y)
    x[7] = 1e6
    found = drift.numeric(x, y)
    assert found.psi == pytest.approx(clean.psi, rel=0.01)
    assert found.ks == pytest.approx(clean.ks, abs=1e-3)
    assert found.js == pytest.approx(clean.js, rel=0.01)
    assert found.ks > 0.18


def test_chi_square_errs_at_its_nominal_rate_when_nothing_drifts():
    rng = np.random.default_rng(1)
    shares, alarms, known = rng.dirichlet(np.full(8, 5.0)), 0, 0
    for _ in range(1000):
        r, c = rng.multinomial(500, shares), rng.multinomial(300, shares)
        alarms += drift.chi2(r, c)[1] < 0.05
        # As if the reference were known without error, which is what goes wrong elsewhere.
        known += stats.chisquare(c, r / r.sum() * c.sum()).pvalue < 0.05
    assert 0.03 <= alarms / 1000 <= 0.07
    assert known / 1000 > 0.2


def test_psi_is_an_effect_that_does_not_grow_with_rows_but_is_noise_in_small_samples():
    rng = np.random.default_rng(2)
    x = rng.normal(size=300_000)
    y = rng.normal(size=300_000) + 0.01
    large = drift.numeric(x, y)
    assert large.ks_p < 0.05
    assert large.psi < 0.001
    small = [drift.numeric(*rng.normal(size=(2, 100))).psi for _ in range(200)]
    assert float(np.mean(small)) > 0.1


def test_bins_are_left_closed():
    np.testing.assert_array_equal(bin_counts(np.array([0.9, 1.0, 1.5, 2.0]), [1.0, 2.0]), [1, 2, 1])


def test_one_absurd_value_hides_no_shift():
    """Bins of equal width would put 50,000 rows into one: these are the reference's quantiles."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=50_000), rng.normal(size=50_000) + 0.5
    clean = drift.numeric(x, y)
    x[0] = 1e6
    found = drift.numeric(x, y)
    assert found.psi == pytest.approx(clean.psi, rel=0.01)
    assert found.js == pytest.approx(clean.js, rel=0.01)
    assert found.ks == pytest.approx(clean.ks, abs=1e-4)
    assert found.psi > 0.2
    assert found.ks > 0.19


def test_psi_of_still_small_samples_is_about_what_chance_gives():
    rng = np.random.default_rng(4)
    x = rng.normal(size=20_000)
    for n in (100, 500):
        mean = np.mean([drift.numeric(x, rng.normal(size=n)).psi for _ in range(200)])
        assert mean == pytest.approx(drift.psi_by_chance(len(x), n, 10), rel=0.15)
    assert drift.psi_by_chance(0, 5, 10) is drift.psi_by_chance(5, 0, 10) is None
    assert drift.psi_by_chance(5, 5, 1) == drift.psi_by_chance(5, 5, 0) == 0.0


def test_a_shift_too_small_to_matter_is_certain_and_yet_without_effect():
    rng = np.random.default_rng(5)
    r = rng.multinomial(1_000_000, [0.5, 0.5])
    found = drift.categorical(
        *(counted_profile({"a": int(a), "b": int(1_000_000 - a)}) for a in (r[0], r[0] + 4000))
    )
    assert found.chi2_p < 1e-6
    assert found.cramers_v < 0.005
    assert found.psi < 0.001


def test_neighbours_too_close_to_tell_apart_after_scaling_are_still_two_values():
    found = drift.numeric(np.array([0.0, 0.0, 1e308]), np.array([5e-324, 5e-324, 1e308]))
    assert found.ks == pytest.approx(2 / 3)
