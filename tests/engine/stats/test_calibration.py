"""The calibration error is what it says, its interval covers, and nothing is no calibration."""

import numpy as np
import pytest

from engine.stats import calibration


def drawn(seed: int, n: int = 2800, days: int = 28):
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.05, 0.95, n)
    return share[:, None], (rng.random(n) < share) * 1.0, np.arange(n) % days, rng


def test_answers_off_by_a_tenth_have_an_error_of_a_tenth():
    share, labels, days, rng = drawn(1)
    found = calibration.error("binary", labels, np.clip(share + 0.1, 0, 1.2), days, rng)
    assert found.value == pytest.approx(0.1, abs=0.015)
    assert found.low < 0.1 < found.high


def test_the_interval_of_a_calibrated_answer_reaches_down_to_nothing():
    low = []
    for seed in range(40):
        share, labels, days, rng = drawn(seed)
        low.append(calibration.error("binary", labels, share, days, rng).low)
    assert np.mean(np.array(low) <= 0.01) >= 0.95


def test_better_calibrated_is_positive_and_the_same_is_exactly_nothing():
    share, labels, days, rng = drawn(2)
    off = np.clip(share + 0.15, 0.0, 1.0)
    better = calibration.paired("binary", labels, off, share, days, rng)
    assert better.low > 0.05
    same = calibration.paired("binary", labels, share, share.copy(), days, rng)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_of_several_classes_it_is_that_of_the_likeliest():
    rng = np.random.default_rng(3)
    chances = rng.dirichlet([2.0, 2.0, 2.0], 3000)
    labels = np.array([rng.choice(3, p=p) for p in chances]) * 1.0
    found = calibration.error("multiclass", labels, chances, np.arange(3000) % 30, rng)
    assert found.value < 0.04


def test_nothing_a_nan_a_regression_and_one_block_have_no_interval():
    share, labels, days, rng = drawn(4)
    for task, rows, answers in (
        ("binary", labels[:0], share[:0]),
        ("binary", labels, share * np.nan),
        ("regression", labels, share),
    ):
        found = calibration.error(task, rows, answers, days[: len(rows)], rng)
        assert (found.value, found.low) == (None, None)
    one = calibration.error("binary", labels, share, days * 0, rng)
    assert one.value is not None
    assert one.low is None
    alike = calibration.error("binary", labels, share * 0 + 0.5, days, rng)
    assert alike.value == pytest.approx(abs(0.5 - labels.mean()))
