"""Bars: few, about equally wide, each the exact sum of frozen bins."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.stats import bars, profile
from engine.stats.profile import CategoricalProfile


def test_bars_are_about_equally_wide_and_of_the_references_own_edges() -> None:
    values = np.random.default_rng(2).normal(size=20_000)
    frozen = profile.reference_profile(values)
    edges = bars.edges(frozen.edges)
    assert len(edges) == bars.MOST - 1
    assert set(edges) <= set(frozen.edges)
    widths = np.diff(edges)
    middle = widths[4:-4]
    assert middle.max() < 2 * middle.min()
    assert sum(profile.rebinned(frozen, edges).counts) == 20_000


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=60))
def test_edges_rise_and_are_few_whatever_was_frozen(found: list[float]) -> None:
    own = sorted(set(found))
    edges = bars.edges(own, 12)
    assert edges == sorted(set(edges))
    assert len(edges) < 12
    assert set(edges) <= set(own)


def test_few_edges_stay_and_none_is_none() -> None:
    assert bars.edges([1.0, 2.0]) == [1.0, 2.0]
    assert bars.edges([]) == []


def test_the_largest_share_of_either_side_comes_first_and_the_rest_is_one_bar() -> None:
    before = CategoricalProfile({"a": 90, "b": 6, "c": 4})
    now = CategoricalProfile({"d": 5, "a": 4, "(others)": 1})
    assert bars.categories(before, now) == (
        ["a", "d", "b", "c", "(others)"], [90, 0, 6, 4, 0], [4, 5, 0, 0, 1],
    )  # fmt: skip
    assert bars.categories(before, now, 3) == (["a", "d", "(others)"], [90, 0, 10], [4, 5, 1])
    nothing = CategoricalProfile({})
    assert bars.categories(nothing, nothing) == ([], [], [])
