"""The table follows the ledger; what is in memory takes over at once."""

import asyncio
from threading import Event

import pytest

from engine.artifacts import Artifacts
from engine.errors import UnknownError
from engine.ledger.ledger import Ledger
from engine.serving.slots import Slots, Table
from engine.workspace import Workspace

from .conftest import seal, set_roles


def slots_of(workspace: Workspace, swaps: list[Table]) -> Slots:
    """Slots over the real ledger and artifacts, read-only."""
    ledger = Ledger(workspace.ledger, readonly=True)
    return Slots(ledger, Artifacts(workspace.artifacts, workspace.keys), swaps.append)


async def test_champion_and_ways_back_are_in_memory(workspace: Workspace) -> None:
    swaps: list[Table] = []
    slots = slots_of(workspace, swaps)
    await slots.sync()
    await slots.settled()
    assert sorted(slots.loaded("late")) == ["v1", "v2", "v3"]
    assert slots.table.slots["late"].champion.version == "v1"
    assert slots.table.known == {"late", "kind", "delay"}
    assert not slots.changed()
    slots.close()


async def test_a_rollback_does_not_wait_for_a_load(workspace: Workspace) -> None:
    swaps: list[Table] = []
    slots = slots_of(workspace, swaps)
    set_roles(workspace, "late", champion="v1", standby=("v2",))
    await slots.sync()
    await slots.settled()
    go = Event()
    slots.loader.submit(go.wait)
    set_roles(workspace, "late", champion="v1", standby=("v2",), shadow="v3")
    waiting = asyncio.ensure_future(slots.sync())
    _, pending = await asyncio.wait([waiting], timeout=0.2)
    assert pending
    assert slots.table.slots["late"].generation == 2
    back = set_roles(workspace, "late", champion="v2")
    async with asyncio.timeout(30):
        await slots.sync()
    assert slots.table.slots["late"].champion.version == "v2"
    assert slots.table.slots["late"].generation == back
    assert not go.is_set()
    go.set()
    await waiting
    await slots.settled()
    assert slots.table.slots["late"].shadow is None
    slots.close()


async def test_a_canary_that_does_not_load_gets_no_share(workspace: Workspace) -> None:
    slots = slots_of(workspace, [])
    bad = seal(workspace, "late", "binary", 4, probe_answers=[[2.0]] * 5)
    set_roles(workspace, "late", champion="v1", canary=bad, canary_share_pct=50.0, salt="s")
    await slots.sync()
    slot = slots.table.slots["late"]
    assert (slot.generation, slot.canary, slot.roles.canary_share_pct) == (2, None, 0.0)
    assert bad in slots.failed("late")
    slots.close()


async def test_another_models_manifest_is_refused(workspace: Workspace) -> None:
    slots = slots_of(workspace, [])
    bad = seal(workspace, "late", "binary", 4, model="other")
    set_roles(workspace, "late", champion="v1", standby=(bad,))
    await slots.sync()
    await slots.settled()
    assert "manifest is of other" in slots.failed("late")[bad]
    with pytest.raises(UnknownError):
        await slots.served("late", "v99")
    slots.close()


async def test_files_that_another_run_sealed_are_refused(workspace: Workspace) -> None:
    other = seal(workspace, "late", "binary", 5, run="r7")
    set_roles(workspace, "late", champion="v1", standby=(other,))
    slots = slots_of(workspace, [])
    await slots.sync()
    await slots.settled()
    assert "its files say r7" in slots.failed("late")[other]
    slots.close()


async def test_versions_nobody_needs_are_let_go(workspace: Workspace) -> None:
    slots = slots_of(workspace, [])
    await slots.sync()
    await slots.settled()
    set_roles(workspace, "late", champion="v2")
    await slots.sync()
    assert slots.loaded("late") == ["v2"]
    slots.close()
