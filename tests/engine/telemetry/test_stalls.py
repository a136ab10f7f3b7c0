"""A loop that stands still is seen by how late it comes; a busy machine is none."""

import asyncio
from itertools import count

import pytest

from engine.clock import SystemClock
from engine.telemetry import stalls
from engine.telemetry.engine_metrics import WorkspaceFigures, text
from engine.telemetry.stalls import Stalls, watch


class Held(SystemClock):
    """A clock in which each second look comes three seconds later than the sleep before it."""

    def __init__(self) -> None:
        self._looks = count()

    def monotonic(self) -> float:
        look = next(self._looks)
        return (look + 1) // 2 * 3.25


def test_what_is_counted_is_by_how_much_a_loop_came_too_late() -> None:
    found = Stalls("control", "beat")
    for seconds in (0.49, 0.5, 3.0, 0.0, -0.2):
        found.late("control", seconds)
    assert found.stood() == {"control": 3.5, "beat": 0.0}
    assert found.worst() == {"control": 3.0}
    assert found.worst() == {}
    shown = text({}, WorkspaceFigures(stood=found.stood())).decode()
    assert 'cdml_loop_stalled_seconds_total{loop="control"} 3.5' in shown
    assert 'cdml_loop_stalled_seconds_total{loop="beat"} 0.0' in shown


def test_a_loop_that_is_held_says_for_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, "PAUSE_S", 0.0)

    async def held() -> float:
        late: asyncio.Queue[float] = asyncio.Queue()
        watching = asyncio.create_task(watch(Held(), late.put_nowait))
        found = await late.get()
        watching.cancel()
        return found

    assert asyncio.run(held()) == 3.25
