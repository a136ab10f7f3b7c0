"""Where a rollback goes: the last known good, never just "the previous one"; and did it help."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from engine.domain.gates import Verdict
from engine.domain.lifecycle import Fitness

NEVER = {
    Fitness.BUILDING,
    Fitness.FAILED,
    Fitness.REGISTERED,
    Fitness.VALIDATING,
    Fitness.REJECTED,
    Fitness.INCONCLUSIVE,
    Fitness.ABORTED,
    Fitness.ROLLED_BACK,
    Fitness.TAINTED,
    Fitness.RETIRED,
    Fitness.PURGED,
}
ACCEPTED = 0.95
FAILED = 0.01
HELPED = {
    Verdict.PASS: "the rollback helped",
    Verdict.FAIL: "the rollback did not help",
    Verdict.INCONCLUSIVE: "not shown whether the rollback helped",
}


@dataclass(frozen=True, slots=True)
class Former:
    """A version one could go back to, as it was last looked at.

    `accepts` is the share of the newest live rows that its contract takes, None where unknown.
    """

    version: str
    fitness: Fitness
    safe_mode: bool = False
    trained_to: datetime | None = None
    accepts: float | None = None

    @property
    def refuses_clients(self) -> bool:
        """Say whether it is known that it would refuse what clients send now."""
        return self.accepts is not None and self.accepts < ACCEPTED

    @property
    def simple(self) -> bool:
        """Say whether it is the safe mode: the simple baseline, which passes no gate."""
        return self.safe_mode and self.fitness is Fitness.REGISTERED


def eligible(former: Former) -> bool:
    """Say whether a version may be gone back to without a person naming it."""
    return former.fitness not in NEVER or former.simple


def ladder(formers: Iterable[Former], before: datetime | None = None) -> list[Former]:
    """Return the ways back, best first: proven, then former champions, then safe mode.

    `formers` is in order, most recent first, and so is each part. What was left by a rollback,
    rejected or tainted is never among them; with `before`, nothing trained on rows from then on.
    """
    may = [f for f in formers if eligible(f) and _ends_before(f, before)]
    proven = [f for f in may if f.fitness is Fitness.PROVEN]
    unproven = [f for f in may if f.fitness is not Fitness.PROVEN and not f.simple]
    return [*proven, *unproven, *(f for f in may if f.simple)]


def target(
    formers: Iterable[Former],
    whole: Callable[[Former], bool],
    before: datetime | None = None,
) -> Former | None:
    """Return the best way back that takes what clients send now and whose files are whole.

    `whole` is asked from the best on and no further than needed.
    """
    fitting = (f for f in ladder(formers, before) if not f.refuses_clients)
    return next((f for f in fitting if whole(f)), None)


def _ends_before(former: Former, before: datetime | None) -> bool:
    if before is None:
        return True
    return former.trained_to is not None and former.trained_to < before


@dataclass(frozen=True, slots=True)
class Level:
    """A metric over one window with its interval; None where there were too few rows."""

    value: float | None
    low: float | None
    high: float | None
    n: int


def helped(before: Level, after: Level, *, higher: bool) -> Verdict:
    """Judge a rollback by the metric of the version left and of the one gone back to.

    Pass where the intervals lie apart the right way, fail where it is no better, else inconclusive.
    """
    if None in (before.value, before.low, before.high, after.value, after.low, after.high):
        return Verdict.INCONCLUSIVE
    if higher:
        better, apart = after.value > before.value, after.low > before.high  # type: ignore[operator]
    else:
        better, apart = after.value < before.value, after.high < before.low  # type: ignore[operator]
    if apart:
        return Verdict.PASS
    return Verdict.INCONCLUSIVE if better else Verdict.FAIL


def verified(answered: int, failed: int) -> Verdict:
    """Judge the first minute after a rollback by the rows that were answered and that failed."""
    if answered + failed == 0:
        return Verdict.INCONCLUSIVE
    return Verdict.PASS if failed <= FAILED * (answered + failed) else Verdict.FAIL
