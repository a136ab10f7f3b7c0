"""Who besides the engine's own user may do what: a Unix group for each role."""

import re
from typing import Annotated

import msgspec

from engine.settings_rules import says, wrong

_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


class RolesSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Groups by role. Without any, nobody but the engine's own user and root gets an answer."""

    viewer: Annotated[str | None, says("The Unix group that may look.")] = None
    operator: Annotated[
        str | None, says("The Unix group that may also promote, roll back, train and lock.")
    ] = None
    admin: Annotated[
        str | None, says("The Unix group that may also reload settings and stop the engine.")
    ] = None

    def __post_init__(self) -> None:
        named: dict[str, str] = {}
        for role in ("viewer", "operator", "admin"):
            group = getattr(self, role)
            if group is None:
                continue
            if not _GROUP.fullmatch(group):
                wrong(role, f'"{group[:40]}" is no name of a Unix group.')
            if group in named:
                wrong(role, f'the group "{group}" is {named[group]} already. Name another.')
            named[group] = role
