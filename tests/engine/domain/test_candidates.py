"""Simpler is preferred where it is as good, and halving costs what it says."""

import pytest

from engine.domain import candidates


def test_recipes_are_ranked_from_plain_to_unknown() -> None:
    names = ["own:made", "random_forest", "linear", "hist_gradient_boosting"]
    ranked = sorted(names, key=candidates.complexity)
    assert ranked == ["linear", "hist_gradient_boosting", "random_forest", "own:made"]


def test_halving_counts_every_rung() -> None:
    assert candidates.halving_fits(9, 3, 3) == 9 + 3 + 1
    assert candidates.halving_fits(1, 3, 3) == 3


@pytest.mark.parametrize(
    ("simplest", "best", "noise", "higher", "preferred"),
    [
        (0.5005, 0.500, 0.001, False, True),
        (0.502, 0.500, 0.001, False, False),
        (0.499, 0.500, None, False, True),
        (0.700, 0.701, 0.002, True, True),
        (0.690, 0.701, 0.002, True, False),
        (None, 0.5, 0.1, False, False),
        (0.5, None, 0.1, False, False),
    ],
)
def test_the_simplest_is_preferred_within_noise(
    simplest: float | None,
    best: float | None,
    noise: float | None,
    *,
    higher: bool,
    preferred: bool,
) -> None:
    found = candidates.prefers_simplest(simplest, best, noise, higher_is_better=higher)
    assert found == preferred
