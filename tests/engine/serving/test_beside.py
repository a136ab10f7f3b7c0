"""Calls beside the event loop: in order, faults to whoever waits, and what hangs alone hangs."""

import threading

import pytest

from engine.errors import CorruptError, InvalidError
from engine.serving.beside import Beside


def broken() -> int:
    raise InvalidError("no", code="no")


async def test_a_call_answers_or_its_fault_reaches_who_waits() -> None:
    beside = Beside()
    assert await beside.run(lambda: threading.current_thread().name) == "transform"
    with pytest.raises(InvalidError, match="no"):
        await beside.run(broken)
    assert await beside.run(lambda: 7) == 7


async def test_what_hangs_is_given_up_and_the_next_call_is_answered() -> None:
    beside, released = Beside(longest_s=0.05), threading.Event()
    with pytest.raises(CorruptError, match=r"longer than 0.05 s") as found:
        await beside.run(released.wait)
    assert found.value.code == "broken_transform"
    patient = Beside()
    patient._waiting = beside._waiting
    assert await patient.run(lambda: 7) == 7
    released.set()
