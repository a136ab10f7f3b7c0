"""One thread answers: together what came together, alone what fails together."""

import asyncio
from threading import Event
from typing import Any

import numpy as np
import pytest

from engine.artifacts import Artifacts
from engine.ledger.ledger import Ledger
from engine.serving.asked import AskedRows
from engine.serving.batcher import MAX_SHADOW_ROWS, Answers, Batcher, ShadowRows
from engine.serving.predictors import Matrix
from engine.serving.served import Served, proven
from engine.wire import PredictRow
from engine.workspace import Workspace

from .conftest import make_rows


class Gate:
    """An estimator that waits, so that requests pile up; it cannot take hour 13."""

    version = "v1"

    def __init__(self) -> None:
        self.open = Event()
        self.sizes: list[int] = []

    def predict(self, matrix: Matrix) -> Matrix:
        self.open.wait(10)
        self.sizes.append(len(matrix))
        if (matrix == 13.0).any():
            raise ValueError("thirteen")
        return matrix


def hour(value: float) -> Matrix:
    """One row of one feature."""
    return np.array([[value]])


def served(workspace: Workspace) -> Served:
    """A real version."""
    ledger = Ledger(workspace.ledger, readonly=True)
    digest = ledger.version("late", "v1").manifest or ""
    ledger.close()
    return proven("late", "v1", Artifacts(workspace.artifacts, workspace.keys).load(digest))


async def test_what_queues_while_the_thread_is_busy_is_one_batch() -> None:
    gate: Any = Gate()
    batcher = Batcher(asyncio.get_running_loop(), lambda *_: None)
    futures = [batcher.answer(gate, hour(n)) for n in range(8)]
    gate.open.set()
    assert await asyncio.gather(*futures) == [[[float(n)]] for n in range(8)]
    assert sum(gate.sizes) == 8
    assert len(gate.sizes) <= 2
    batcher.close()


async def test_in_a_replay_each_request_is_its_own_batch() -> None:
    gate: Any = Gate()
    batcher = Batcher(asyncio.get_running_loop(), lambda *_: None, merge=False)
    futures = [batcher.answer(gate, hour(n)) for n in range(8)]
    gate.open.set()
    await asyncio.gather(*futures)
    assert gate.sizes == [1] * 8
    batcher.close()


async def test_one_request_that_fails_does_not_fail_the_others() -> None:
    gate: Any = Gate()
    batcher = Batcher(asyncio.get_running_loop(), lambda *_: None)
    futures = [batcher.answer(gate, hour(n)) for n in range(12, 16)]
    gate.open.set()
    found = await asyncio.gather(*futures, return_exceptions=True)
    assert [isinstance(f, ValueError) for f in found] == [False, True, False, False]
    batcher.close()


async def test_shadows_wait_for_the_living_and_are_bounded(workspace: Workspace) -> None:
    scored: list[tuple[list[str], Answers]] = []
    gate: Any = Gate()
    batcher = Batcher(asyncio.get_running_loop(), lambda _, ids, a: scored.append((ids, a)))
    first = batcher.answer(gate, hour(1.0))
    version = served(workspace)
    rows = make_rows(1000)
    asked = AskedRows([PredictRow(row) for row in rows])
    for n in range(MAX_SHADOW_ROWS // 1000 + 1):
        ids = [f"{n}-{k}" for k in range(1000)]
        batcher.shadow(ShadowRows(version, asked, range(1000), ids, flag_nulls=False))
    assert batcher.shadow_dropped == 1000
    assert scored == []
    gate.open.set()
    await first
    assert await asyncio.to_thread(batcher.drain_shadow, 10.0)
    ids = [i for found, _ in scored for i in found]
    assert ids == [f"{n}-{k}" for n in range(MAX_SHADOW_ROWS // 1000) for k in range(1000)]
    direct = version.predict(version.matrix(rows))
    np.testing.assert_allclose([a for _, found in scored for a in found][:1000], direct, atol=1e-12)
    batcher.close()


async def test_an_answer_that_is_no_number_is_never_given() -> None:
    class Broken(Gate):
        def predict(self, matrix: Matrix) -> Matrix:
            return matrix * np.nan

    batcher = Batcher(asyncio.get_running_loop(), lambda *_: None)
    broken: Any = Broken()
    with pytest.raises(Exception, match="not a finite number"):
        await batcher.answer(broken, hour(1.0))
    batcher.close()
