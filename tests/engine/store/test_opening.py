"""Opening a store after real damage: nothing is lost silently, and all evidence stays."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from engine.store.connection import Store
from engine.store.opening import Opened, Place, opened
from engine.upgrading import Before

WALL = datetime(2024, 3, 1, tzinfo=UTC)
ROWS = 40


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a store as a killed process leaves them: one checkpoint, then a log."""
    folder = tmp_path_factory.mktemp("crashed")
    store = Store(folder / "metrics.duckdb", folder)
    write(store, ROWS // 2)
    store.checkpoint()
    write(store, ROWS // 2)
    image = tmp_path_factory.mktemp("image")
    for name in ("metrics.duckdb", "metrics.duckdb.wal"):
        shutil.copyfile(folder / name, image / name)
    store.close()
    return image


def write(store: Store, n: int) -> None:
    for _ in range(n):
        with store.write() as db:
            db.execute("insert into spool_marks select concat('s', count(*)), 1 from spool_marks")


@pytest.fixture
def place(crashed: Path, tmp_path: Path) -> Place:
    shutil.copytree(crashed, tmp_path / "w")
    path = tmp_path / "w" / "metrics.duckdb"
    aside = tmp_path / "aside"
    return Place(path, tmp_path / "w", aside, WALL, Before(aside, WALL))


def rows(found: Opened) -> int:
    with found.store.read() as db:
        n: int = db.execute("select count(*) from spool_marks").fetchall()[0][0]
    found.store.close()
    return n


def flip(path: Path, at: int, n: int = 16) -> None:
    content = bytearray(path.read_bytes())
    at = at % len(content)
    content[at : at + n] = bytes(b ^ 0xFF for b in content[at : at + n])
    path.write_bytes(content)


def test_what_is_whole_opens_without_a_word(place: Place) -> None:
    found = opened(place, ROWS, unclean=False)
    assert (found.suspect, found.store.tide, rows(found)) == ("", ROWS, ROWS)
    assert not place.aside.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda log: flip(log, 0),
        lambda log: flip(log, 40),
        lambda log: flip(log, log.stat().st_size // 3),
        lambda log: flip(log, log.stat().st_size // 2),
        lambda log: flip(log, -16),
        lambda log: log.write_bytes(log.read_bytes()[: log.stat().st_size * 2 // 3]),
        lambda log: log.write_bytes(b""),
    ],
    ids=["first bytes", "header", "third", "middle", "last bytes", "cut", "empty"],
)
def test_a_damaged_log_is_noticed_whatever_duckdb_makes_of_it_and_kept(
    place: Place, damage: Callable[[Path], object]
) -> None:
    damage(place.log)
    found_so = place.log.read_bytes()
    found = opened(place, ROWS, unclean=True)
    lacks = ROWS - found.store.tide
    assert lacks > 0
    assert "write-ahead log" in found.suspect
    assert rows(found) == ROWS - lacks >= ROWS // 2
    assert found_so in [log.read_bytes() for log in place.aside.glob("*/metrics.duckdb.wal")]


def test_a_log_that_is_gone_is_noticed(place: Place) -> None:
    place.log.unlink()
    found = opened(place, ROWS, unclean=True)
    assert f"lacks {ROWS // 2} of {ROWS} commits" in found.suspect
    assert rows(found) == ROWS // 2


@pytest.mark.parametrize("content", [b"", b"no database" * 9999], ids=["empty", "garbage"])
def test_a_file_that_is_none_is_set_aside_and_a_new_one_begun(place: Place, content: bytes) -> None:
    place.path.write_bytes(content)
    found = opened(place, ROWS, unclean=True)
    assert "a new one was begun" in found.suspect
    assert rows(found) == 0
    (kept,) = place.aside.glob("*-damaged/metrics.duckdb")
    assert kept.read_bytes() == content


def test_after_an_unclean_stop_the_files_are_copied_and_two_copies_stay(
    place: Place, crashed: Path
) -> None:
    before = place.log.read_bytes()
    opened(place, ROWS, unclean=True).store.close()
    (first,) = place.aside.iterdir()
    assert (first / place.log.name).read_bytes() == before
    for minute in (1, 2):
        shutil.copytree(crashed, place.path.parent, dirs_exist_ok=True)
        later = replace(place, wall=WALL + timedelta(minutes=minute))
        opened(later, 0, unclean=True).store.close()
    assert [f.name for f in sorted(place.aside.iterdir())] == [
        "20240301T000100-unclean", "20240301T000200-unclean",
    ]  # fmt: skip


@pytest.mark.parametrize("at", [0.6, 0.8])
def test_a_damaged_block_is_met_by_reading_everything(tmp_path: Path, at: float) -> None:
    store = Store(tmp_path / "metrics.duckdb", tmp_path)
    with store.write() as db:
        db.execute(
            "insert into predictions select 'late', md5(range::varchar), 'i' || range, "
            "timestamp '2024-03-01', timestamp '2024-03-01', 'c', 1, 'v1', 'champion', "
            "md5((range + 7)::varchar), [0.5], 'true', '', 1.0 from range(50000)"
        )
    assert store.damage() == ""
    store.close()
    path = tmp_path / "metrics.duckdb"
    flip(path, int(path.stat().st_size * at), 64)
    store = Store(path, tmp_path)
    assert store.damage().startswith("predictions: Corrupt database file")
    store.close()


def test_a_file_that_lacks_a_table_is_set_aside_and_a_new_one_begun(place: Place) -> None:
    with duckdb.connect(str(place.path)) as db:
        db.execute("drop table tide")
    found = opened(place, ROWS, unclean=False)
    assert "was set aside in" in found.suspect
    assert (found.store.tide, rows(found)) == (0, 0)
    assert list(place.aside.rglob("metrics.duckdb"))
