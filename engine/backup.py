"""`cdml backup` while no engine runs; a running one makes the copy itself."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

import msgspec

from engine.clock import SystemClock
from engine.exits import Arguments, guarded
from engine.ledger.ledger import Ledger
from engine.pipeline import backups
from engine.pipeline.backup import back_up
from engine.settings import load
from engine.store.connection import Store
from engine.upgrading import Before
from engine.wire import BackupAnswer
from engine.workspace import Workspace


def main(argv: list[str]) -> int:
    """Copy a workspace that no engine holds; return the exit code."""
    os.umask(0o027)  # as the engine writes
    return guarded(lambda: _backup(argv), as_json="--json" in argv)


def _backup(argv: list[str]) -> int:
    parser = Arguments(prog="cdml backup", description="Copy the workspace and verify the copy.")
    parser.add_argument("-w", "--workspace", default=".", metavar="DIR")
    parser.add_argument("--offline", action="store_true", help="no engine runs")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    workspace = Workspace(Path(given.workspace)).require()
    workspace.check_owner()
    settings = load(workspace.config)
    with workspace.locked():
        wall = SystemClock().wall()
        before = Before(workspace.aside, wall)
        ledger = Ledger(workspace.ledger, before=before)
        store = Store(workspace.store, workspace.batches, before)
        try:
            made = back_up(
                workspace,
                settings.backup,
                ledger,
                store,
                name=settings.workspace.name,
                cdml=version("cdml"),
                wall=wall,
            )
            ledger.set_meta(backups.LAST, made.made)
        finally:
            store.close()
            ledger.close()
    _say(made, as_json=given.json)
    return 0


def _say(made: BackupAnswer, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(made).decode() + "\n")
        return
    sys.stdout.write(
        f"{made.folder}: {made.files} files, {made.bytes / 2**20:.1f} MiB, verified\n"
        f"bring it back with: cdml restore {made.folder} DIR\n"
    )
