"""Who serves what. A value; moved only as a whole, one generation at a time."""

from collections.abc import Collection
from dataclasses import dataclass, replace

# The best ways back; the others stay on disk, since memory is not without end.
STANDBY_LOADED = 4


@dataclass(frozen=True, slots=True)
class Roles:
    """The pointers of one model. `standby` is ordered, best way back first."""

    generation: int = 0
    champion: str | None = None
    canary: str | None = None
    canary_share_pct: float = 0.0
    shadow: str | None = None
    standby: tuple[str, ...] = ()
    anchor: str | None = None
    salt: str = ""

    def of(self, version: str) -> list[str]:
        """Return the names of the roles that a version holds."""
        names = [r for r in ("champion", "canary", "shadow") if getattr(self, r) == version]
        if version in self.standby:
            names.append("standby")
        if version == self.anchor:
            names.append("anchor")
        return names

    def share_pct(self, version: str) -> float:
        """Return the share of answers that a version gives, in percent."""
        if version == self.canary:
            return self.canary_share_pct
        return 100.0 - self.canary_share_pct if version == self.champion else 0.0

    def loaded(self) -> list[str]:
        """Return every version that serving keeps in memory, the champion first."""
        wanted = (self.champion, *self.standby[:STANDBY_LOADED], self.canary, self.shadow)
        return list(dict.fromkeys(v for v in wanted if v))


def safe_mode_of(version: str) -> str:
    """Return the name of the safe mode that was trained beside a version."""
    return f"{version}-safe"


def promoted(roles: Roles, version: str, *, by_person: bool) -> Roles:
    """Return the roles with `version` as champion and the former one first in standby.

    A person's promotion also moves the anchor; so does the very first one.
    """
    standby = tuple(v for v in roles.standby if v != version)
    if roles.champion and roles.champion != version:
        standby = (roles.champion, *(v for v in standby if v != roles.champion))
    return replace(
        roles,
        generation=roles.generation + 1,
        champion=version,
        canary=None,
        canary_share_pct=0.0,
        shadow=None,
        standby=standby,
        anchor=version if by_person or roles.anchor is None else roles.anchor,
    )


def rolled_back(roles: Roles, target: str) -> Roles:
    """Return the roles with `target` as champion; the version left keeps no role at all."""
    left = roles.champion
    return replace(
        roles,
        generation=roles.generation + 1,
        champion=target,
        canary=None,
        canary_share_pct=0.0,
        shadow=None,
        standby=tuple(v for v in roles.standby if v not in (target, left)),
        anchor=target if roles.anchor == left else roles.anchor,
    )


def shadowing(roles: Roles, version: str) -> Roles:
    """Return the roles with `version` getting a copy of every row."""
    return replace(roles, generation=roles.generation + 1, shadow=version)


def canarying(roles: Roles, version: str, share_pct: float, salt: str) -> Roles:
    """Return the roles with `version` answering a share; a new canary has a new salt.

    It stays the shadow of the rows that the champion answers: pairs say more than a split.
    """
    return replace(
        roles,
        generation=roles.generation + 1,
        canary=version,
        canary_share_pct=share_pct,
        shadow=version,
        salt=roles.salt if roles.canary == version else salt,
    )


def without(roles: Roles, versions: Collection[str]) -> Roles:
    """Return the roles without these as canary, shadow or standby; the champion goes on serving."""
    left = replace(
        cleared(roles) if {roles.canary, roles.shadow} & set(versions) else roles,
        generation=roles.generation,
        standby=tuple(v for v in roles.standby if v not in versions),
    )
    return roles if left == roles else replace(left, generation=roles.generation + 1)


def cleared(roles: Roles) -> Roles:
    """Return the roles without canary and shadow."""
    return replace(
        roles, generation=roles.generation + 1, canary=None, canary_share_pct=0.0, shadow=None
    )
