"""A backup of a running workspace, and the drill: brought back elsewhere, it serves the same."""

import json
import subprocess
from pathlib import Path

from tests.box import CDML, ENVIRONMENT, Box, row
from tests.traffic import traffic


def test_a_hot_backup_brought_back_elsewhere_answers_as_before(box: Box, tmp_path: Path) -> None:
    box.ask("promote", "late", "v2")
    with traffic(box) as clients:
        made = box.ask("backup")
    assert clients.failed == []
    _, before = box.predict(row("a"))
    box.down()
    to = tmp_path / "elsewhere"
    words = [*CDML, "-w", str(box.path), "restore", made["folder"], str(to), "--json"]
    found = json.loads(subprocess.check_output(words, env=ENVIRONMENT))
    assert found["champions"] == {"late": "v2"}
    other = Box(to)
    other.port = box.port
    try:
        other.up()
        _, after = other.predict(row("a"))
        assert after["predictions"][0]["score"] == before["predictions"][0]["score"]
        assert other.ask("audit", "--verify")["verified"] is True
    finally:
        other.end()


def test_without_an_engine_the_copy_is_made_by_the_command(box: Box) -> None:
    box.down()
    assert "--offline" in box.refused("backup", code=3)["message"]
    assert box.ask("backup", "--offline")["files"] > 5
