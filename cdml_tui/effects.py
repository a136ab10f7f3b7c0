"""What is to be done outside the pure state, as values; app.py carries them out."""

from dataclasses import dataclass, field
from typing import Any

from cdml_tui.sheet import Subject
from cdml_tui.state import Intent, Screen


@dataclass(frozen=True, slots=True)
class Send:
    """Ask the engine for a change."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Prove:
    """Ask the engine who has answered since a generation began."""

    model: str
    generation: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask for a fresh snapshot."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the engine for what a page shows; `before` is what it showed so far."""

    subject: Subject
    before: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Copy:
    """Put a text on the terminal's clipboard."""

    text: str


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep the history of the command line."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskPast:
    """Ask the engine for the snapshot of a past moment."""

    at: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Keep a picture of the screen as it is."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Leave."""


Effect = Send | Prove | Fetch | Ask | AskPast | Picture | Copy | Remember | Quit
Step = tuple[Screen, tuple[Effect, ...]]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a line of the command line ended with, and what it wrote."""

    code: int
    text: str
