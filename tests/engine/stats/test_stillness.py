"""Evidence grows over disjoint periods; still years raise no alarm, and a shift is found."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2_contingency, mannwhitneyu

from engine.stats import stillness
from tests.bench import still_years


def test_the_calibrator_has_mean_one_and_falls() -> None:
    whole, _ = quad(lambda log: stillness.surprise(math.exp(log)) * math.exp(log), -690, 0)
    assert whole == pytest.approx(1.0, abs=0.01)  # what is missing lies below the smallest float
    values = [stillness.surprise(p) for p in (0.0, 1e-300, 1e-9, 0.05, 0.5, 0.999, 1.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == 0.5
    assert math.isfinite(values[0])


def test_the_p_values_are_those_of_the_published_tests() -> None:
    rng = np.random.default_rng(1)
    pool, period = rng.integers(20, 60, size=8), rng.integers(20, 60, size=8)
    expected = chi2_contingency(np.stack([pool, period]), correction=False).pvalue
    assert stillness.chi_square_p(pool, period) == pytest.approx(expected, rel=1e-12)
    x, y = np.repeat(np.arange(8), pool), np.repeat(np.arange(8), period)
    ranks = mannwhitneyu(x, y, use_continuity=False, method="asymptotic").pvalue
    assert stillness.rank_p(pool, period) == pytest.approx(ranks, rel=1e-12)


def test_nothing_one_value_and_one_bin_are_no_evidence() -> None:
    for pool, period in (([0, 0], [0, 0]), ([5, 5], [0, 0]), ([0, 0], [3, 4]), ([9], [4]),
                         ([0, 9], [0, 4]), ([1, 0], [0, 1])):  # fmt: skip
        assert stillness.e_value(np.array(pool), np.array(period)) <= 1.0


@pytest.mark.parametrize(
    "shares",
    [[0.1] * 10, [0.97, 0.01, 0.01, 0.01], [0.5, 0.5], [0.3] + [0.7 / 300] * 300],
)
@pytest.mark.parametrize("reference", [300, 5000])
def test_on_average_a_still_period_is_no_evidence(shares: list[float], reference: int) -> None:
    rng = np.random.default_rng(2)
    found = [
        min(stillness.e_value(rng.multinomial(reference, shares), rng.multinomial(200, shares)), 99)
        for _ in range(1500)
    ]
    assert np.mean(found) < 1.05


def test_evidence_is_bounded_and_needs_no_beginning() -> None:
    assert stillness.gathered(0.0, 365.0, 365.0) == 1.0
    assert stillness.gathered(1e12, 1e300, 365.0) == stillness.LARGEST


def test_still_years_are_still_and_a_shift_is_found_within_two_looks() -> None:
    evidence, alarms = still_years.false_alarms(8, 500, seed=3)
    assert (evidence, alarms) == (0.0, 0.0)
    assert still_years.found_within(2, 25, 5_000, 0.5, seed=3) >= 0.95
