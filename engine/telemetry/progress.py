"""How far one target was told of the record of events, kept in the record itself.

So neither a restart nor a target that is down for hours loses what it was to be told.
"""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from engine.wire import EventRow

AT_ONCE = 200
PAST = 1000


class Record(Protocol):
    """What is asked of the ledger: the events, and a place for how far they were told."""

    def events_after(self, after: int, limit: int) -> list[EventRow]:
        """Return the first `limit` events after a number, oldest first."""

    def last_event(self) -> int:
        """Return the number of the newest event."""

    def meta(self, key: str) -> str | None:
        """Return what was noted under a key."""

    def set_meta(self, key: str, value: str) -> None:
        """Note something under a key."""


class Told(msgspec.Struct, frozen=True):
    """How far events were taken, and which of them still wait to be told."""

    until: int
    waiting: list[int] = []


class Progress:
    """The place of one target in the record; a new one begins now."""

    def __init__(self, record: Record, name: str) -> None:
        self._record = record
        self._key = f"notified {name}"
        kept = record.meta(self._key)
        self._noted = msgspec.json.decode(kept, type=Told) if kept else Told(record.last_event())
        self._new = self._recalled = kept is None
        self._until = self._noted.until

    def past(self) -> Iterator[tuple[EventRow, bool]]:
        """Yield events that were taken before, and whether each still waits to be told; once."""
        if self._recalled:
            return
        self._recalled = True
        waiting = set(self._noted.waiting)
        after = min([self._noted.until - PAST, *(n - 1 for n in waiting)])
        while found := self._record.events_after(max(0, after), AT_ONCE):
            for fact in found:
                if fact.id > self._noted.until:
                    return
                yield fact, fact.id in waiting
            after = found[-1].id

    def fresh(self) -> Iterator[EventRow]:
        """Yield the events that were not taken yet."""
        while found := self._record.events_after(self._until, AT_ONCE):
            for fact in found:
                self._until = fact.id
                yield fact

    def note(self, waiting: set[int]) -> None:
        """Remember how far this target was told, where that has changed."""
        now = Told(self._until, sorted(n for n in waiting if n))
        if now != self._noted or self._new:
            self._record.set_meta(self._key, msgspec.json.encode(now).decode())
            self._noted, self._new = now, False
