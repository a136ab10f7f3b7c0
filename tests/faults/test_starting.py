"""Starting where one cannot: each time one clear sentence, and nothing left behind."""

import contextlib
import hashlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.box import CDML, ENVIRONMENT, ROOT, Box, eventually


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
        assert took < 5.0  # one that waits for the holder gives up after 30 s
        engine = [sys.executable, "-P", "-m", "engine", "run", "-w", str(path)]
        run = subprocess.run(engine, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert run.returncode == 4
        assert f"pid {holder}" in run.stderr
    assert sorted(box.processes().values()) == ["run", "serve", "supervise"]
    assert box.predict()[0] == 200


def test_who_stops_the_supervisor_between_two_engines_gets_no_third(box: Box) -> None:
    box.kill("run")
    os.kill(box.pid("supervise"), signal.SIGTERM)
    eventually("it has ended", lambda: not box.pid("supervise"), 30.0)
    assert not box.pid("run")


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


NOBODY = """
import os, sys
sys.path.insert(0, {root!r})
import shutil, traceback
import engine.__main__ as program, engine.supervisor
if program.main(["check", "-w", {box!r}]) != 0:
    sys.exit(99)
sys.stdout = open(os.devnull, "w")
if os.getuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
sys.exit(program.main(["up", "-w", {box!r}]))
"""


def as_nobody(box: Box) -> "subprocess.CompletedProcess[str]":
    """Run `cdml up` as a user who may write nowhere, all code loaded before the step down."""
    code = NOBODY.format(root=str(ROOT), box=str(box.path))
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_without_the_right_to_write_one_sentence_says_so(stopped: Box, common: Path) -> None:
    above = [f for f in stopped.path.parents if f == common or common in f.parents]
    for folder in (common.parent, *above):
        folder.chmod(0o755)
    (stopped.path / "run").chmod(0o555)
    run = as_nobody(stopped)
    assert run.returncode == 3, run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert "Permission denied" in run.stderr
    assert is_one_sentence_for_a_person(run.stderr)
    assert not stopped.processes()


def test_a_folder_one_may_not_enter_is_told_in_one_sentence(
    stopped: Box, tmp_path_factory: pytest.TempPathFactory
) -> None:
    words = NOBODY.replace('["up"', '["check"')
    code = words.format(root=str(ROOT), box=str(stopped.path))
    code = code.replace("sys.stdout =", f"os.chmod({str(stopped.path)!r}, 0o000); sys.stdout =")
    run = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    stopped.path.chmod(0o750)
    assert run.returncode in (2, 3), run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert "Permission denied" in run.stderr
    assert is_one_sentence_for_a_person(run.stderr)


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
    last = run.stderr.splitlines()[-1]
    assert "Not a directory" in last
    assert is_one_sentence_for_a_person(last)
