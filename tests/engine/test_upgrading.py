"""A workspace of the first cdml is brought to today's form, and what it was is kept aside."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from engine import backup, offline
from engine.errors import RefusedError, UnavailableError
from engine.ledger import connection as ledger_file
from engine.ledger.ledger import Ledger
from engine.store import migrations, predictions, runs
from engine.store.connection import Store, is_newer
from engine.store.opening import Place, opened
from engine.upgrading import Before
from engine.workspace import Workspace

WALL = datetime(2024, 3, 1, tzinfo=UTC)


def of_format(workspace: Workspace, ledger: int, store: int) -> None:
    """Write both files as a program that knew so many migrations left them, with rows."""
    db = sqlite3.connect(workspace.ledger)
    for script in ledger_file.MIGRATIONS[:ledger]:
        db.executescript(script)
    db.executescript(
        f"pragma user_version = {ledger}; insert into meta values ('sim_now', 'then');"
        "insert into events values (7, '2024-01-01T00:00:00Z', 'INFO', 'engine', null, 'hello');"
    )
    db.close()
    with duckdb.connect(str(workspace.store)) as metrics:
        metrics.execute("create table format (version integer not null)")
        for number, script in enumerate(migrations.MIGRATIONS[:store]):
            metrics.execute(script)
            metrics.execute("insert into format values (?)", [number + 1])
        metrics.execute(
            "insert into predictions values ('late', 'p1', 'a', timestamp '2024-01-01', "
            "timestamp '2024-01-01', null, 1, 'v1', 'champion', '{}', [0.5], 'true', '', 1.0)"
        )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty folder of a workspace."""
    found = Workspace(tmp_path)
    found.create(["late"])
    return found


FORMATS = [
    (1, 1),
    *[(len(ledger_file.MIGRATIONS) - 1, n) for n in (3, len(migrations.MIGRATIONS) - 1)],
]


@pytest.mark.parametrize(("ledger", "store"), FORMATS)
def test_old_files_are_upgraded_and_kept_as_they_were(
    workspace: Workspace, ledger: int, store: int
) -> None:
    of_format(workspace, ledger, store)
    before = Before(workspace.aside, WALL)
    now = Ledger(workspace.ledger, before=before)
    later = WALL.replace(second=1)  # the store is opened a second after the ledger
    place = Place(workspace.store, workspace.batches, workspace.aside, later, before)
    found = opened(place, 0, unclean=False)
    assert [e.text for e in now.events()] == ["hello"]
    assert now.meta("sim_now") == "then"
    assert now.audit_fault() is None
    assert predictions.last_row(found.store) == 0
    assert runs.newest(found.store, 5) == []
    now.close()
    found.store.close()
    kept = workspace.aside / "20240301T000000-upgrade"
    with sqlite3.connect(kept / "ledger.sqlite") as db:
        assert db.execute("pragma user_version").fetchone() == (ledger,)
        assert db.execute("select text from events").fetchall() == [("hello",)]
    with duckdb.connect(str(kept / "metrics.duckdb")) as metrics:
        assert metrics.execute("select max(version) from format").fetchall() == [(store,)]
        assert metrics.execute("select count(*) from predictions").fetchall() == [(1,)]


def test_verbs_without_an_engine_keep_a_copy_too(workspace: Workspace) -> None:
    of_format(workspace, 1, 1)
    workspace.config.write_text("")
    assert offline.main(["late", "-w", str(workspace.root)]) == 2  # there is no time in it
    assert backup.main(["-w", str(workspace.root)]) == 0
    kept = sorted(workspace.aside.glob("*-upgrade/*"))
    assert sorted(p.name for p in kept) == ["ledger.sqlite", "metrics.duckdb"]
    assert all(p.stat().st_mode & 0o007 == 0 for p in (workspace.aside, *kept))
    with sqlite3.connect(workspace.ledger) as db:
        assert db.execute("select count(*) from meta where key = 'backup'").fetchone() == (1,)


def test_what_is_new_or_of_today_is_not_copied(workspace: Workspace) -> None:
    for _ in range(2):
        Ledger(workspace.ledger, before=Before(workspace.aside, WALL)).close()
        Store(workspace.store, workspace.batches, Before(workspace.aside, WALL)).close()
    assert not list(workspace.aside.glob("*-upgrade"))


def test_the_last_two_upgrades_are_kept(workspace: Workspace) -> None:
    for day in range(1, 5):
        file = workspace.root / "some"
        file.write_text(str(day))
        place = Before(workspace.aside, WALL.replace(day=day)).place(file)
        place.write_text(str(day))
    assert sorted(p.read_text() for p in workspace.aside.glob("*-upgrade/some")) == ["3", "4"]


def test_without_room_for_the_copy_nothing_is_changed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_format(workspace, 1, 1)
    monkeypatch.setattr("engine.upgrading.ROOM", 2**62)
    with pytest.raises(UnavailableError, match="Nothing was changed"):
        Ledger(workspace.ledger, before=Before(workspace.aside, WALL))
    with pytest.raises(UnavailableError, match="Nothing was changed"):
        Store(workspace.store, workspace.batches, Before(workspace.aside, WALL))
    with sqlite3.connect(workspace.ledger) as db:
        assert db.execute("pragma user_version").fetchone() == (1,)
    with duckdb.connect(str(workspace.store)) as metrics:
        assert metrics.execute("select max(version) from format").fetchall() == [(1,)]


def test_a_newer_store_is_refused_and_not_set_aside_as_damaged(workspace: Workspace) -> None:
    with duckdb.connect(str(workspace.store)) as db:
        db.execute("create table format (version integer)")
        db.execute("insert into format values (99)")
    before = Before(workspace.aside, WALL)
    place = Place(workspace.store, workspace.batches, workspace.aside, WALL, before)
    with pytest.raises(RefusedError, match=r"newer cdml.*aside/\*-upgrade"):
        opened(place, 0, unclean=False)
    assert workspace.store.exists()
    assert is_newer(
        "IO Error: Trying to read a database file with version number 999, but we can only read "
        "version 64.\nThe database file was created with an newer version of DuckDB."
    )
    assert not is_newer("Corrupt database file: computed checksum 1 does not match")
