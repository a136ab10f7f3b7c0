"""The folder of a workspace: for owner and group only, and held by one engine at a time."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cdml_tui import cli
from engine.errors import InvalidError, RefusedError, UnavailableError
from engine.exits import guarded
from engine.ledger.connection import connect
from engine.workspace import Workspace

HOLD = """
import sys
from pathlib import Path
from engine.workspace import Workspace
with Workspace(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_folders_are_made_for_owner_and_group_only(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "box")
    workspace.create(["late", "other"])
    workspace.create(["late"])
    for folder in (workspace.run, workspace.keys, workspace.spool, workspace.incoming("late")):
        assert folder.stat().st_mode & 0o007 == 0
    assert workspace.quarantine("other").is_dir()


def test_a_folder_without_settings_is_no_workspace(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="cdml init"):
        Workspace(tmp_path).require()


def test_where_folders_cannot_be_made_the_error_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnavailableError, match="choose another folder"):
        Workspace(tmp_path / "file" / "box").create([])


def test_root_does_not_write_to_the_workspace_of_another_user(tmp_path: Path) -> None:
    assert os.geteuid() == 0, "only root writes to the workspaces of others"
    workspace = Workspace(tmp_path)
    workspace.check_owner()
    os.chown(tmp_path, 54321, -1)
    with pytest.raises(RefusedError, match=r"belongs to #54321.*chown"):
        workspace.check_owner()


def test_a_second_engine_is_refused_at_once_by_the_pid_of_the_first(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.create([])
    assert workspace.holder() is None
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        first.stdout.readline()
        assert workspace.holder() == first.pid
        begin = time.monotonic()
        with pytest.raises(RefusedError, match=f"pid {first.pid}") as found, workspace.locked():
            pass
        assert time.monotonic() - begin < 1.0
        assert found.value.code == "workspace_held"
        first.kill()
        first.wait()
    assert workspace.holder() is None
    with workspace.locked():
        assert workspace.holder() == os.getpid()


def test_one_who_only_looks_at_the_holder_does_not_refuse_an_engine(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.create([])
    looking = """
import sys
from pathlib import Path
from engine.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
print("looking", flush=True)
while True:
    workspace.holder()
"""
    with workspace.locked():
        pass
    with subprocess.Popen(
        [sys.executable, "-c", looking, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            for _ in range(200):
                with workspace.locked():
                    pass
        finally:
            other.kill()
            other.wait()


def as_nobody(act: Callable[[], int]) -> int:
    """Do something in a process of its own that has given its rights away; return its code."""
    pid = os.fork()
    if pid == 0:
        os.setuid(54321)
        os._exit(act())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_who_may_not_look_is_told_so_and_not_that_something_broke(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert os.geteuid() == 0, "only root can become somebody else"
    # Others may not enter the folders of pytest.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        closed = Path(name)
        assert as_nobody(lambda: cli.main(["status", "-w", str(closed)])) == 3
        ledger = closed / "ledger.sqlite"
        connect(ledger).close()
        ledger.chmod(0o600)
        closed.chmod(0o755)

        def look() -> int:
            return guarded(lambda: bool(connect(ledger, readonly=True)), as_json=False)

        assert as_nobody(look) == 3
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 2
    assert all("Permission denied" in line and "user of the workspace" in line for line in said)


def test_a_disk_that_is_all_but_full_is_lacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Workspace(tmp_path).lacking() == ""
    monkeypatch.setattr("engine.workspace.FREE_FLOOR", 2**62)
    assert "MiB are free" in Workspace(tmp_path).lacking()
