"""Room kept on the disk for a rollback: a file that goes when there is nothing else left."""

import os
import shutil
from pathlib import Path

from engine.workspace import Workspace

SIZE = 64 * 2**20
# On a small disk a part of what is free; less than this is not worth a file.
SHARE = 16
LEAST = 2**20
# What a change of the ledger takes, and much more.
NEEDED = 4 * 2**20


def path_of(workspace: Workspace) -> Path:
    """Return where the room is kept."""
    return workspace.run / "reserve"


def keep(workspace: Workspace) -> None:
    """Take the room while there is enough of it; what cannot be taken now is tried again."""
    path = path_of(workspace)
    if path.exists():
        return
    size = min(SIZE, shutil.disk_usage(workspace.root).free // SHARE)
    if size < LEAST:
        return
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)


def release(workspace: Workspace) -> None:
    """Give the room to whoever is about to take a champion back, where there is no other."""
    if shutil.disk_usage(workspace.root).free < NEEDED:
        let_go(workspace)


def let_go(workspace: Workspace) -> None:
    """Keep no room any more."""
    path_of(workspace).unlink(missing_ok=True)
