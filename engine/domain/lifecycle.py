"""The life of a version: one table, fitness + event -> fitness. Roles are another fact (roles.py).

What people see (baking, canary, superseded) is derived from both by `shown_state`, never stored.
"""

from enum import StrEnum

from engine.errors import RefusedError


class Fitness(StrEnum):
    """What the evidence says of a version; exactly one at a time."""

    BUILDING = "building"
    FAILED = "failed"
    REGISTERED = "registered"
    VALIDATING = "validating"
    REJECTED = "rejected"
    INCONCLUSIVE = "inconclusive"
    BLESSED = "blessed"
    ABORTED = "aborted"
    PROVEN = "proven"
    ROLLED_BACK = "rolled_back"
    TAINTED = "tainted"
    RETIRED = "retired"
    PURGED = "purged"


class Event(StrEnum):
    """What can happen to a version."""

    SEALED = "sealed"
    BROKE = "broke"
    VALIDATION_BEGAN = "validation_began"
    GATE_PASSED = "gate_passed"
    GATE_FAILED = "gate_failed"
    GATE_INCONCLUSIVE = "gate_inconclusive"
    PROVED = "proved"
    ABORTED = "aborted"
    LEFT_BY_ROLLBACK = "left_by_rollback"
    TAINTED = "tainted"
    TAINT_LIFTED = "taint_lifted"
    RETIRED = "retired"
    PURGED = "purged"


_F, _E = Fitness, Event

TABLE: dict[tuple[Fitness, Event], Fitness] = {
    (_F.BUILDING, _E.SEALED): _F.REGISTERED,
    (_F.BUILDING, _E.BROKE): _F.FAILED,
    (_F.REGISTERED, _E.VALIDATION_BEGAN): _F.VALIDATING,
    (_F.REJECTED, _E.VALIDATION_BEGAN): _F.VALIDATING,
    (_F.INCONCLUSIVE, _E.VALIDATION_BEGAN): _F.VALIDATING,
    (_F.BLESSED, _E.VALIDATION_BEGAN): _F.VALIDATING,
    (_F.ABORTED, _E.VALIDATION_BEGAN): _F.VALIDATING,
    (_F.ROLLED_BACK, _E.VALIDATION_BEGAN): _F.VALIDATING,
    (_F.VALIDATING, _E.VALIDATION_BEGAN): _F.VALIDATING,
    (_F.VALIDATING, _E.GATE_PASSED): _F.BLESSED,
    (_F.VALIDATING, _E.GATE_FAILED): _F.REJECTED,
    (_F.VALIDATING, _E.GATE_INCONCLUSIVE): _F.INCONCLUSIVE,
    (_F.INCONCLUSIVE, _E.GATE_FAILED): _F.REJECTED,
    (_F.BLESSED, _E.PROVED): _F.PROVEN,
    (_F.BLESSED, _E.ABORTED): _F.ABORTED,
    (_F.BLESSED, _E.LEFT_BY_ROLLBACK): _F.ROLLED_BACK,
    (_F.PROVEN, _E.LEFT_BY_ROLLBACK): _F.ROLLED_BACK,
    (_F.TAINTED, _E.TAINT_LIFTED): _F.REGISTERED,
    (_F.RETIRED, _E.PURGED): _F.PURGED,
    **{
        (f, _E.TAINTED): _F.TAINTED
        for f in _F
        if f not in (_F.BUILDING, _F.FAILED, _F.TAINTED, _F.RETIRED, _F.PURGED)
    },
    **{
        (f, _E.RETIRED): _F.RETIRED
        for f in (_F.REJECTED, _F.INCONCLUSIVE, _F.BLESSED, _F.ABORTED, _F.PROVEN)
    },
    **{(f, _E.RETIRED): _F.RETIRED for f in (_F.ROLLED_BACK, _F.TAINTED, _F.FAILED)},
}


def after(fitness: Fitness, event: Event) -> Fitness:
    """Return the fitness that follows; RefusedError where the table has no such row."""
    try:
        return TABLE[fitness, event]
    except KeyError:
        raise RefusedError(
            f'Applying "{event}" to a version that is {fitness}: the lifecycle has no such step. '
            "Nothing was changed.",
            code="illegal_transition",
        ) from None


def shown_state(fitness: Fitness, roles: list[str]) -> str:
    """Name what a person sees of fitness and roles together."""
    if fitness is Fitness.TAINTED:
        return "tainted, serving" if "champion" in roles else "tainted"
    if "champion" in roles:
        return "proven" if fitness is Fitness.PROVEN else "baking"
    for role in ("canary", "shadow"):
        if role in roles:
            return role
    if fitness is Fitness.PROVEN:
        return "superseded"
    if fitness is Fitness.BLESSED:
        return "superseded, unproven" if "standby" in roles else "passed its gate"
    return fitness.value.replace("_", " ")
