"""Copying a workspace while it runs, verified before it counts; knows neither routes nor models.

The store is held still for as long as its file and the ledger are copied, so that they are of one
moment. All else only grows: what they name is there when it is copied after them, and the spool,
copied last, has what came meanwhile.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from engine.clock import iso
from engine.errors import CorruptError, UnavailableError
from engine.ledger.ledger import Ledger
from engine.settings_upkeep import BackupSettings
from engine.store.connection import Store, commits_in
from engine.wire import BackupAnswer
from engine.workspace import Workspace

MANIFEST = "backup.json"
FORMAT = 1
CHUNK = 2**20
# A disk that is handed a gigabyte at once keeps whoever else writes waiting: so much at a time.
AT_ONCE = 16 * CHUNK
# After each piece others have the processor and the disk for so long: some 6 s of a gigabyte.
REST_S = 0.003
# Copies need no more room than this beside themselves.
ROOM = 64 * 2**20


class Copied(msgspec.Struct, frozen=True):
    """One file of a backup."""

    path: str
    size: int
    sha256: str


class Backup(msgspec.Struct, frozen=True):
    """What a backup holds. `commits` is the store's count, `audit_head` the last entry's hash."""

    format: int
    workspace: str
    made: str
    cdml: str
    commits: int
    audit_head: str
    files: list[Copied]


def back_up(
    workspace: Workspace,
    settings: BackupSettings,
    ledger: Ledger,
    store: Store,
    *,
    name: str,
    cdml: str,
    wall: datetime,
) -> BackupAnswer:
    """Copy the workspace into a new folder and verify the copy; older copies are let go then.

    Raises UnavailableError where there is no room or no right to write, CorruptError where the
    copy does not hold; a copy that did not become whole is removed.
    """
    home = (workspace.root / settings.folder).absolute()
    to = home / f"{workspace.root.name}-{wall:%Y%m%dT%H%M%S%f}"
    part = to.with_name(f".{to.name}.part")
    try:
        for left in home.glob(f".{workspace.root.name}-*.part"):
            shutil.rmtree(left)  # of a process that was killed
        _check_room(workspace, home)
        part.mkdir(parents=True, mode=0o750)
        with store.still() as file:
            commits = store.tide
            ledger.copy_to(part / workspace.ledger.name)
            head = ledger.audit_head()
            files = [_copied(file, workspace.root, part)]
        files.append(_digest(part / workspace.ledger.name, part))
        for path in _others(workspace, home):
            with suppress(FileNotFoundError):  # it was only waiting, or is loaded
                files.append(_copied(path, workspace.root, part))
        files.sort(key=lambda f: f.path)
        made = Backup(FORMAT, name, iso(wall), cdml, commits, head, files)
        (part / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(made)))
        verify(part, REST_S)
        _settle(part)
        part.rename(to)
    except OSError as e:
        raise UnavailableError(
            f'Copying the workspace to "{to}": {e.strerror or e}. Nothing of it was kept. '
            "Free disk space, or name another folder at [backup] in cdml.toml.",
            code="backup_failed",
        ) from e
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for former in kept(home, workspace)[: -settings.keep]:
        shutil.rmtree(former)
    size = sum(f.size for f in files)
    return BackupAnswer(str(to), len(files), size, commits, head, iso(wall))


def kept(home: Path, workspace: Workspace) -> list[Path]:
    """Return the whole backups of a workspace, oldest first."""
    return sorted(p.parent for p in home.glob(f"{workspace.root.name}-*/{MANIFEST}"))


def size_of(workspace: Workspace, home: Path) -> int:
    """Return how many bytes a backup of a workspace into a folder takes."""
    needed = 0
    for file in (workspace.store, workspace.ledger, *_others(workspace, home)):
        with suppress(FileNotFoundError):
            needed += file.stat().st_size
    return needed


def verify(folder: Path, rest_s: float = 0.0) -> Backup:
    """Read every byte of a backup again; CorruptError names the first thing that is not so.

    Each piece is followed by a rest, if others are to go first.
    """
    try:
        found = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Backup)
    except (OSError, msgspec.MsgspecError) as e:
        raise _broken(folder, f"{MANIFEST} cannot be read ({e})") from e
    if found.format != FORMAT:
        raise _broken(folder, f"its format is {found.format}, this program knows {FORMAT}")
    for file in found.files:
        path = folder / file.path
        if not path.is_file():
            raise _broken(folder, f'"{file.path}" is missing')
        if _digest(path, folder, rest_s) != file:
            raise _broken(folder, f'"{file.path}" is not as it was copied')
    _verify_stores(folder, found)
    return found


def _verify_stores(folder: Path, found: Backup) -> None:
    ledger = Ledger(folder / "ledger.sqlite", readonly=True)
    try:
        fault, head = ledger.audit_fault(), ledger.audit_head()
    finally:
        ledger.close()
    if fault is not None or head != found.audit_head:
        raise _broken(folder, f"its audit chain does not hold: {fault or 'another head'}")
    if (commits := commits_in(folder / "metrics.duckdb")) != found.commits:
        raise _broken(folder, f"its metric store has {commits} of {found.commits} commits")


def _broken(folder: Path, why: str) -> CorruptError:
    return CorruptError(
        f'Verifying the backup "{folder}": {why}. It was not used: take another one. Where it was '
        "just being made nothing was kept: cdml doctor says what is wrong with the workspace.",
        code="backup_broken",
    )


def _others(workspace: Workspace, home: Path) -> Iterator[Path]:
    """Yield every other file of the workspace that is worth keeping, the spool last."""
    skipped = {
        *(workspace.run, workspace.logs, workspace.runs, workspace.aside, workspace.spool),
        home,
    }
    top = [p for p in sorted(workspace.root.iterdir()) if p not in skipped]
    own = [
        f"{name}{ending}"
        for name in (workspace.store.name, workspace.ledger.name)
        for ending in ("", ".wal", ".tmp", "-wal", "-shm", "-journal")
    ]
    for path in [*top, workspace.spool]:
        if path.name in own:
            continue
        yield from _files(path, home) if path.is_dir() else [path]


def _files(folder: Path, home: Path) -> list[Path]:
    """Return the files of a folder that are no backups.

    A link in it may lead to what is none of the workspace's.
    """
    found = (f for f in folder.rglob("*") if f.is_file() and not f.is_symlink())
    inside = home.is_relative_to(folder)
    return sorted(f for f in found if not (inside and f.is_relative_to(home)))


def _copied(path: Path, root: Path, folder: Path) -> Copied:
    """Copy what a file holds now, bit by bit onto the disk; return what was read of it."""
    name, digest, size = path.relative_to(root), hashlib.sha256(), 0
    with path.open("rb") as source:
        to = folder / name
        to.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        with to.open("wb", buffering=0) as copy:
            while piece := source.read(CHUNK):
                copy.write(piece)
                digest.update(piece)
                size += len(piece)
                if size % AT_ONCE == 0:
                    os.fdatasync(copy.fileno())
                time.sleep(REST_S)
            os.fchmod(copy.fileno(), os.fstat(source.fileno()).st_mode & 0o7777)
            os.fsync(copy.fileno())
    return Copied(str(name), size, digest.hexdigest())


def _digest(path: Path, folder: Path, rest_s: float = 0.0) -> Copied:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
            size += len(piece)
            time.sleep(rest_s)
    return Copied(str(path.relative_to(folder)), size, digest.hexdigest())


def _settle(folder: Path) -> None:
    """Have the ledger's copy, the manifest and every name on the disk before the copy counts."""
    own = [folder / MANIFEST, folder / "ledger.sqlite"]
    for path in [*own, *(p for p in folder.rglob("*") if p.is_dir()), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _check_room(workspace: Workspace, home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True, mode=0o750)
    needed = size_of(workspace, home)
    free = shutil.disk_usage(home).free
    if free < needed + ROOM:
        raise UnavailableError(
            f'Copying the workspace to "{home}": it takes {needed // 2**20} MiB and '
            f"{free // 2**20} MiB are free. Nothing was copied. Free disk space, or name another "
            "folder at [backup] in cdml.toml.",
            code="no_space",
        )
