"""What each lock stops, for automation and for persons: one table. Knows nothing of who set it.

Going safer (abort, rollback, a lower weight) is never stopped; only a pin asks a person who rolls
back to confirm it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

HOLD, FREEZE, PIN, TAINT = "hold", "freeze", "pin", "taint"
EVERYWHERE = "*"  # the model of a lock that stands on the whole engine


class Standing(Protocol):
    """A lock as this file needs to see it."""

    @property
    def kind(self) -> str:
        """Return hold, freeze, pin or taint."""

    @property
    def version(self) -> str | None:
        """Return the version that is pinned or tainted."""


K = TypeVar("K", bound=Standing)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a lock stops; `confirmed` are those of a person's actions that an override permits."""

    automation: frozenset[str]
    persons: frozenset[str] = frozenset()
    confirmed: frozenset[str] = frozenset()


_REPLACING = frozenset({"promote", "shadow", "canary"})
_SERVING = frozenset({"promote", "canary"})

RULES: dict[str, Rule] = {
    TAINT: Rule(_REPLACING | {"rollback", "train"}, _SERVING | {"shadow", "rollback", "train"}),
    PIN: Rule(_REPLACING | {"rollback"}, _SERVING | {"rollback"}, frozenset({"rollback"})),
    FREEZE: Rule(_REPLACING | {"train", "retention"}, _SERVING | {"reload"}, _SERVING),
    HOLD: Rule(_REPLACING),
}


def stopped_by(locks: Iterable[K], action: str, *, person: bool) -> K | None:
    """Return the lock that stops an action, the one hardest to pass first, or None.

    A taint is handed in as the lock of the version that the action is about.
    """
    order = list(RULES)
    for lock in sorted(locks, key=lambda k: order.index(k.kind)):
        rule = RULES[lock.kind]
        if action in (rule.persons if person else rule.automation):
            return lock
    return None


def may_confirm(kind: str, action: str) -> bool:
    """Say whether a person may do what a lock stops by an override with a reason."""
    return action in RULES[kind].confirmed
