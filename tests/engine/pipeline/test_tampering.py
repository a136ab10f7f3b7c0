"""Files of loaded versions are read again: one flipped byte is found, told, and its repair too."""

import sqlite3
from pathlib import Path

import pytest

from engine.pipeline import incidents, lookout, readiness, tampering
from tests.box import flipped
from tests.engine.pipeline.place import Place, roles


def file_of(place: Place, version: str, kind: str) -> Path:
    name = place.ledger.version("late", version).manifest or ""
    if kind == "skops":
        name = place.artifacts.manifest(name).artifact
    return place.workspace.artifacts / f"{name}.{kind}"


def look(place: Place) -> list[str]:
    """Look at every version that is due; return what was told of attacks so far."""
    for _ in range(10):
        lookout.files(place)
    return place.told_of("alert")


@pytest.mark.parametrize("kind", ["skops", "json", "sig"])
def test_a_flipped_byte_of_the_champion_is_told_at_the_next_look_and_its_repair_too(
    place: Place, kind: str
) -> None:
    _, champion = place.champions(0.4, 0.6)
    assert look(place) == []
    path, before = file_of(place, champion, kind), roles(place)
    flipped(path)
    assert look(place) == []
    place.clock.passes(minutes=10)
    told = look(place)
    assert len(told) == 1
    assert told[0].startswith(f"files of {champion}, the champion, are gone or not")
    standing = incidents.standing(place, "late")
    assert standing is not None
    notes = [n.text for n in incidents.page(place, standing.number).timeline]
    assert any("Plan: cdml rollback late --attack" in text for text in notes)
    assert roles(place) == before
    place.clock.passes(minutes=10)
    assert len(look(place)) == 1
    flipped(path)
    place.clock.passes(minutes=10)
    assert "as they were sealed" in look(place)[-1]


def test_a_tampered_way_back_leaves_readiness(place: Place) -> None:
    first, second, _ = place.champions(0.3, 0.4, 0.6)
    assert readiness.refresh(place, "late").target == second
    look(place)
    flipped(file_of(place, second, "skops"))
    place.clock.passes(minutes=10)
    told = look(place)
    assert told[-1].startswith(f"files of {second}")
    assert place.ready["late"].target == first


def test_a_gone_file_is_told(place: Place) -> None:
    (champion,) = place.champions(0.4)
    file_of(place, champion, "skops").unlink()
    assert len(look(place)) == 1


def test_each_version_is_read_once_in_ten_minutes(place: Place) -> None:
    place.champions(0.3, 0.4)
    look(place)
    before = dict(place.rehashed)
    place.clock.passes(minutes=9)
    tampering.watch(place)
    assert place.rehashed == before


def test_a_ledger_that_names_the_files_of_another_run_is_told(place: Place) -> None:
    (champion,) = place.champions(0.4)
    with sqlite3.connect(place.workspace.ledger) as db:
        db.execute("update versions set run = 'r9' where version = ?", (champion,))
    assert look(place)[0].startswith(f"files of {champion}, the champion, are gone or not as")


def test_a_ledger_that_somebody_wrote_into_is_told_once_within_ten_minutes(place: Place) -> None:
    place.champions(0.3, 0.4)
    look(place)
    with sqlite3.connect(place.workspace.ledger) as db:
        db.execute("update models set champion = 'v1'")
    look(place)
    assert place.told_of("audit") == []
    place.clock.passes(minutes=10)
    look(place)
    (told,) = place.told_of("audit")
    assert "late is not as the chain says: its champion is v1" in told
    place.clock.passes(minutes=10)
    look(place)
    assert place.told_of("audit") == [told]
    with sqlite3.connect(place.workspace.ledger) as db:
        db.execute("update models set champion = 'v2'")
    place.clock.passes(minutes=10)
    look(place)
    assert "holds again" in place.told_of("audit")[-1]
