"""One thread answers: together what came together, alone what fails together."""

import asyncio
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

import numpy as np
import pytest

from engine.artifacts import Artifacts
from engine.ledger.ledger import Ledger
from engine.serving.batcher import MAX_SHADOW_ROWS, Answers, Batcher, ShadowRows
from engine.serving.slots import Served
from engine.workspace import Workspace

from .conftest import make_rows


class Gate:
    """An estimator that waits, so that requests pile up; it cannot take hour 13."""

    version = "v1"

    def __init__(self) -> None:
        self.open = Event()
        self.sizes: list[int] = []

    def run(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        self.open.wait(10)
        self.sizes.append(len(rows))
        if any(r["hour"] == 13.0 for r in rows):
            raise ValueError("thirteen")
        return np.array([[r["hour"]] for r in rows])


def served(workspace: Workspace) -> Served:
    """A real version."""
    ledger = Ledger(workspace.ledger, readonly=True)
    digest = ledger.version("late", "v1").manifest or ""
    ledger.close()
    loaded = Artifacts(workspace.artifacts, workspace.keys).load(digest)
    return Served("late", "v1", loaded)


async def test_what_queues_while_the_thread_is_busy_is_one_batch() -> None:
    gate: Any = Gate()
    batcher = Batcher(asyncio.get_running_loop(), lambda rows, answers: None)
    futures = [batcher.answer(gate, [{"hour": float(n)}]) for n in range(8)]
    gate.open.set()
    assert await asyncio.gather(*futures) == [[[float(n)]] for n in range(8)]
    assert sum(gate.sizes) == 8
    assert len(gate.sizes) <= 2
    batcher.close()


async def test_in_a_replay_each_request_is_its_own_batch() -> None:
    gate: Any = Gate()
    batcher = Batcher(asyncio.get_running_loop(), lambda rows, answers: None, merge=False)
    futures = [batcher.answer(gate, [{"hour": float(n)}]) for n in range(8)]
    gate.open.set()
    await asyncio.gather(*futures)
    assert gate.sizes == [1] * 8
    batcher.close()


async def test_one_request_that_fails_does_not_fail_the_others() -> None:
    gate: Any = Gate()
    batcher = Batcher(asyncio.get_running_loop(), lambda rows, answers: None)
    futures = [batcher.answer(gate, [{"hour": float(n)}]) for n in range(12, 16)]
    gate.open.set()
    found = await asyncio.gather(*futures, return_exceptions=True)
    assert [isinstance(f, ValueError) for f in found] == [False, True, False, False]
    batcher.close()


async def test_shadows_wait_for_the_living_and_are_bounded(workspace: Workspace) -> None:
    scored: list[tuple[list[str], Answers]] = []
    gate: Any = Gate()
    batcher = Batcher(
        asyncio.get_running_loop(), lambda rows, a: scored.append((rows.prediction_ids, a))
    )
    first = batcher.answer(gate, [{"hour": 1.0}])
    version = served(workspace)
    rows = make_rows(1000)
    for n in range(MAX_SHADOW_ROWS // 1000 + 1):
        batcher.shadow(ShadowRows(version, "late", [f"{n}-{k}" for k in range(1000)], rows))
    assert batcher.shadow_dropped == 1000
    assert scored == []
    gate.open.set()
    await first
    assert await asyncio.to_thread(batcher.drain_shadow, 10.0)
    ids = [i for found, _ in scored for i in found]
    assert ids == [f"{n}-{k}" for n in range(MAX_SHADOW_ROWS // 1000) for k in range(1000)]
    direct = version.run(rows)
    np.testing.assert_allclose([a for _, found in scored for a in found][:1000], direct, atol=1e-12)
    batcher.close()


async def test_an_answer_that_is_no_number_is_never_given() -> None:
    class Broken(Gate):
        def run(self, rows: Sequence[Mapping[str, Any]]) -> Any:
            return np.array([[float("nan")] for _ in rows])

    batcher = Batcher(asyncio.get_running_loop(), lambda rows, answers: None)
    broken: Any = Broken()
    with pytest.raises(Exception, match="not a finite number"):
        await batcher.answer(broken, [{"hour": 1.0}])
    batcher.close()
