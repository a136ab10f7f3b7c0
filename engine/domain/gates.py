"""What a comparison allows: three verdicts, and how they add up. Positive is better."""

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """The outcome of a check. Inconclusive is a state, not a success."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


def non_inferiority(low: float | None, high: float | None, margin: float) -> Verdict:
    """Judge an improvement's interval: not worse by the margin or more."""
    if low is None or high is None:
        return Verdict.INCONCLUSIVE
    if low > -margin:
        return Verdict.PASS
    return Verdict.FAIL if high < -margin else Verdict.INCONCLUSIVE


def superiority(low: float | None, high: float | None, worthwhile: float) -> Verdict:
    """Judge an improvement's interval: truly better.

    Where even the upper end gains less than is worthwhile, no more rows will help: fail.
    """
    if low is None or high is None:
        return Verdict.INCONCLUSIVE
    if low > 0.0:
        return Verdict.PASS
    return Verdict.FAIL if high < worthwhile else Verdict.INCONCLUSIVE


def within(
    low: float | None, high: float | None, limit: float, *, higher_is_better: bool
) -> Verdict:
    """Judge a number's own interval against an absolute limit: wholly on its good side."""
    if low is None or high is None:
        return Verdict.INCONCLUSIVE
    good, bad = (low >= limit, high < limit) if higher_is_better else (high <= limit, low > limit)
    return Verdict.PASS if good else Verdict.FAIL if bad else Verdict.INCONCLUSIVE


def not_shown_worse(high: float | None, margin: float) -> Verdict:
    """Judge an improvement's interval as a guard: only what is surely worse by the margin fails.

    For what stands beside the metric that decides; without an interval nothing was looked at.
    """
    if high is None:
        return Verdict.INCONCLUSIVE
    return Verdict.FAIL if high < -margin else Verdict.PASS


def replaceable(better: Verdict, not_worse: Verdict, because: str | None) -> Verdict:
    """Judge whether the champion may be replaced: by what is better, or for a recorded reason.

    A reason (stale, drifting) stands in for a gain only where it was shown that nothing is lost.
    """
    return Verdict.PASS if because is not None and not_worse is Verdict.PASS else better


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Add up: one fail fails, no evidence at all is inconclusive."""
    found = set(verdicts)
    if Verdict.FAIL in found:
        return Verdict.FAIL
    return Verdict.PASS if found == {Verdict.PASS} else Verdict.INCONCLUSIVE


def holm(p_values: list[float], alpha: float) -> list[bool]:
    """Return which hypotheses Holm (1979) rejects at family-wise level alpha."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    rejected = [False] * len(p_values)
    for place, at in enumerate(order):
        if p_values[at] > alpha / (len(p_values) - place):
            break
        rejected[at] = True
    return rejected
