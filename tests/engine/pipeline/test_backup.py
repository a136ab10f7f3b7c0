"""A backup: of one moment, verified, and brought back whole; a broken one is never used."""

import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from engine.errors import CorruptError, InvalidError, RefusedError, UnavailableError
from engine.ledger.ledger import Ledger
from engine.pipeline import backups
from engine.pipeline.backup import MANIFEST, kept, verify
from engine.pipeline.ingest import ingest
from engine.restore import restore
from engine.settings import load
from engine.store.connection import commits_in
from tests.engine.pipeline.place import Place, csv


@pytest.fixture
def lived(place: Place) -> Place:
    """A workspace in which something has happened."""
    place.champions(0.4, 0.3)
    ingest(place, "late", place.drop("a.csv", csv(n=50)))
    place.answered("v2", n=50)
    (place.workspace.spool / "boot-00000001.seg").write_bytes(b"records")
    (place.workspace.root / "recipes.py").write_text("mine = 1")
    return place


def backup(place: Place) -> Path:
    place.clock.passes(seconds=1)
    return Path(backups.made(place, "ada").folder)


def test_what_was_copied_comes_back_whole(lived: Place, tmp_path: Path) -> None:
    made = backups.made(lived, "ada")
    root, to = lived.workspace.root, tmp_path / "restored"
    found = restore(Path(made.folder), to)
    assert found.champions == {"late": "v2"}
    assert found.commits == lived.store.tide == commits_in(to / "metrics.duckdb")
    for name in ("cdml.toml", "recipes.py", "spool/boot-00000001.seg"):
        assert (to / name).read_bytes() == (root / name).read_bytes()
    for folder in ("artifacts", "batches", "keys"):
        assert {p.name for p in (to / folder).iterdir()} == {
            p.name for p in (root / folder).iterdir()
        }
    ledger = Ledger(to / "ledger.sqlite")
    assert ledger.audit_fault() is None
    assert ledger.audit_head() == made.audit_head
    ledger.close()
    assert not (to / MANIFEST).exists()


def test_store_and_ledger_are_of_one_moment_though_both_are_written(lived: Place) -> None:
    ending = Event()

    def write() -> None:
        while not ending.is_set():
            with lived.store.write() as db:
                db.execute("insert into spool_marks select concat(count(*)), 1 from spool_marks")
            lived.ledger.set_meta("store_tide", str(lived.store.tide))

    writer = Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            folder = backup(lived)
            ledger = Ledger(folder / "ledger.sqlite", readonly=True)
            assert int(ledger.meta("store_tide") or 0) <= commits_in(folder / "metrics.duckdb")
            ledger.close()
    finally:
        ending.set()
        writer.join()


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: f.write_bytes(f.read_bytes()[:-1]),
        lambda f: f.write_bytes(bytes([f.read_bytes()[0] ^ 1]) + f.read_bytes()[1:]),
        lambda f: f.unlink(),
    ],
    ids=["cut", "altered", "missing"],
)
@pytest.mark.parametrize("name", ["ledger.sqlite", "metrics.duckdb", "cdml.toml", MANIFEST])
def test_a_broken_backup_is_named_and_never_brought_back(
    lived: Place, tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    folder = backup(lived)
    damage(folder / name)
    with pytest.raises((CorruptError, InvalidError), match="backup"):
        restore(folder, tmp_path / "restored")
    assert not list(tmp_path.glob("*restored*"))


def test_a_version_that_is_not_as_it_was_signed_is_not_brought_back(
    lived: Place, tmp_path: Path
) -> None:
    next(lived.workspace.artifacts.glob("*.sig")).write_bytes(bytes(64))
    with pytest.raises(CorruptError, match="signed"):
        restore(backup(lived), tmp_path / "restored")


def test_nothing_is_ever_written_over(lived: Place, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="exists already"):
        restore(backup(lived), lived.workspace.root)
    with pytest.raises(InvalidError, match="no backup"):
        restore(tmp_path / "batches", tmp_path / "restored")


def test_only_the_newest_stay_and_none_holds_another(lived: Place) -> None:
    config = lived.workspace.config
    config.write_text(config.read_text() + '[backup]\nkeep = 2\nevery = "1d"\n')
    lived.settings = load(config)
    made = []
    for _ in range(3):
        assert backups.due(lived)
        made.append(backup(lived))
        assert not backups.due(lived)
        lived.clock.passes(days=1)
    lived.clock.passes(days=-30)
    assert backups.due(lived)  # by a clock that was set back there is one soon all the same
    lived.clock.passes(days=30)
    home = made[0].parent
    assert kept(home, lived.workspace) == made[1:]
    assert sorted(home.iterdir()) == made[1:]
    assert not [f.path for f in verify(made[2]).files if f.path.startswith("backups")]


def test_without_room_nothing_is_copied(lived: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    with pytest.raises(UnavailableError, match="Free disk space"):
        backup(lived)
    assert not list((lived.workspace.root / "backups").iterdir())


def test_a_folder_that_cannot_be_made_is_said(lived: Place) -> None:
    (lived.workspace.root / "backups").write_text("a file where the folder should be")
    with pytest.raises(UnavailableError, match="another folder"):
        backup(lived)


@pytest.mark.parametrize("folder", ["copies/all", ".."])
def test_wherever_copies_go_all_of_the_workspace_is_in_them_and_no_other_copy(
    lived: Place, folder: str
) -> None:
    config = lived.workspace.config
    config.write_text(config.read_text() + f'[backup]\nfolder = "{folder}"\n')
    lived.settings = load(config)
    first, second = (verify(backup(lived)) for _ in range(2))
    assert [f.path for f in first.files] == [f.path for f in second.files]
    assert "artifacts" in {f.path.partition("/")[0] for f in first.files}


def test_what_a_killed_copy_left_is_removed_by_the_next(lived: Place) -> None:
    left = lived.workspace.root / "backups" / f".{lived.workspace.root.name}-20240101T000000.part"
    left.mkdir(parents=True)
    (left / "metrics.duckdb").write_text("half")
    backup(lived)
    assert not left.exists()
