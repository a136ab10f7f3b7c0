"""What a caller may do: every route asks for a role, and a caller has the one of the Unix group.

A route that only looks asks for a viewer, one that changes something for an operator, one that ends
or reconfigures the engine for an admin. Who has no role gets no answer.
"""

import grp
import os
import pwd
from typing import Any, Literal

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from engine.api.desk import Desk
from engine.api.peer import actor_of
from engine.errors import RefusedError
from engine.settings_roles import RolesSettings

Role = Literal["viewer", "operator", "admin"]
RANK: tuple[Role, ...] = ("viewer", "operator", "admin")


def role_of(peer: tuple[int, int, int], groups: RolesSettings) -> Role | None:
    """Return the highest role of a caller: the engine's own user and root are admin."""
    _, uid, gid = peer
    if uid in (0, os.getuid()):
        return "admin"
    found = _groups(uid, gid)
    held = [role for role in RANK if getattr(groups, role) in found]
    return held[-1] if held else None


def allowed(connection: ASGIConnection[Any, Any, Any, Any], route: BaseRouteHandler) -> None:
    """Let through who has the role that a route asks for, or a higher one; else RefusedError."""
    needed: Role = route.opt.get("role", "viewer")
    peer = connection.scope["state"]
    desk: Desk = connection.app.state["desk"]
    groups = desk.site.settings.roles
    role = role_of(peer["peer"], groups)
    if role is None or RANK.index(role) < RANK.index(needed):
        name = actor_of(peer).name
        said = _refusal(connection.scope["path"], name, role, needed, groups)
        raise RefusedError(said, code="forbidden")


def _refusal(what: str, name: str, role: Role | None, needed: Role, groups: RolesSettings) -> str:
    found = "this user has no role here" if role is None else f"this user is {role} here"
    group = getattr(groups, needed)
    ask = (
        f'be added to the group "{group}"'
        if group
        else f"have a group named under [roles] of cdml.toml, as {needed}"
    )
    return f"Asking {what} as {name}: {found}, and it needs {needed}. Ask to {ask}."


def _groups(uid: int, gid: int) -> set[str]:
    """Return the names of a user's groups: the one proven, and those the machine knows of."""
    try:
        numbers = {gid, *os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)}
    except KeyError:
        numbers = {gid}  # a user without a name, as in some containers
    names: set[str] = set()
    for number in numbers:
        try:
            names.add(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return names
