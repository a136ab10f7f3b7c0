"""Server-sent events: facts by id, resumable, and hints that the state is worth another look.

A slow reader holds no memory here: each connection reads the ledger from where it is.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from litestar.datastructures import State

from engine.ledger.ledger import Ledger
from engine.wire import Onlooker

BEAT_S = 1.0
HINT_S = 0.1
CATCH_UP = 500


class Hub:
    """Wakes the streams. `touch` may be called from any thread."""

    def __init__(self) -> None:
        self._onlookers: dict[object, Onlooker] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed: asyncio.Event | None = None
        self._number = 0

    def bind(self) -> None:
        """Take the running event loop as the streams' own."""
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    @property
    def onlookers(self) -> list[Onlooker]:
        """Return who follows now, whoever came first at the front."""
        return list(self._onlookers.values())

    def touch(self) -> None:
        """Say that something people see has changed."""
        self._number += 1
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = asyncio.Event()

    async def follow(self, ledger: Ledger, after: int, who: Onlooker) -> AsyncIterator[bytes]:
        """Yield facts after an id as they happen, state hints between, a comment as heartbeat."""
        seen, connection = -1, object()
        self._onlookers[connection] = who
        self.touch()
        try:
            while True:
                waiting = self._changed
                while fresh := ledger.events_after(after, CATCH_UP):
                    for event in fresh:
                        after = event.id
                        text = msgspec.json.encode(event).decode()
                        yield f"id: {after}\nevent: event\ndata: {text}\n\n".encode()
                if seen != self._number:
                    seen = self._number
                    yield b"event: state\ndata: \n\n"
                    await asyncio.sleep(HINT_S)
                    continue
                try:
                    if waiting is not None:
                        await asyncio.wait_for(waiting.wait(), BEAT_S)
                except TimeoutError:
                    yield b": keep\n\n"
        finally:
            del self._onlookers[connection]
            self.touch()


def hub_of(state: State) -> Hub:
    """Return the hub that the application was made with."""
    found: Hub = state["hub"]
    return found
