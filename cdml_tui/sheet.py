"""An open page as a value: what it is about, what came of asking, where the operator stands."""

from dataclasses import dataclass
from typing import Any

# The page that a subject names to go back to the base screen, on its model.
BASE = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a page is about; `id` names a run, an incident or a batch."""

    page: str
    model: str | None = None
    version: str | None = None
    other: str | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One open page, since `opened`. `value` came at `came`; `asked` while an answer is out.

    `top` is the first row shown, `cursor` the one selected where rows can be. Monotonic seconds.
    """

    subject: Subject
    opened: float = 0.0
    value: Any = None
    came: float | None = None
    asked: float | None = None
    why: str = ""
    top: int = 0
    cursor: int = 0
