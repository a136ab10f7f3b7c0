"""How many connections each worker has open, in memory that all of them see. Light to import."""

import mmap
import os
from typing import NamedTuple

_ABSENT = 2**32 - 1


class Seats:
    """A number a worker; a worker that takes no connections is absent, and none waits for it."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._counts = memoryview(mmap.mmap(handle, 0)).cast("I")

    @classmethod
    def of(cls, workers: int) -> "Seats":
        """Make room for so many workers, which are to inherit the handle."""
        handle = os.memfd_create("seats")
        os.ftruncate(handle, workers * 4)
        seats = cls(handle)
        for worker in range(workers):
            seats.leave(worker)
        return seats

    def leave(self, worker: int) -> None:
        """Say that a worker takes no connections."""
        self._counts[worker] = _ABSENT

    def is_crowded(self, worker: int, connections: int) -> bool:
        """Say how many connections a worker has; return whether another has fewer."""
        self._counts[worker] = connections
        return min(self._counts) < connections


class Seat(NamedTuple):
    """The place of one worker among the seats."""

    worker: int
    seats: Seats
