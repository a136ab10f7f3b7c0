"""Which version answers a row. Decides by domain.traffic; a unit keeps its arm within a canary."""

from collections.abc import Mapping

from engine.domain.roles import Roles
from engine.domain.traffic import in_canary


def routing_unit(
    unit: str, client: str, row_id: str | None, features: Mapping[str, object], fallback: str
) -> str:
    """Return what a row is routed by: the client, its id, or the value of a feature."""
    if unit == "client":
        return client or row_id or fallback
    if unit == "id":
        return row_id or fallback
    value = features.get(unit)
    if isinstance(value, int | float) and not isinstance(value, bool):
        # 1 and 1.0 are one customer, whichever way a client's JSON library writes it.
        return f"{value:.17g}"
    return fallback if value is None else str(value)


def takes_canary(roles: Roles, unit: str) -> bool:
    """Say whether the canary answers this unit."""
    return roles.canary is not None and in_canary(unit, roles.salt, roles.canary_share_pct)
