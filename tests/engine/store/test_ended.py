"""An error that ends DuckDB's instance, as a full disk makes one: the next use opens it again."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import UnavailableError
from engine.store.connection import Store

LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own, as only root may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if LIBC.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, b"size=24m") != 0:
        pytest.fail(f"mounting a small tmpfs needs root: {os.strerror(ctypes.get_errno())}")
    yield folder
    LIBC.umount2(bytes(folder), 2)


def test_after_a_full_disk_the_store_works_again_and_knows_what_it_committed(disk: Path) -> None:
    store = Store(disk / "metrics.duckdb", disk)
    done = 0
    with pytest.raises(UnavailableError, match="Free disk space"):  # noqa: PT012
        for _ in range(1000):
            with store.write() as db:
                db.execute(
                    "insert into spool_marks "
                    "select md5(concat(?, '-', range)), 1 from range(20000)",
                    [str(done)],
                )
            done += 1
    assert done > 1
    LIBC.mount(b"tmpfs", bytes(disk), b"tmpfs", 32, b"size=96m")  # MS_REMOUNT
    with store.read() as db:
        rows = db.execute("select count(*) from spool_marks").fetchall()[0][0]
    # The commit that failed may be there after all: who wrote it asks, by its marks.
    assert rows in (done * 20_000, (done + 1) * 20_000)
    assert store.tide == rows // 20_000
    with store.write() as db:
        db.execute("insert into spool_marks values ('after', 1)")
    store.close()
