"""A source's query reads the files and the database it was given, and nothing else."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from engine.errors import InvalidError, UnavailableError
from engine.store.querying import query


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Return a folder with a file and a database to be named, a secret, and one for the result."""
    for name in ("given", "base", "secret", "out"):
        (tmp_path / name).mkdir()
    for name in ("given/a.csv", "given/other.csv", "secret/s.csv"):
        (tmp_path / name).write_text("t,x\n2024-03-01,1\n2024-03-02,2\n")
    with duckdb.connect(str(tmp_path / "base" / "b.duckdb")) as db:
        db.execute("create table names as select 1 as x, 'one' as name")
    return tmp_path


def asked(given: Path, sql: str, since: datetime | None = None) -> list[tuple[object, ...]]:
    files, into = {"rows": [given / "given" / "a.csv"]}, given / "out" / "found.parquet"
    count = query(sql, files, given / "base" / "b.duckdb", since, into)
    with duckdb.connect() as db:
        found = db.execute(f"select * from read_parquet('{into}') order by all").fetchall()
    assert len(found) == count
    return found


def test_files_by_name_and_the_database_are_joined(given: Path) -> None:
    sql = "select x, name from rows left join source.names using (x); -- both"
    assert asked(given, sql) == [(1, "one"), (2, None)]


def test_a_query_may_ask_for_what_is_newer_only(given: Path) -> None:
    sql = "select x from rows where t > coalesce(getvariable('since'), '1970-01-01')"
    assert asked(given, sql) == [(1,), (2,)]
    assert asked(given, sql, datetime(2024, 3, 1, tzinfo=UTC)) == [(2,)]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('{}/secret/s.csv')",
        "select * from '{}/given/other.csv'",
        "select * from read_text('/etc/passwd')",
        "select * from glob('/etc/*')",
        "select * from rows; select * from rows",
        "copy (select 1) to '{}/given/a.csv'",
        "insert into source.names values (2, 'two')",
        "attach '{}/secret/x.duckdb' as x",
        "set enable_external_access = true",
        "selec",
        "select nothing from rows",
        "-- nothing",
    ],
)
def test_what_was_not_named_is_not_read_and_nothing_is_written(given: Path, sql: str) -> None:
    before = {p: p.read_bytes() for p in given.rglob("*") if p.is_file()}
    with pytest.raises(InvalidError, match=r"Asking the source: .*Mend source.sql"):
        asked(given, sql.format(given))
    (given / "out" / "found.parquet").unlink(missing_ok=True)
    assert {p: p.read_bytes() for p in given.rglob("*") if p.is_file()} == before


def test_a_database_that_is_not_there_is_said_to_be(given: Path) -> None:
    (given / "base" / "b.duckdb").unlink()
    with pytest.raises(UnavailableError, match="does not exist"):
        asked(given, "select 1")
