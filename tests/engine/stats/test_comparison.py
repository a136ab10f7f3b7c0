"""The paired bootstrap covers what it says, and knows when it knows nothing."""

import numpy as np
import pytest

from engine.stats import comparison, performance
from engine.stats.comparison import needed, paired


def delong(labels, a, b) -> tuple[float, float]:
    """AUC difference and its standard error (DeLong, DeLong & Clarke-Pearson 1988)."""
    true = labels.astype(bool)

    def parts(scores):
        wins = scores[true][:, None] - scores[~true][None, :]
        kernel = (wins > 0) + 0.5 * (wins == 0)
        return kernel.mean(axis=1), kernel.mean(axis=0)

    (xa, ya), (xb, yb) = parts(a), parts(b)
    dx, dy = xb - xa, yb - ya
    variance = dx.var(ddof=1) / len(dx) + dy.var(ddof=1) / len(dy)
    return float(dx.mean()), float(np.sqrt(variance))


def rows(seed: int, n: int, spread: float = 0.1):
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.3
    base = 0.3 + 0.15 * (labels - 0.3)
    a, b = (np.clip(base + spread * rng.standard_normal(n), 0.01, 0.99)[:, None] for _ in "ab")
    return labels, a, b, rng


@pytest.mark.parametrize("metric", performance.METRICS.values(), ids=lambda m: m.name)
@pytest.mark.parametrize("block_rows", [1, 20])
def test_identical_answers_differ_by_exactly_zero(metric, block_rows):
    labels, a, _, rng = rows(0, 2400)
    task = "regression" if metric.tasks == ("regression",) else "binary"
    found = paired(metric.name, task, labels * 1.0, a, a.copy(), np.arange(2400) // block_rows, rng)
    assert (found.value, found.low, found.high, found.se) == (0.0, 0.0, 0.0, 0.0)
    assert needed(found, 0.01) == 2400


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc_score", "accuracy_score"])
def test_positive_means_b_is_better(metric):
    labels, _, _, rng = rows(0, 2000)
    poor, good = np.full((2000, 1), 0.3), np.where(labels, 0.8, 0.2)[:, None]
    blocks = np.arange(2000) // 50
    assert paired(metric, "binary", labels, poor, good, blocks, rng).low > 0.0
    assert paired(metric, "binary", labels, good, poor, blocks, rng).high < 0.0


def test_root_mean_squared_error_is_recomputed_in_every_draw():
    rng = np.random.default_rng(5)
    labels = rng.normal(size=600)
    a, b = (
        labels[:, None] + rng.normal(size=(600, 1)),
        labels[:, None] + 2 * rng.normal(size=(600, 1)),
    )
    found = paired("root_mean_squared_error", "regression", labels, a, b, np.arange(600), rng)
    assert found.value == pytest.approx(
        np.sqrt(np.mean((labels - a[:, 0]) ** 2)) - np.sqrt(np.mean((labels - b[:, 0]) ** 2))
    )
    assert found.low < -1.0 < found.high


@pytest.mark.parametrize("count", [40, 1200])
def test_drawn_auc_equals_the_auc_of_the_drawn_rows_with_ties(count):
    rng = np.random.default_rng(3)
    labels, scores = rng.random(1200) < 0.4, np.round(rng.random(1200), 2)
    codes = rng.permutation(np.arange(1200) % count)
    counts = rng.multinomial(count, np.full(count, 1 / count), size=3).astype(float)
    got = comparison._auc_of(labels, scores, codes, count)(counts)
    for draw, auc in zip(counts.astype(int), got, strict=True):
        times = draw[codes]
        wanted = performance.auc(np.repeat(labels, times), np.repeat(scores, times))
        assert auc == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc_score"])
@pytest.mark.parametrize(("days", "per_day"), [(14, 40), (40, 25)])
def test_coverage_of_no_difference_over_days_is_the_stated_one(metric, days, per_day):
    blocks, inside = np.repeat(np.arange(days), per_day), 0
    for seed in range(400):
        labels, a, b, rng = rows(seed, days * per_day)
        day = np.repeat(0.05 * rng.standard_normal(days), per_day)[:, None]
        a, b = np.clip(a + day, 0.01, 0.99), np.clip(b - day, 0.01, 0.99)
        found = paired(metric, "binary", labels, a, b, blocks, rng, draws=800)
        inside += found.low <= 0.0 <= found.high
    assert 0.93 <= inside / 400 <= 0.97, inside


def test_pass_rate_exactly_at_the_margin_is_alpha():
    margin, passed, runs = 0.1, 0, 2000
    blocks = np.arange(200) // 4
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        labels = np.zeros(200)
        a = 5.0 + rng.normal(size=(200, 1))
        b = 5.0 + margin + rng.normal(size=(200, 1))
        found = paired(
            "mean_absolute_error", "regression", labels, a, b, blocks, rng, draws=500, level=0.9
        )
        passed += found.low > -margin
    assert 0.045 <= passed / runs <= 0.055, passed


def test_standard_error_of_an_auc_difference_agrees_with_delong():
    labels, a, b, rng = rows(2, 1500)
    value, se = delong(labels, a[:, 0], b[:, 0])
    found = paired("roc_auc_score", "binary", labels, a, b, np.arange(1500), rng)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.se == pytest.approx(se, rel=0.06)
    assert found.low == pytest.approx(value - 1.96 * se, abs=0.2 * se)
    assert found.high == pytest.approx(value + 1.96 * se, abs=0.2 * se)


def test_delong_itself_says_nothing_of_identical_curves():
    labels, a, _, _ = rows(2, 300)
    assert delong(labels, a[:, 0], a[:, 0]) == (0.0, 0.0)


def test_nothing_one_block_and_one_class_give_no_interval():
    labels, a, b, rng = rows(1, 60)
    nothing = paired("log_loss", "binary", labels[:0], a[:0], b[:0], np.empty(0), rng)
    assert (nothing.value, nothing.low, nothing.n, nothing.blocks) == (None, None, 0, 0)
    one = paired("log_loss", "binary", labels, a, b, np.zeros(60), rng)
    assert one.value is not None
    assert (one.low, one.high, one.se, one.blocks) == (None, None, None, 1)
    assert needed(one, 0.1) is None
    same = paired("roc_auc_score", "binary", np.ones(60), a, b, np.arange(60), rng)
    assert (same.value, same.low) == (None, None)
    broken = paired("log_loss", "binary", labels, a * np.nan, b, np.arange(60), rng)
    assert broken.value is None


def test_draws_without_a_second_class_are_left_out_and_counted():
    labels = np.zeros(30)
    labels[0] = 1
    rng = np.random.default_rng(0)
    a, b = rng.random((30, 1)), rng.random((30, 1))
    found = paired("roc_auc_score", "binary", labels, a, b, np.arange(30), rng)
    assert 1000 < found.draws < 1500


def test_blocks_may_be_names():
    labels, a, b, rng = rows(1, 90)
    names = np.array(["mon", "tue", "wed"] * 30)
    assert paired("log_loss", "binary", labels, a, b, names, rng).blocks == 3


def test_needed_rows_scale_with_the_square_of_the_half_width():
    labels, a, b, rng = rows(1, 1000)
    found = paired("log_loss", "binary", labels, a, b, np.arange(1000) // 10, rng)
    half = (found.high - found.low) / 2
    assert needed(found, half) == 1000
    assert needed(found, half / 2) == 4000
    assert needed(found, 0.0) is None
    assert needed(found, float("nan")) is None


def test_interval_of_one_model_holds_its_own_value():
    labels, a, _, rng = rows(4, 900)
    for metric in ("log_loss", "roc_auc_score", "accuracy_score"):
        found = comparison.interval(metric, "binary", labels, a, np.arange(900) // 30, rng)
        assert found.low < found.value < found.high
        assert found.value == performance.value(metric, "binary", labels, a)


def test_the_same_generator_gives_the_same_interval():
    labels, a, b, _ = rows(4, 900)
    first, second = (
        paired("log_loss", "binary", labels, a, b, np.arange(900), np.random.default_rng(7))
        for _ in range(2)
    )
    assert first == second
