"""Where a rollback goes: the last known good, never just "the previous one"."""

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Former:
    """A former champion: its fitness, whether its files are whole, whether it is safe mode."""

    version: str
    fitness: Fitness
    intact: bool
    safe_mode: bool = False


def target(standby: Sequence[Former]) -> Former | None:
    """Return the best way back: a proven former champion, else the most recent, else safe mode.

    `standby` is in order, most recent first. What was left by a rollback, rejected or tainted is
    never taken.
    """
    eligible = [f for f in standby if f.intact and f.fitness not in NEVER]
    proven = [f for f in eligible if f.fitness is Fitness.PROVEN]
    # The simple baseline passes no gate: that is what safe mode means.
    simple = [f for f in standby if f.intact and f.safe_mode and f.fitness is Fitness.REGISTERED]
    return next(iter([*proven, *eligible, *simple]), None)
