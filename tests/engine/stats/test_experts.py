"""A blend does not do worse than its best part for long; its interval holds what it states."""

import math

import numpy as np

from engine.stats import experts


def test_without_a_known_error_the_prior_weighs_and_no_interval_is_stated() -> None:
    found = experts.walk(np.array([[1.0, 3.0]]), np.array([np.nan]), 1)
    assert found.value.tolist() == [2.0]
    assert math.isnan(found.low[0])
    assert (found.covered, found.scored) == (None, 0)


def test_an_expert_that_says_nothing_weighs_nothing() -> None:
    found = experts.walk(np.array([[np.nan, 3.0], [np.nan, np.nan]]), np.full(2, np.nan), 1)
    assert found.value[0] == 3.0
    assert math.isnan(found.value[1])
    assert found.weights.tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_the_truth_of_a_step_is_not_looked_at_before_its_time() -> None:
    """Whatever the last `lag` truths are, the last blend and its interval are the same."""
    rng = np.random.default_rng(1)
    values, truth = rng.normal(size=(40, 3)), rng.normal(size=40)
    for lag in (1, 5):
        other = truth.copy()
        other[40 - lag :] += 100.0
        one, two = experts.walk(values, truth, lag), experts.walk(values, other, lag)
        assert one.value.tolist() == two.value.tolist()
        assert one.high[-1] == two.high[-1]


def test_an_expert_that_is_right_gets_the_weight() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=200)
    values = np.column_stack([truth, truth + 1.0, rng.normal(size=200)])
    found = experts.walk(values, truth, 1)
    assert found.weights[-1][0] > 0.99
    # The regret of exponential weights: sqrt(T ln K / 2) of the range of the losses.
    regret = np.abs(found.value - truth).sum()
    assert regret <= 2 * math.sqrt(200 * math.log(3) / 2) * np.ptp(np.abs(values - truth[:, None]))


def test_the_unit_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    values, truth = rng.normal(size=(30, 2)), rng.normal(size=30)
    one, two = experts.walk(values, truth, 1), experts.walk(values * 1e9, truth * 1e9, 1)
    assert np.allclose(one.weights, two.weights)


def test_adapted_intervals_miss_at_the_stated_rate_however_the_errors_move() -> None:
    """The bound of Gibbs and Candes: (max(alpha, 1 - alpha) + gamma) / (T gamma), of the target."""
    rng = np.random.default_rng(4)
    steps, alpha, missed = 2000, 1.0 - experts.LEVEL, 0
    level = alpha
    for t in range(steps):
        error = abs(rng.normal()) * (1.0 + 3.0 * (t > steps // 2) + t % 7)
        # An interval from the first errors only: adapting the level alone has to make up for it.
        half = -math.log(max(level, 1e-9)) if level > 0 else math.inf
        half = half if level < 1 else 0.0
        missed += error > half
        level = experts.adapted(level, error if math.isfinite(half) else 0.0, min(half, 1e300))
    bound = (max(alpha, 1 - alpha) + experts.GAMMA) / (steps * experts.GAMMA)
    assert abs(missed / steps - alpha) <= bound


def test_nothing_is_learnt_from_what_is_missing() -> None:
    assert experts.adapted(0.1, math.nan, 1.0) == 0.1
    assert experts.adapted(0.1, 1.0, math.nan) == 0.1


def test_an_interval_takes_two_errors_and_later_their_quantile() -> None:
    assert math.isnan(experts.halfwidth(np.array([]), 0.1))
    assert math.isnan(experts.halfwidth(np.array([1.0]), 0.1))
    assert experts.halfwidth(np.array([1.0, 1.0]), 0.1) > 1.0  # Student's t of two
    assert experts.halfwidth(np.arange(1.0, 10.0), 0.1) == 9.0  # the ninth of nine
    assert experts.halfwidth(np.arange(1.0, 20.0), 0.1) == 18.0  # ceil(20 x 0.9) of 19
    assert experts.halfwidth(np.zeros(30), 0.1) == 0.0


def test_stated_intervals_hold_the_truth() -> None:
    """On independent errors the achieved coverage is the stated one, within what 2,000 tell."""
    rng = np.random.default_rng(5)
    truth = rng.normal(size=2000)
    values = np.column_stack([truth + rng.normal(size=2000), truth + rng.normal(size=2000) * 2])
    found = experts.walk(values[:400], truth[:400], 1)
    assert found.covered is not None
    assert abs(found.covered - experts.LEVEL) < 0.04
