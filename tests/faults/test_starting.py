"""Starting where one cannot: each time one clear sentence, and nothing left behind."""

import contextlib
import hashlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.box import CDML, ENVIRONMENT, ROOT, Box


def digests(box: Box) -> dict[str, str]:
    """Return the digest of every file that holds what the workspace knows."""
    kept = ("logs", "run", "spool")
    return {
        str(p.relative_to(box.path)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(box.path.rglob("*"))
        if p.is_file() and p.relative_to(box.path).parts[0] not in kept
        and not p.name.endswith(("-wal", "-shm"))
    }  # fmt: skip


def is_one_sentence_for_a_person(message: str) -> bool:
    """Say whether an error has no trace in it, and says what to do after what was found."""
    return "Traceback" not in message and "unforeseen" not in message and message.count(". ") >= 1


def test_a_second_engine_is_refused_at_once_by_the_holder_pid(
    box: Box, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    holder = box.pid("run")
    link = tmp_path / "link"
    link.symlink_to(box.path)
    for path in (box.path, link):
        second = Box(path)
        began = time.monotonic()
        error = second.refused("up", code=4)
        took = time.monotonic() - began
        assert error["code"] == "workspace_held"
        assert f"pid {holder}" in error["message"]
        record_property("refused_s", round(took, 2))
        assert took < 1.0
        engine = [sys.executable, "-P", "-m", "engine", "run", "-w", str(path)]
        run = subprocess.run(engine, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert run.returncode == 4
        assert f"pid {holder}" in run.stderr
    assert sorted(box.processes().values()) == ["run", "serve", "supervise"]
    assert box.predict()[0] == 200


def test_a_taken_port_is_named_and_nothing_is_left_running(stopped: Box) -> None:
    with socket.create_server(("127.0.0.1", stopped.port)):
        error = stopped.refused("up", code=3)
    assert f"127.0.0.1:{stopped.port}" in error["message"]
    assert "Address already in use" in error["message"]
    assert is_one_sentence_for_a_person(error["message"])
    assert not stopped.processes()
    stopped.up()
    assert stopped.predict()[0] == 200


def newer_ledger(box: Box) -> None:
    """Mark the ledger as one of a newer program."""
    with contextlib.closing(sqlite3.connect(box.path / "ledger.sqlite")) as db:
        db.execute("pragma user_version = 99")
        db.execute("pragma wal_checkpoint(truncate)")


def newer_store(box: Box) -> None:
    """Mark the metric store as one of a newer program."""
    with duckdb.connect(str(box.path / "metrics.duckdb")) as db:
        db.execute("insert into format values (99)")


@pytest.mark.parametrize("newer", [newer_ledger, newer_store])
def test_a_workspace_of_a_newer_cdml_is_refused_and_left_as_it_is(
    stopped: Box, newer: Callable[[Box], None]
) -> None:
    newer(stopped)
    before = digests(stopped)
    error = stopped.refused("up", code=4)
    assert "format 99" in error["message"]
    assert "newer cdml" in error["message"]
    assert digests(stopped) == before
    assert not stopped.processes()


def as_nobody(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run `cdml` as a user who may write nowhere."""
    drop = "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); " if not (
        os.getuid()
    ) else "import sys; "  # fmt: skip
    # The environment may lie where nobody may look: everything is imported before the step down.
    load = f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
    load += "import engine.__main__ as e, engine.check, engine.supervisor, engine.settings_file; "
    code = f"{load}{drop}sys.exit(e.main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *words],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_without_the_right_to_write_one_sentence_says_so(stopped: Box, tmp_path: Path) -> None:
    for folder in (*tmp_path.parents, tmp_path, stopped.path):
        if os.access(folder, os.W_OK) and folder.is_relative_to("/tmp"):  # noqa: S108
            with contextlib.suppress(PermissionError):
                folder.chmod(folder.stat().st_mode | 0o555)
    for path in (stopped.path / "run", stopped.path / "logs"):
        path.chmod(0o555)
    run = as_nobody("up", "-w", str(stopped.path))
    assert run.returncode == 3
    assert run.stdout == ""
    assert len(run.stderr.splitlines()) == 1
    assert "Permission denied" in run.stderr
    assert is_one_sentence_for_a_person(run.stderr)
    assert not stopped.processes()


def test_a_workspace_under_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    data = tmp_path / "data.csv"
    data.write_text("time,x,late\n" + "".join(f"2024-01-0{n},{n},{n % 2}\n" for n in range(1, 9)))
    words = ["init", str(tmp_path / "file" / "box"), "--data", str(data), "--target", "late"]
    run = subprocess.run(
        [*CDML, *words, "--time", "time", "--yes"],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode in (2, 3)
    assert len(run.stderr.splitlines()) == 1
    assert "Not a directory" in run.stderr
    assert is_one_sentence_for_a_person(run.stderr)
