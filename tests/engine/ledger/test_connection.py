"""Opening the ledger: durable, and never a file of a newer program."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import CorruptError, RefusedError, UnavailableError
from engine.ledger.connection import MIGRATIONS, connect
from engine.ledger.ledger import Ledger

NOW = datetime(2024, 3, 1, tzinfo=UTC)


def test_a_new_ledger_is_in_wal_mode_and_syncs_every_commit(tmp_path: Path) -> None:
    db = connect(tmp_path / "ledger.sqlite")
    assert db.execute("pragma journal_mode").fetchone()[0] == "wal"
    assert db.execute("pragma synchronous").fetchone()[0] == 2
    assert db.execute("pragma user_version").fetchone()[0] == len(MIGRATIONS)
    db.close()


@pytest.mark.parametrize("readonly", [True, False])
def test_a_newer_format_is_refused_and_the_file_untouched(tmp_path: Path, readonly: bool) -> None:
    path = tmp_path / "ledger.sqlite"
    db = sqlite3.connect(path)
    db.execute("create table of_the_future (a)")
    db.execute(f"pragma user_version = {len(MIGRATIONS) + 1}")
    db.close()
    before = path.read_bytes()
    with pytest.raises(RefusedError, match=r"format .* newer cdml") as found:
        connect(path, readonly=readonly)
    assert found.value.code == "newer_workspace"
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_ledger_is_said_to_be_unreadable_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database, however long " * 100)
    with pytest.raises(CorruptError, match="Restore it"):
        connect(path)
    assert path.read_bytes().startswith(b"not a database")


def test_a_reader_makes_no_ledger_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cdml init"):
        connect(tmp_path / "ledger.sqlite", readonly=True)
    assert not list(tmp_path.iterdir())


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    connect(tmp_path / "ledger.sqlite").close()
    db = connect(tmp_path / "ledger.sqlite", readonly=True)
    with pytest.raises(sqlite3.OperationalError):
        db.execute("delete from audit")
    db.close()


def test_a_breach_as_it_was_kept_before_is_forgotten_and_found_again(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "ledger.sqlite")
    db.executescript(f"{MIGRATIONS[0]} {MIGRATIONS[1]} pragma user_version = 2;")
    db.execute("insert into meta values ('breach:late', '{}'), ('drill:late', '{}')")
    db.commit()
    db.close()
    db = connect(tmp_path / "ledger.sqlite")
    assert [row["key"] for row in db.execute("select key from meta")] == ["drill:late"]
    assert db.execute("select count(*) from alerts").fetchone()[0] == 0
    db.close()


def test_a_damaged_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    for number in range(500):
        ledger.tell(NOW, "INFO", "test", None, f"event {number}")
    assert ledger.damage() == ""
    ledger.close()
    content = path.read_bytes()
    path.write_bytes(content[:-4096] + b"\xff" * 4096)
    ledger = Ledger(path)
    assert ledger.damage()
    ledger.close()
