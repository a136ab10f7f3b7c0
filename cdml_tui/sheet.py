"""An open page as a value: what it is about, what came of asking, where the operator stands."""

import re
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
class Filter:
    """Which rows are shown: those that a pattern is found in, or, inverse, those without it.

    `place` is the pane or page that it filters.
    """

    place: str
    pattern: str
    inverse: bool = False


def lets(a_filter: Filter, text: str) -> bool:
    """Say whether a filter lets a row through; capitals count only where the pattern has some."""
    flags = re.IGNORECASE if a_filter.pattern == a_filter.pattern.lower() else 0
    return (re.search(a_filter.pattern, text[:1000], flags) is None) == a_filter.inverse


@dataclass(frozen=True, slots=True)
class Sheet:
    """One open page, since `opened`. `value` came at `came`; `asked` while an answer is out.

    `top` is the first row shown, `cursor` the one selected where rows can be. Monotonic seconds.
    `hits` are the rows that the filter lets through, None without one; `cursor` counts all rows.
    """

    subject: Subject
    opened: float = 0.0
    value: Any = None
    came: float | None = None
    asked: float | None = None
    why: str = ""
    top: int = 0
    cursor: int = 0
    filter: Filter | None = None
    hits: tuple[int, ...] | None = None
