"""Room is kept for a rollback, and given to it when there is no other."""

import shutil
from typing import NamedTuple

import pytest

from engine.pipeline import reserve
from engine.pipeline.rollback import rollback
from engine.wire import Change
from tests.engine.pipeline.place import PERSON, Place


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def free(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Have the disk say that so much is free; filling a real one is for the fault plan."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**40, 2**40 - size, size))


def test_a_part_of_what_is_free_is_kept_and_given_to_a_rollback(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = reserve.path_of(place.workspace)
    place.champions(0.3, 0.4)
    free(monkeypatch, 80 * 2**20)
    reserve.keep(place.workspace)
    assert path.stat().st_size == 5 * 2**20
    assert path.stat().st_blocks * 512 >= 5 * 2**20
    reserve.release(place.workspace)
    assert path.exists()
    free(monkeypatch, 1000)
    assert rollback(place, "late", PERSON, Change("k")).to == "v1"
    assert not path.exists()
    reserve.keep(place.workspace)
    assert not path.exists()


def test_on_a_large_disk_no_more_is_kept_than_a_rollback_may_need(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 2**40)
    reserve.keep(place.workspace)
    assert reserve.path_of(place.workspace).stat().st_size == reserve.SIZE
    reserve.let_go(place.workspace)
    assert not reserve.path_of(place.workspace).exists()
