"""Who is told of what happens, besides the console: targets, levels, throttle, quiet hours."""

from datetime import time
from typing import Annotated, Literal

import msgspec

from engine.errors import InvalidError
from engine.quantities import duration
from engine.settings_rules import positive, read, says, wrong

Level = Literal["INFO", "ACT", "WARN", "CRIT"]


class TargetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One who is told: by a URL of the secrets file under the same name, or by a program."""

    level: Annotated[Level, says("Facts of this level and louder ones.")] = "WARN"
    kinds: Annotated[list[str], says("Only of these kinds, like alert; empty: of all.")] = []
    exec: Annotated[
        list[str], says("A program that gets the facts as JSON on stdin, instead of a URL.")
    ] = []


class NotifySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How people are told who do not look at the console."""

    secrets: Annotated[
        str, says("Where the URLs stand, as [targets] NAME = URL; a path from cdml.toml on.")
    ] = "keys/notify.toml"
    throttle: Annotated[
        str, says("Facts of one kind, model and level: one message in this time, then the rest.")
    ] = "10m"
    quiet: Annotated[
        str | None, says('When only CRIT is told, like "22:00-07:00" in the time zone above.')
    ] = None
    deadline: Annotated[str, says("A target or program that takes longer has failed.")] = "20s"
    targets: Annotated[dict[str, TargetSettings], says("Who is told, by name.")] = {}

    def __post_init__(self) -> None:
        if not self.secrets.strip():
            wrong("secrets", "it is empty. Write a path.")
        read("throttle", duration, self.throttle)
        positive("deadline", self.deadline)
        if self.quiet is not None:
            read("quiet", hours, self.quiet)
        for name, target in self.targets.items():
            if not name or len(name) > 64 or not name.isprintable():
                wrong("targets", f"{name[:40]!r} is no name. Use letters, digits, _ and -.")
            if any(not word for word in target.exec[:1]):
                wrong("targets", f'exec of "{name}" is empty. Write the program first.')


def hours(text: str) -> tuple[time, time]:
    """Read "22:00-07:00" as the times between which it is quiet; InvalidError otherwise."""
    since, _, until = text.partition("-")
    try:
        found = time.fromisoformat(since.strip()), time.fromisoformat(until.strip())
    except ValueError:
        found = (time(), time())
    if found[0] == found[1]:
        raise InvalidError(
            f'found "{text[:40]}", which are no two times of a day. Write them like 22:00-07:00.',
            code="bad_hours",
        )
    return found
