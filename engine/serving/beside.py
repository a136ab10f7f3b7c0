"""One thread beside the event loop for transformations; started on first use, waited for by nobody.

What hangs costs its own requests an answer, and no other model's.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from engine.errors import CorruptError

T = TypeVar("T")
LONGEST_S = 10.0
_Waiting = SimpleQueue[tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]]


class Beside:
    """Runs calls one after the other, each for at most ten seconds."""

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._waiting: _Waiting | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """Return what a call returns; CorruptError where it takes too long."""
        loop = asyncio.get_running_loop()
        if self._waiting is None:
            self._waiting = SimpleQueue()
            Thread(target=_work, args=(self._waiting,), name="transform", daemon=True).start()
        waiting, future = self._waiting, loop.create_future()
        waiting.put((call, loop, future))
        try:
            found: T = await asyncio.wait_for(future, self._longest_s)
        except TimeoutError:
            if self._waiting is waiting:
                self._waiting = None  # what hangs keeps its thread; who comes now gets another
            raise CorruptError(
                f"Transforming rows: it took longer than {self._longest_s:g} s. No answer was "
                "given; roll back.",
                code="broken_transform",
            ) from None
        return found


def _work(waiting: _Waiting) -> None:
    while True:
        call, loop, future = waiting.get()
        if future.done():
            continue  # nobody waits for it any more
        found: object = None
        fault: Exception | None = None
        try:
            found = call()
        except Exception as e:  # noqa: BLE001 - polling worker: told to whoever waits
            fault = e
        with suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, future, found, fault)


def _settle(future: "asyncio.Future[Any]", found: object, fault: Exception | None) -> None:
    if future.done():
        return
    if fault is not None:
        future.set_exception(fault)
    else:
        future.set_result(found)
