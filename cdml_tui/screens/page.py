"""What a page is: what it asks the engine, how it draws the answer, what Enter opens.

A page decides nothing and does no input or output of its own: `ask` runs in a thread, the rest is
pure. Every page is one file here, and named in table.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from cdml_tui.client import Client
from cdml_tui.panes.line import Line
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Screen

# From this width on a page puts its parts beside each other.
WIDE = 120


class Rows(Sequence[Line]):
    """Rows that are drawn only when they are shown, so that ten thousand cost as little as ten."""

    def __init__(self, n: int, draw: Callable[[int], Line]) -> None:
        self._n = n
        self._draw = draw

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, at: int) -> Line: ...
    @overload
    def __getitem__(self, at: slice) -> list[Line]: ...
    def __getitem__(self, at: int | slice) -> Line | list[Line]:
        """Draw one row, or those of a slice."""
        if isinstance(at, slice):
            return [self._draw(i) for i in range(*at.indices(self._n))]
        return self._draw(range(self._n)[at])


@dataclass(frozen=True, slots=True)
class Body:
    """What a page shows: rows that scroll between a head and a foot that stay.

    With `selects` the operator stands on a row, which Enter opens; else the rows only scroll. The
    first column of rows is left empty: the cursor stands there.
    """

    rows: Sequence[Line]
    head: tuple[Line, ...] = ()
    selects: bool = False
    foot: tuple[Line, ...] = ()


def of_model(screen: Screen, page: str) -> Subject | str:
    """Open a page on the model that is shown."""
    return Subject(page, screen.model) if screen.model else "no models yet"


def of_nothing(_: Screen, page: str) -> Subject | str:
    """Open a page that is about the whole workspace."""
    return Subject(page)


def of_version(screen: Screen, page: str) -> Subject | str:
    """Open a page on the version that is selected."""
    if screen.model is None or screen.selected is None:
        return "no version is selected yet"
    return Subject(page, screen.model, screen.selected)


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `draw` gets a value that has come, or None where nothing is asked for.

    `about` says what it opens on, or, as text, why it cannot; `keys` are the actions its last line
    names beside those that move; `live` asks again when the engine tells of a change, after
    `rest_s` at the earliest; `waiting` is said until the answer is there.
    """

    name: str
    title: Callable[[Subject], str]
    draw: Callable[[Screen, Sheet, int], Body]
    ask: Callable[[Client, Subject], Any] | None = None
    about: Callable[[Screen, str], Subject | str] = of_model
    opens: Callable[[Screen, Sheet], Subject | None] | None = None
    keys: tuple[str, ...] = ()
    live: bool = True
    rest_s: float = 0.0
    waiting: str = "asking the engine"
