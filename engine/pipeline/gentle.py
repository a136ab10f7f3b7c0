"""Long work that nobody waits on by the millisecond: everybody else of the machine goes first."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import get_native_id
from typing import TypeVar

T = TypeVar("T")
NICE = 10


def gently(work: Callable[[], T]) -> T:
    """Do a work in a thread of its own, behind all others for the processor; return its result.

    The thread ends with it: what has stepped back may not step forward again.
    """
    with ThreadPoolExecutor(1, "gentle", step_back) as alone:
        return alone.submit(work).result()


def step_back() -> None:
    """Have the thread that calls this, and no other, wait behind whoever wants the processor."""
    with suppress(OSError):  # where a sandbox forbids it, the work is done all the same
        os.setpriority(os.PRIO_PROCESS, get_native_id(), NICE)
