"""What the console knows of its keys."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyHelp:
    """One key as footer and help show it."""

    name: str
    keys: tuple[str, ...]
    short: str
    help: str
    danger: str
    command: str
    way_back: str
    in_footer: bool
