"""Where a rollback goes: the last known good, never just "the previous one"."""

from collections.abc import Iterable
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
    """A former champion: its fitness, and whether its files are whole."""

    version: str
    fitness: Fitness
    intact: bool


def target(standby: Iterable[Former]) -> Former | None:
    """Return the best way back: a proven former champion, else the most recent that is whole.

    `standby` is in order, most recent first. What was left by a rollback, rejected or tainted is
    never taken.
    """
    eligible = [f for f in standby if f.intact and f.fitness not in NEVER]
    proven = (f for f in eligible if f.fitness is Fitness.PROVEN)
    return next(proven, eligible[0] if eligible else None)
