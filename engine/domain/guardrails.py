"""The guardrails of a rollout: what evidence must show before one of them says stop.

Every limit here holds however often one looks. The false alarms allowed are shared among those that
can abort; the fourth, routing, aborts nothing, it makes the others' evidence inconclusive.
"""

import math
from dataclasses import dataclass

from engine.domain.gates import Verdict

ERRORS, LATENCY, QUALITY, ROUTING = "errors", "latency", "quality", "routing"
PART = {ERRORS: 0.5, LATENCY: 0.25, QUALITY: 0.25, ROUTING: 0.25}
MIN_PAIRS = 100  # before that many a confidence sequence from their own spread is too narrow
BLOCK = 25  # rows that errors and slow answers are compared within
NOTABLE = (0.01, 0.03)  # the change that the time to detect is told for

Counts = tuple[int, int]  # rows, and those that failed or were slow


@dataclass(frozen=True, slots=True)
class Finding:
    """What a guardrail says now. `value` is an e-value, a difference or a share, with its limit."""

    guardrail: str
    verdict: Verdict
    n: int
    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    boundary: float | None = None
    acting: bool = True


def level(guardrail: str, alpha: float) -> float:
    """Return the false alarms that a guardrail may ever give."""
    return alpha * PART[guardrail]


def compared(
    guardrail: str, log_e: float, canary: Counts, champion: Counts, alpha: float
) -> Finding:
    """Judge whether errors or slow answers meet the canary more often than the champion."""
    boundary = 1.0 / level(guardrail, alpha)
    what = "failed" if guardrail == ERRORS else "slow"
    e = math.exp(min(log_e, 690.0))
    said = (
        f"{guardrail}: canary {canary[1]} {what} of {canary[0]}, champion {champion[1]} of "
        f"{champion[0]}; e {e:.3g}, alarm at {boundary:g}"
    )
    verdict = Verdict.FAIL if log_e >= math.log(boundary) else Verdict.PASS
    if not (canary[0] and champion[0]):
        verdict, said = Verdict.INCONCLUSIVE, f"{guardrail}: one arm has answered no rows yet"
    rows = canary[0] + champion[0]
    return Finding(guardrail, verdict, rows, said, e, boundary=boundary)


def quality(
    metric: str, n: int, bounds: tuple[float, float] | None, value: float, margin: float
) -> Finding:
    """Judge a shadow's pairs: harm is being shown worse, success not worse by the margin.

    And better: the gate promised a gain, live rows that show none do not confirm it.
    """
    if bounds is None or n < MIN_PAIRS:
        said = f"quality: {n} labelled pairs, {MIN_PAIRS} at least are needed"
        return Finding(QUALITY, Verdict.INCONCLUSIVE, n, said, boundary=-margin)
    low, high = bounds
    said = f"live pairs: {value:+.4f} {metric} [{low:+.4f}, {high:+.4f}], n {n}"
    verdict = Verdict.INCONCLUSIVE
    if high < 0.0:
        verdict = Verdict.FAIL
    elif low > -margin and value > 0.0:
        verdict = Verdict.PASS
    elif value > 0.0:
        said += f"; about {pairs_needed(n, value, low, margin)} are needed"
    return Finding(QUALITY, verdict, n, said, value, low, high, -margin)


def pairs_needed(n: int, value: float, low: float, margin: float) -> int:
    """Return how many pairs in all would show the value seen to be not worse by the margin."""
    return math.ceil(n * ((value - low) / (value + margin)) ** 2)


def routing(units: int, canary: int, interval: tuple[float, float] | None, share: float) -> Finding:
    """Judge whether the units went to the canary as often as its share says."""
    if interval is None:
        return Finding(ROUTING, Verdict.INCONCLUSIVE, 0, "routing: nobody was routed yet")
    low, high = interval
    seen = canary / units
    said = (
        f"routing: {canary} of {units} units met the canary, {100 * seen:.1f} % "
        f"[{100 * low:.1f}, {100 * high:.1f}], its share is {100 * share:g} %"
    )
    verdict = Verdict.PASS if low <= share <= high else Verdict.FAIL
    return Finding(ROUTING, verdict, units, said, seen, low, high, share)
