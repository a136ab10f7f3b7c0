"""Which version answers a row. Decides by domain.traffic; a unit keeps its arm within a canary."""

from engine.domain.roles import Roles
from engine.domain.traffic import in_canary
from engine.serving.asked import Asked


def routing_unit(unit: str, client: str, asked: Asked, at: int, fallback: str) -> str:
    """Return what a row is routed by: the client, its id, or the value of a feature."""
    if unit == "client":
        return client or asked.ids[at] or fallback
    if unit == "id":
        return asked.ids[at] or fallback
    value = asked.value(at, unit)
    if isinstance(value, int | float) and not isinstance(value, bool):
        # 1 and 1.0 are one customer, whichever way a client's JSON library writes it.
        return f"{value:.17g}"
    return fallback if value is None else str(value)


def takes_canary(roles: Roles, unit: str) -> bool:
    """Say whether the canary answers this unit."""
    return roles.canary is not None and in_canary(unit, roles.salt, roles.canary_share_pct)
