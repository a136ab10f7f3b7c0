"""What a lock stops. Going safer (abort, rollback) is never stopped by one."""

from collections.abc import Iterable

HOLD = "hold"
FREEZE = "freeze"

_STOPS_AUTOMATION = {HOLD: {"promote", "shadow", "canary"}, FREEZE: {"promote", "shadow", "canary"}}


def stopped_by(kinds: Iterable[str], action: str) -> str | None:
    """Return the lock that stops an automatic action, or None."""
    return next((k for k in kinds if action in _STOPS_AUTOMATION.get(k, ())), None)
