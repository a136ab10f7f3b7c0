"""The metric store: migrated, sandboxed, one writer whose failures leave nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from engine.errors import CorruptError, RefusedError, UnavailableError
from engine.store.connection import Store
from engine.store.migrations import MIGRATIONS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "batches").mkdir()
    found = Store(tmp_path / "metrics.duckdb", tmp_path / "batches")
    yield found
    found.close()


def test_a_new_store_has_the_newest_format_and_opens_again(tmp_path: Path) -> None:
    for _ in range(2):
        store = Store(tmp_path / "metrics.duckdb", tmp_path)
        with store.read() as db:
            found = db.execute("select version from format order by version").fetchall()
        store.close()
        assert found == [(n + 1,) for n in range(len(MIGRATIONS))]


def test_a_newer_format_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "metrics.duckdb"
    with duckdb.connect(str(path)) as db:
        db.execute("create table format (version integer)")
        db.execute("insert into format values (99)")
    with pytest.raises(RefusedError, match=r"format 99.*newer cdml"):
        Store(path, tmp_path)
    with duckdb.connect(str(path)) as db:
        assert db.execute("select version from format").fetchall() == [(99,)]
        assert db.execute("show tables").fetchall() == [("format",)]


def test_what_is_no_store_is_said_to_be_unreadable(tmp_path: Path) -> None:
    (tmp_path / "metrics.duckdb").write_bytes(b"no database" * 1000)
    with pytest.raises(CorruptError, match="Predictions go on without it"):
        Store(tmp_path / "metrics.duckdb", tmp_path)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_text('/etc/passwd')",
        "select * from read_csv('/etc/passwd')",
        "copy (select 1) to '/tmp/cdml-escape.csv'",
        "attach '/tmp/cdml-escape.duckdb' as other",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "set allowed_directories = ['/']",
        "install httpfs",
        "load httpfs",
    ],
)
def test_the_store_reaches_nothing_outside_and_cannot_be_unlocked(store: Store, sql: str) -> None:
    with store.read() as db, pytest.raises(duckdb.Error):
        db.execute(sql)
    assert not list(Path("/tmp").glob("cdml-escape*"))


def test_the_store_reads_snapshots_of_its_own_folder(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "batches" / "a.parquet"
    with duckdb.connect() as db:
        db.execute(f"copy (select 7 as a) to '{path}' (format parquet)")
    with store.read() as db:
        assert db.execute(f"select a from '{path}'").fetchall() == [(7,)]


def test_a_write_that_fails_leaves_nothing_and_counts_as_no_change(store: Store) -> None:
    before = store.changes
    with pytest.raises(RuntimeError), store.write() as db:  # noqa: PT012
        db.execute("insert into spool_marks values ('a', 1)")
        raise RuntimeError
    with store.read() as db:
        assert db.execute("select count(*) from spool_marks").fetchall() == [(0,)]
    assert store.changes == before
    with store.write() as db:
        db.execute("insert into spool_marks values ('a', 1)")
    assert store.changes == before + 1


def test_a_read_without_end_is_interrupted_at_its_deadline(store: Store) -> None:
    with (
        pytest.raises(UnavailableError, match="no answer within"),
        store.read(deadline_s=0.2) as db,
    ):
        db.execute("select count(*) from range(1000000000) a, range(1000000000) b").fetchall()
