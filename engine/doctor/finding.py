"""What the doctor says of one thing: how it is, what was found, how to mend it."""

from typing import Any, Literal

import msgspec

from engine.settings import Settings
from engine.workspace import Workspace

State = Literal["ok", "warn", "bad"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. `mend` says what to do, empty where all is well."""

    name: str
    state: State
    found: str
    mend: str = ""


class Patient(msgspec.Struct, frozen=True):
    """The workspace that is looked at; `engine` is its engine's snapshot, None while none runs."""

    workspace: Workspace
    settings: Settings
    engine: dict[str, Any] | None


def ok(name: str, found: str) -> Finding:
    """Say that a thing is well."""
    return Finding(name, "ok", found)


def warn(name: str, found: str, mend: str) -> Finding:
    """Say that a thing will hurt one day."""
    return Finding(name, "warn", found, mend)


def bad(name: str, found: str, mend: str) -> Finding:
    """Say that a thing hurts now, or will when it is needed."""
    return Finding(name, "bad", found, mend)
