"""The metric store damaged while everything runs: served on, said loudly, loaded again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.box import Box, eventually
from tests.traffic import missing, traffic


def flip_header(log: Path) -> None:
    """Damage that DuckDB does not notice: it opens without the log's rows."""
    content = bytearray(log.read_bytes())
    content[:16] = bytes(b ^ 0xFF for b in content[:16])
    log.write_bytes(content)


def garble(log: Path) -> None:
    """Damage after which DuckDB opens neither the log nor the file."""
    log.write_bytes(b"\0" * log.stat().st_size)
    log.with_name("metrics.duckdb").write_bytes(b"no database" * 9999)


@pytest.mark.parametrize("damage", [flip_header, garble])
def test_what_the_store_lost_is_noticed_and_comes_back_from_spool_and_batches(
    box: Box, damage: Callable[[Path], None]
) -> None:
    batches = [str(b) for b in box.ask("lineage", "late", "v1")["batches"]]
    log = box.path / "metrics.duckdb.wal"
    with traffic(box) as clients:
        eventually("labels are sent", lambda: len(clients.labeller.acknowledged) > 20)
        eventually("rows are in the log", lambda: log.exists() and log.stat().st_size > 20_000)
        box.kill("supervise")
        box.kill("run")
        damage(log)
        serving = box.pid("serve")
        box.up()
        assert box.pid("serve") == serving
        eventually("it is loaded again", lambda: any("loaded again" in e for e in box.events()))
    assert clients.failed == []
    assert any("metric store" in e and ("set aside" in e or "lacks" in e) for e in box.events())
    assert [str(b) for b in box.ask("lineage", "late", "v1")["batches"]] == batches
    assert box.ask("status")["engine"] == "ready"
    assert list((box.path / "aside").glob("*/metrics.duckdb.wal"))
    box.down()
    assert not any(missing(box, clients).values())
