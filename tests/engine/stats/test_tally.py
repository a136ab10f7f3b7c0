"""Counts of hours are whole numbers that add up exactly, in the bins that NumPy would have used."""

import numpy as np
import pytest

from engine.stats import drift, tally
from engine.stats.profile import (
    CategoricalProfile,
    bin_counts,
    categorical_profile,
    numeric_profile,
    quantile_edges,
    reference_profile,
)
from tests.engine.stats.counted import value_cells

AWKWARD = {
    "tied": np.repeat([0.0, 1.0, 1.0, 2.0, 5.0], 50),
    "normal": np.random.default_rng(1).normal(size=700),
    "huge": np.array([-1.7e308, -1e308, 0.0, 1e308, 1.7e308] * 20),
    "infinite": np.array([np.inf, -np.inf, 1.0, 2.0, np.nan] * 20),
    "constant": np.full(60, 3.0),
    "one": np.array([4.0]),
    "null": np.full(30, np.nan),
    "empty": np.empty(0),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_a_value_lies_in_the_bin_that_numpy_would_count_it_in(name: str) -> None:
    values = AWKWARD[name]
    frozen = reference_profile(values)
    other = np.concatenate([values, [-1e9, 0.0, 1e9]])
    found = tally.profile_of(frozen, value_cells(frozen, other), {})
    plain = numeric_profile(other, frozen.edges)
    assert (
        found.counts == plain.counts == bin_counts(other[np.isfinite(other)], frozen.edges).tolist()
    )
    assert (found.n, found.nulls) == (plain.n, plain.nulls)
    assert isinstance(found, type(plain))
    assert found.infinities == plain.infinities


def test_the_deciles_are_among_the_fine_edges() -> None:
    for values in AWKWARD.values():
        frozen = reference_profile(values)
        assert frozen.deciles == quantile_edges(values)
        assert set(frozen.coarse) <= set(frozen.edges)


def test_hours_add_up_to_their_day_in_any_order() -> None:
    values = AWKWARD["normal"] * 1e6
    frozen = reference_profile(values)
    parts = [tally.packed(value_cells(frozen, p)) for p in np.array_split(values, 24)]
    whole = value_cells(frozen, values)
    for order in (parts, parts[::-1]):
        assert tally.summed(order, len(whole)).tolist() == whole.tolist()
    assert tally.summed([], 3).tolist() == [0, 0, 0]


def test_mean_and_deviation_are_told_within_a_step() -> None:
    values = AWKWARD["normal"] * 50 + 1000
    frozen = reference_profile(values)
    found = tally.profile_of(frozen, value_cells(frozen, values + 25), {})
    assert found.mean == pytest.approx(float(values.mean()) + 25, abs=50 / 1024)  # type: ignore[union-attr]
    assert found.deviation == pytest.approx(float(values.std()), abs=50 / 1024)  # type: ignore[union-attr]


def test_what_lies_outside_the_reference_is_counted() -> None:
    frozen = reference_profile(np.arange(100.0))
    cells = value_cells(frozen, np.array([-1.0, 0.0, 50.0, 99.0, 100.0, np.inf]))
    assert tally.outside(frozen, cells) == (1, 1)


def test_unseen_categories_are_counted_and_named() -> None:
    frozen = categorical_profile(["a", "b", None, "a"])
    cells = tally.category_cells(frozen, {"a": 3, "new": 2}, 4, 6)
    assert cells.tolist() == [4, 3, 3, 0]
    found = tally.profile_of(frozen, cells, {"new": 2})
    assert isinstance(found, CategoricalProfile)
    assert found.counts == {"a": 3, "new": 2, tally.OTHERS: 1}
    assert found.n == 10


def test_evidence_of_many_categories_is_gathered_in_few_bins() -> None:
    frozen = categorical_profile([f"c{n}" for n in range(10_000)] + ["often"] * 5)
    bins = tally.coarse(frozen)
    assert max(bins) == tally.KEPT + 1
    assert tally.merged(tally.reference_cells(frozen), bins)[0] == 5


def test_an_old_profile_of_ten_bins_still_counts() -> None:
    old = (
        '{"edges":[1.0,2.0],"counts":[1,2,3],"nulls":1,"negative_infinities":0,'
        '"positive_infinities":0,"low":0.0,"high":3.0}'
    )
    frozen = tally.decoded(old)
    found = tally.profile_of(frozen, value_cells(frozen, np.array([0.5, 2.0, 9.0])), {})  # type: ignore[arg-type]
    assert found.counts == [1, 0, 2]
    assert tally.decoded('{"counts":{"a":1},"nulls":0}') == CategoricalProfile({"a": 1}, 0)


def test_distances_of_profiles_are_near_those_of_all_values() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=20_000), rng.normal(0.3, 1.2, size=8_000)
    frozen = reference_profile(x)
    now = tally.profile_of(frozen, value_cells(frozen, y), {})
    exact = drift.numeric(x, y)
    binned = drift.numeric_profiles(frozen, now)  # type: ignore[arg-type]
    assert binned.psi == exact.psi
    assert binned.js == exact.js
    assert exact.ks - 1 / 200 <= binned.ks <= exact.ks  # type: ignore[operator]
    low, high = np.quantile(x, [1 / 200, 199 / 200])
    clipped = drift.wasserstein(np.clip(x, low, high), np.clip(y, low, high))
    assert binned.wasserstein == pytest.approx(clipped, rel=0.02)
