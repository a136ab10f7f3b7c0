"""Delivered rows that are no longer what was taken in: told, and never trained on."""

from pathlib import Path

import pytest

from engine.errors import CorruptError
from engine.pipeline import wholeness
from engine.pipeline.ingest import ingest_waiting
from engine.pipeline.train import gather
from engine.store import batches
from tests.engine.pipeline.place import Place, csv


@pytest.fixture
def rows(place: Place) -> Path:
    place.drop("first.csv", csv())
    ingest_waiting(place, float("inf"))
    (found,) = place.workspace.batches.glob("*.parquet")
    return found


def test_whole_rows_are_trained_on_without_a_word(place: Place, rows: Path) -> None:
    wholeness.watch(place)
    assert gather(place, "late", "r").batches == [rows.stem]
    assert place.told_of("batch") == []


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_rows_that_are_not_what_they_were_are_told_and_not_trained_on(
    place: Place, rows: Path, how: str
) -> None:
    wholeness.watch(place)
    content = rows.read_bytes()
    rows.chmod(0o640)
    if how == "gone":
        rows.unlink()
    else:
        rows.write_bytes(content[:-9] + b"x" + content[-8:])
    with pytest.raises(CorruptError, match="not what was taken in"):
        gather(place, "late", "r")
    wholeness.watch(place)
    assert place.told_of("batch") == []
    place.clock.passes(minutes=11)
    wholeness.watch(place)
    (said,) = place.told_of("batch")
    assert '"first.csv"' in said
    rows.unlink(missing_ok=True)
    rows.write_bytes(content)
    assert gather(place, "late", "r").batches == [rows.stem]


@pytest.mark.parametrize("content", [b"{", b"\xff", None])
def test_a_damaged_note_is_written_anew_and_keeps_no_store_from_coming_back(
    place: Place, rows: Path, content: bytes | None
) -> None:
    (note,) = place.workspace.batches.glob("*.batch.json")
    good = note.read_bytes()
    note.unlink()
    if content is not None:
        note.write_bytes(content)
    assert batches.restored(place.store) == 0
    wholeness.watch(place)
    assert note.read_bytes() == good
    assert "written anew" in place.told_of("batch")[0]
    assert rows.exists()
