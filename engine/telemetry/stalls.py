"""How long the loops of a process stood still: each tells by how much it came too late."""

import asyncio
from collections.abc import Callable
from threading import Lock

from engine.clock import Clock

PAUSE_S = 0.25
# Less is a busy machine; from here on somebody waits for what does not come.
STALL_S = 0.5


class Stalls:
    """Seconds that each loop came too late in all, and the worst of each since it was asked."""

    def __init__(self, *loops: str) -> None:
        self._lock = Lock()
        self._stood = dict.fromkeys(loops, 0.0)
        self._worst: dict[str, float] = {}

    def late(self, loop: str, seconds: float) -> None:
        """Count a loop that came so much later than it wanted to; a little is not counted."""
        if seconds < STALL_S:
            return
        with self._lock:
            self._stood[loop] += seconds
            self._worst[loop] = max(seconds, self._worst.get(loop, 0.0))

    def stood(self) -> dict[str, float]:
        """Return the seconds of each loop, 0 for one that never stood still."""
        with self._lock:
            return dict(self._stood)

    def worst(self) -> dict[str, float]:
        """Return the longest of each loop that stood still since this was asked last."""
        with self._lock:
            found, self._worst = self._worst, {}
            return found


async def watch(clock: Clock, late: Callable[[float], None]) -> None:
    """Sleep a little again and again in the loop that runs this, and say how late it woke."""
    while True:
        due = clock.monotonic() + PAUSE_S
        await asyncio.sleep(PAUSE_S)
        late(clock.monotonic() - due)
