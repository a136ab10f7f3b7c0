"""Simulated canaries through the guardrails that decide real ones: false aborts, time to detect.

A look follows every block of rows, as often as evidence is taken in at all.
"""

import numpy as np
from numpy.typing import NDArray

from engine.domain import guardrails, rollouts
from engine.domain.guardrails import BLOCK, ERRORS, LATENCY, QUALITY, Counts, Finding
from engine.domain.rollouts import Next
from engine.stats import influence
from engine.stats.sequential import RatioEvidence, mean_bounds
from tests.bench.figure import Figure, median

ALPHA = 0.05
ROWS = 20_000
SHARE_PCT = 10.0
ALIKE, CAUGHT = 400, 400
SEED = 20_131
BEFORE, MORE, MANY = 0.01, 0.03, 0.10  # shares of rows that fail
SLOW = 0.05
PAIRS_EVERY = 4  # blocks between two looks at the pairs: a look there costs more
PLAN = rollouts.phases(0, [SHARE_PCT], ROWS)
Bools = NDArray[np.bool_]


def measure() -> list[Figure]:
    """Run the canaries and return how often and how soon they were aborted."""
    rng = np.random.default_rng(SEED)
    alike = [aborted_at(rng, BEFORE, pairs=True) for _ in range(ALIKE)]
    false = sum(at is not None for at in alike) / ALIKE
    what = f"canary at {SHARE_PCT:g} %, seed {SEED}"
    figures = [Figure(f"{what}: false aborts of A/A, {ROWS} rows", 100 * false, "%", ALIKE, 5.0)]
    for errors, target in ((MORE, 4_200.0), (MANY, 500.0)):
        found = [aborted_at(rng, errors) for _ in range(CAUGHT)]
        soon = [float(ROWS if at is None else at) for at in found]
        name = f"{what}: errors {100 * BEFORE:g} % -> {100 * errors:g} % caught after"
        figures.append(median(name, soon, "rows", target))
    return figures


def aborted_at(rng: np.random.Generator, errors: float, *, pairs: bool = False) -> int | None:
    """Run one canary whose rows fail at a rate; return after how many rows it is aborted."""
    arm = rng.random(ROWS) < SHARE_PCT / 100.0
    failed = rng.random(ROWS) < np.where(arm, errors, BEFORE)
    slow = rng.random(ROWS) < SLOW
    gained = _gained(rng) if pairs else None
    seen = {ERRORS: _Compared(ERRORS, arm, failed), LATENCY: _Compared(LATENCY, arm, slow)}
    quality: list[Finding] = []
    for look, end in enumerate(range(BLOCK, ROWS + 1, BLOCK)):
        if gained is not None and look % PAIRS_EVERY == PAIRS_EVERY - 1:
            quality = [_quality(gained[:end])]
        findings = [*(c.after(end) for c in seen.values()), *quality]
        decision = rollouts.judged(PLAN, 1, n=int(end), findings=findings)
        if decision.next is Next.ABORT:
            return end
    return None


class _Compared:
    """One guardrail of the two arms, fed a block at a time."""

    def __init__(self, guardrail: str, arm: Bools, bad: Bools) -> None:
        self._guardrail, self._arm, self._bad = guardrail, arm, bad
        self._evidence = RatioEvidence()
        self._canary: Counts = (0, 0)
        self._champion: Counts = (0, 0)

    def after(self, end: int) -> Finding:
        """Take in the block that ends here and judge."""
        arm, bad = self._arm[end - BLOCK : end], self._bad[end - BLOCK : end]
        canary = int(arm.sum()), int((arm & bad).sum())
        champion = BLOCK - canary[0], int(bad.sum()) - canary[1]
        self._evidence = self._evidence.after_rows(canary, champion)
        self._canary = self._canary[0] + canary[0], self._canary[1] + canary[1]
        self._champion = self._champion[0] + champion[0], self._champion[1] + champion[1]
        return guardrails.compared(
            self._guardrail, self._evidence.log_e, self._canary, self._champion, ALPHA
        )


def _gained(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the rows' gains in log loss of a challenger that is another, not a better, model."""
    truth = rng.beta(2.0, 6.0, ROWS)
    labels = (rng.random(ROWS) < truth).astype(np.int64)
    wobble = rng.normal(0.0, 0.08, (2, ROWS))
    first, second = (np.clip(truth + w, 0.01, 0.99)[:, None] for w in wobble)
    found = influence.improvement("log_loss", "binary", labels, first, second)
    assert found is not None
    return found


def _quality(gained: NDArray[np.float64]) -> Finding:
    high = guardrails.level(QUALITY, ALPHA)
    bounds = mean_bounds(gained, 500, ALPHA, high)
    value = float(np.mean(gained))
    return guardrails.quality("log_loss", len(gained), bounds, value, 0.01)
