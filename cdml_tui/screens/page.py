"""What a page is: what it asks the engine, how it draws the answer, what Enter opens.

A page decides nothing and does no input or output of its own: `ask` runs in a thread, the rest is
pure. Every page is one file here, and named in table.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from cdml_tui.client import Client
from cdml_tui.panes.line import Line, block, title
from cdml_tui.screens.fault import undrawn
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Intent, Screen

F = TypeVar("F")
T = TypeVar("T")

# Terminals less high show the list alone: Enter opens the rest.
_ROOM_FOR_FOOT = 20

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
            return [self._one(i) for i in range(*at.indices(self._n))]
        return self._one(range(self._n)[at])

    def _one(self, at: int) -> Line:
        try:
            return self._draw(at)
        except Exception as fault:  # noqa: BLE001 - one row that cannot be drawn hides no other
            return undrawn(f"row {at + 1}", fault)


@dataclass(frozen=True, slots=True)
class Body:
    """What a page shows: rows that scroll between a head and a foot that stay.

    With `selects` the operator stands on a row, which Enter opens; else the rows only scroll. The
    first column of rows is left empty: the cursor stands there. By `names` it stays on its row when
    others come or go. With `follows`, who is at the end stays there as rows come.
    """

    rows: Sequence[Line]
    head: tuple[Line, ...] = ()
    selects: bool = False
    foot: tuple[Line, ...] = ()
    names: Sequence[str] = ()
    follows: bool = False


def foot_of(screen: Screen, name: str, lines: list[Line], rows: int) -> tuple[Line, ...]:
    """Return what is known of the row stood on, in so many rows; nothing where there is no room."""
    if screen.height < _ROOM_FOR_FOOT:
        return ()
    kept = [title(name, screen.width), *lines][:rows]
    return tuple(block(kept, rows, screen.width))


Offer = Callable[[Screen, Sheet], Intent | str]


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
    `rest_s` at the earliest, `every` says after how many seconds in any case; `waiting` is said
    until the answer is there; what opens `over` others lets them stay open below. `changes` are
    the change keys that act here: each gives what it would do or, as text, why it cannot. `renew`
    asks only for what may be new beside what is shown, where the whole is much.
    """

    name: str
    title: Callable[[Subject], str]
    draw: Callable[[Screen, Sheet, int], Body]
    ask: Callable[[Client, Subject], Any] | None = None
    renew: Callable[[Client, Subject, Any], Any] | None = None
    about: Callable[[Screen, str], Subject | str] = of_model
    opens: Callable[[Screen, Sheet], Subject | None] | None = None
    keys: tuple[str, ...] = ()
    live: bool = True
    rest_s: float = 0.0
    waiting: str = "asking the engine"
    over: bool = False
    every: Callable[[Sheet], float | None] = lambda _: None
    changes: Mapping[str, Offer] = field(default_factory=dict)

    def entered(self, screen: Screen, sheet: Sheet) -> Subject | None:
        """Return what Enter opens where the operator stands; None where nothing."""
        if self.opens is None or sheet.value is None:
            return None
        return self._tried(lambda opens: opens(screen, sheet), self.opens, None)

    def offered(self, verb: str, screen: Screen, sheet: Sheet) -> Intent | str:
        """Return what one of its change keys would do, or why it does nothing now."""
        if sheet.value is None:
            return "this page has no answer yet"
        broken: Intent | str = "this page cannot say what it would do"
        return self._tried(lambda offer: offer(screen, sheet), self.changes[verb], broken)

    def renewed_after(self, sheet: Sheet) -> float | None:
        """Return after how many seconds its answer is asked for anew in any case."""
        return self._tried(lambda every: every(sheet), self.every, None)

    def _tried(self, call: Callable[[F], T], what: F, otherwise: T) -> T:
        """Do without what breaks on an answer; the page itself says that it is broken."""
        try:
            return call(what)
        except Exception as fault:  # noqa: BLE001 - a page that breaks must not end the console
            undrawn(f"this page ({self.name})", fault)
            return otherwise
