"""Anytime-valid evidence: the published constants, and the error rate under constant peeking."""

import math

import numpy as np
import pytest

from engine.stats import sequential
from engine.stats.sequential import RatioEvidence, rate_interval


def test_normal_mixture_reproduces_the_published_constants():
    r = sequential.normal_mixture_r(0.05, 100.0)
    assert r == pytest.approx(12.60056, abs=1e-5)
    assert sequential.normal_mixture_bound(100.0, r, 0.05) == pytest.approx(30.35209, abs=1e-5)
    assert sequential.normal_mixture_log(10.0, 100.0, r) == pytest.approx(-0.6510052, abs=1e-6)
    doubled = sequential.normal_mixture_r(0.1, 100.0)
    one_sided = sequential.normal_mixture_bound_one_sided(100.0, doubled, 0.05)
    assert one_sided == pytest.approx(27.66071, abs=1e-5)


@pytest.mark.parametrize(
    ("successes", "trials", "t_opt", "low", "high"),
    [
        (700, 1000, None, 0.646985, 0.749662),
        (15, 50, None, 0.131445, 0.517077),
        (700, 1000, 100.0, 0.651629, 0.745949),
        (15, 50, 50.0, 0.129556, 0.511896),
    ],
)
def test_rate_interval_reproduces_the_published_constants(successes, trials, t_opt, low, high):
    found = rate_interval(successes, trials, 0.05, t_opt)
    assert found == (pytest.approx(low, abs=1.1e-6), pytest.approx(high, abs=1.1e-6))


@pytest.mark.parametrize("t_opt", [None, 100.0])
def test_rate_interval_at_its_edges(t_opt):
    assert rate_interval(0, 0, 0.05, t_opt) is None
    low, high = rate_interval(0, 20, 0.05, t_opt)
    assert low == 0.0
    assert 0.0 < high < 1.0
    assert rate_interval(20, 20, 0.05, t_opt) == (pytest.approx(1.0 - high), 1.0)
    rare = rate_interval(1, 10**6, 0.05, t_opt)
    assert 0.0 < rare[0] < 1e-6 < rare[1]


def test_rate_interval_holds_the_truth_at_every_look():
    rng = np.random.default_rng(0)
    misses = 0
    for _ in range(200):
        seen = np.cumsum(rng.random(1000) < 0.3)
        looks = np.unique(np.geomspace(5, 1000, 25).astype(int))
        intervals = (rate_interval(int(seen[n - 1]), int(n), 0.05) for n in looks)
        misses += any(not low <= 0.3 <= high for low, high in intervals)
    assert misses / 200 <= 0.05


def test_error_evidence_is_the_mixture_of_likelihood_ratios():
    found = RatioEvidence().after(canary=3, champion=2, share=0.1)
    wanted = []
    for q in sequential.RATE_RATIOS:
        chance = 0.1 * q / (0.1 * q + 0.9)
        wanted.append((chance / 0.1) ** 3 * ((1 - chance) / 0.9) ** 2)
    assert found.e == pytest.approx(np.mean(wanted), rel=1e-12)


def test_error_evidence_adds_up_over_batches_and_changing_shares():
    at_once = RatioEvidence().after(5, 4, 0.1)
    in_parts = RatioEvidence().after(2, 4, 0.1).after(3, 0, 0.1)
    assert in_parts.log_e == pytest.approx(at_once.log_e)
    assert at_once.after(1, 0, 0.5).e > at_once.e
    for share in (0.0, 1.0, math.nan):
        assert at_once.after(7, 7, share) is at_once
    assert RatioEvidence().after(0, 0, 0.1).e == 1.0
    assert math.isfinite(RatioEvidence().after(10**6, 0, 0.01).e)
    assert RatioEvidence().after(0, 10**6, 0.5).e == 0.0


def peeked(rng, runs: int, canary_rate: float) -> tuple[float, float]:
    """Share of runs that ever reach e = 20 in 20,000 requests, and the median request they do."""
    alarms = []
    for _ in range(runs):
        to_canary = rng.random(20_000) < 0.1
        failed = rng.random(20_000) < np.where(to_canary, canary_rate, 0.01)
        evidence = RatioEvidence()
        for at in np.flatnonzero(failed):
            hit = int(to_canary[at])
            evidence = evidence.after(hit, 1 - hit, 0.1)
            if evidence.log_e >= math.log(20.0):
                alarms.append(at)
                break
    return len(alarms) / runs, float(np.median(alarms)) if alarms else math.inf


def test_peeked_error_guardrail_errs_rarely_and_finds_a_tripled_rate():
    rng = np.random.default_rng(1)
    assert peeked(rng, 200, 0.01)[0] <= 0.05
    found, median = peeked(rng, 60, 0.03)
    assert found == 1.0
    assert 1_800 <= median <= 4_500


def test_a_block_is_compared_at_its_own_share():
    assert RatioEvidence().after_rows((10, 3), (90, 2)) == RatioEvidence().after(3, 2, 0.1)
    for counts in (((0, 0), (0, 0)), ((5, 5), (0, 0)), ((0, 0), (5, 5))):
        assert RatioEvidence().after_rows(*counts) == RatioEvidence()


def test_a_heavy_client_in_the_canary_is_no_evidence_against_it():
    # Both arms err alike; by chance one client of the canary sends half of all rows.
    found = RatioEvidence().after_rows((5000, 50), (5000, 50))
    assert found.e < 1.0
    assert RatioEvidence().after(50, 50, 0.1).e > 1e6


@pytest.mark.parametrize(
    ("share", "after", "alpha", "measured"),
    [
        (0.1, 0.03, 0.05, 3139),
        (0.1, 0.05, 0.05, 1059),
        (0.1, 0.10, 0.05, 309),
        (0.25, 0.02, 0.05, 4329),
    ],
)
def test_the_time_to_detect_promises_no_less_than_simulations_take(share, after, alpha, measured):
    assert measured <= sequential.rows_to_detect(share, 0.01, after, alpha) <= 1.5 * measured


def test_the_time_to_detect_is_infinite_where_there_is_nothing_to_see():
    for share, before, after in ((0.1, 0.03, 0.03), (0.0, 0.01, 0.03), (1.0, 0.01, 0.03)):
        assert sequential.rows_to_detect(share, before, after, 0.05) == math.inf


def test_mean_bounds_at_its_edges():
    assert sequential.mean_bounds(np.array([]), 100, 0.05, 0.05) is None
    assert sequential.mean_bounds(np.array([1.0]), 100, 0.05, 0.05) is None
    assert sequential.mean_bounds(np.array([1.0, math.nan]), 100, 0.05, 0.05) is None
    assert sequential.mean_bounds(np.full(10, 0.5), 100, 0.05, 0.05) == (0.5, 0.5)


def test_mean_bounds_are_the_one_sided_mixture_boundary():
    values = np.tile([-1.0, 1.0], 50)
    low, high = sequential.mean_bounds(values, 100, 0.05, 0.05)
    assert high == pytest.approx(0.2766071, abs=1e-6)
    assert low == -high
    assert sequential.mean_bounds(values, 100, 0.05, 0.01)[1] > high


def test_mean_bounds_hold_at_every_look():
    rng = np.random.default_rng(3)
    outside = 0
    for _ in range(200):
        values = rng.normal(0.0, 1.0, 3000) * (1.0 + (rng.random(3000) < 0.05) * 5.0)
        looks = range(100, 3001, 100)
        bounds = [sequential.mean_bounds(values[:n], 500, 0.05, 0.05) for n in looks]
        outside += any(low > 0.0 for low, _ in bounds)
    assert outside / 200 <= 0.05
