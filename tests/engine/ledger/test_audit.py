"""A ledger edited by hand is found out: altered, removed, reordered or cut off entries."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.ledger.change import ENGINE
from engine.ledger.ledger import Ledger

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with a chain of six entries."""
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    for _ in range(6):
        with ledger.change(ENGINE, "register", "late", now=NOW, wall=NOW) as change:
            change.add_version("r1", "t")
    ledger.close()
    return path


def fault(path: Path, *sql: str) -> str | None:
    """Edit the file by hand, then ask for what is wrong with it."""
    db = sqlite3.connect(path)
    for statement in sql:
        db.execute(statement)
    db.commit()
    db.close()
    ledger = Ledger(path)
    found = ledger.audit_fault()
    ledger.close()
    return found


def test_an_untouched_chain_holds(path: Path) -> None:
    assert fault(path) is None


def test_an_altered_entry_is_named(path: Path) -> None:
    edit = "update audit set entry = replace(entry, '\"engine\"', '\"nobody\"') where seq = 3"
    assert fault(path, edit) == "entry 3 was altered"


def test_a_deleted_entry_is_named(path: Path) -> None:
    found = fault(path, "delete from audit where seq = 4")
    assert found == "entry 4 is missing: the next one found is 5"


def test_a_deleted_first_entry_is_named(path: Path) -> None:
    assert "entry 1 is missing" in (fault(path, "delete from audit where seq = 1") or "")


def test_entries_that_changed_places_are_found(path: Path) -> None:
    found = fault(
        path,
        "update audit set seq = 99 where seq = 2",
        "update audit set seq = 2 where seq = 3",
        "update audit set seq = 3 where seq = 99",
    )
    assert found == "entry 2 does not follow entry 1"


def test_a_deleted_entry_whose_followers_were_renumbered_is_found(path: Path) -> None:
    found = fault(
        path, "delete from audit where seq = 4", "update audit set seq = seq - 1 where seq > 4"
    )
    assert found == "entry 4 does not follow entry 3"


@pytest.mark.parametrize("kept", [0, 5])
def test_a_chain_that_was_cut_off_is_found(path: Path, kept: int) -> None:
    found = fault(path, f"delete from audit where seq > {kept}")
    assert found is not None
    assert "at the end" in found


def test_a_forged_entry_with_a_hash_of_its_own_is_found(path: Path) -> None:
    forged = (
        "insert into audit select 7, replace(entry, 'v6', 'v7'), null, null, hash, "
        f"'{'0' * 64}' from audit where seq = 6"
    )
    assert fault(path, forged) == "entry 7 was altered"


def test_a_key_or_an_answer_written_beside_an_entry_is_found(path: Path) -> None:
    assert fault(path, "update audit set key = 'k' where seq = 2") == (
        "the key of entry 2 was altered"
    )
    assert fault(path, "update audit set key = null, answer = '{}' where seq = 2") == (
        "the key of entry 2 was altered"
    )


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        ("update models set champion = 'v3'", "late is not as the chain says: its champion is v3"),
        ("update models set generation = 9", "generation 9; the chain leads to None, generation 0"),
        ("update versions set fitness = 'blessed' where version = 'v2'", "the fitness of v2 of"),
        ("delete from versions where version = 'v2'", "the fitness of v2 of late"),
        ("insert into locks values ('*', 'freeze', 'x', 'y', 'z', null)", "the locks of *"),
    ],
)
def test_a_state_that_the_entries_do_not_add_up_to_is_found(
    path: Path, edit: str, found: str
) -> None:
    assert found in (fault(path, edit) or "")


@pytest.mark.parametrize("kept", [0, 4])
def test_a_chain_cut_off_with_its_head_is_found_by_the_state_it_no_longer_explains(
    path: Path, kept: int
) -> None:
    head = f"coalesce((select hash from audit where seq = {kept}), '{'0' * 64}')"
    found = fault(
        path,
        f"delete from audit where seq > {kept}",
        f"update meta set value = {head} where key = 'audit_head'",
    )
    assert "the fitness of v" in (found or "")
    assert "delete" not in (found or "")


def test_a_head_that_was_removed_with_everything_is_found(path: Path) -> None:
    assert fault(path, "delete from audit", "delete from meta where key = 'audit_head'")
