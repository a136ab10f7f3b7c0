"""The folder that holds everything of one workspace: where each thing lies, and its lock."""

import fcntl
import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from engine.errors import InvalidError, RefusedError, UnavailableError

# Below this the log is not loaded any more, so that the stores are not hurt.
FREE_FLOOR = 64 * 2**20


class Workspace:
    """Paths of a workspace; makes nothing until `create` is called."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.config = self.root / "cdml.toml"
        self.ledger = self.root / "ledger.sqlite"
        self.store = self.root / "metrics.duckdb"
        self.artifacts = self.root / "artifacts"
        self.keys = self.root / "keys"
        self.tokens = self.keys / "tokens.json"
        self.batches = self.root / "batches"
        self.spool = self.root / "spool"
        self.aside = self.root / "aside"
        self.runs = self.root / "runs"
        self.logs = self.root / "logs"
        self.run = self.root / "run"
        self.engine_socket = self.run / "engine.sock"
        self.serving_socket = self.run / "serving.sock"
        self.lock = self.run / "lock"
        self.audit_head = self.run / "audit.head"

    def incoming(self, model: str) -> Path:
        """Return the watched drop folder of a model."""
        return self.root / "incoming" / model

    def quarantine(self, model: str) -> Path:
        """Return where refused files of a model are kept."""
        return self.root / "quarantine" / model

    def create(self, models: list[str]) -> None:
        """Make the folders that are missing; only the owner and the group may enter."""
        folders = [self.artifacts, self.keys, self.batches, self.spool, self.runs, self.logs]
        for model in models:
            folders += [self.incoming(model), self.quarantine(model)]
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for folder in [*folders, self.run]:
                folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        except OSError as e:
            raise UnavailableError(
                f'Making the folders of the workspace "{self.root}": {e.strerror}. '
                "Give this user the right to write there, or choose another folder.",
                code="no_permission",
            ) from e

    def require(self) -> "Workspace":
        """Return this workspace if it has a cdml.toml; InvalidError says how to make one."""
        try:
            found = self.config.is_file()
        except PermissionError as e:
            raise UnavailableError(
                f'Opening the workspace "{self.root}": {e.strerror}. '
                "Give this user the right to enter it.",
                code="no_permission",
            ) from e
        if not found:
            raise InvalidError(
                f'Opening the workspace "{self.root}": there is no cdml.toml in it. '
                "Make one with: cdml init DIR --data FILE --target COLUMN",
                code="no_workspace",
            )
        return self

    def check_owner(self) -> None:
        """Refuse to write as root what its owner could not write again; others may not anyway."""
        owner = self.root.stat().st_uid
        if os.geteuid() == 0 and owner != 0:
            try:
                name = pwd.getpwuid(owner).pw_name
            except KeyError:
                name = f"#{owner}"
            raise RefusedError(
                f'Writing to the workspace "{self.root}" as root: it belongs to {name}, who could '
                "not write to root's files afterwards. Nothing was changed. Run it as that user: "
                f"sudo -u {name} cdml ..., or give the folder to root with chown -R.",
                code="not_owner",
            )

    def lacking(self) -> str:
        """Say how little of the disk is free where that is too little to go on; empty else."""
        free = shutil.disk_usage(self.root).free
        return f"only {free // 2**20} MiB are free" if free < FREE_FLOOR else ""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the workspace as its only engine; RefusedError names the holder's pid."""
        try:
            handle = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as e:
            raise UnavailableError(
                f'Locking the workspace "{self.root}": {e.strerror} on "run/lock". '
                "Give this user the right to write there, or free disk space.",
                code="no_permission",
            ) from e
        try:
            if not _taken(handle):
                holder = os.pread(handle, 32, 0).decode().strip() or "unknown"
                raise RefusedError(
                    f'Starting an engine on "{self.root}": another one holds it, pid {holder}. '
                    "Use that one, or stop it with cdml down.",
                    code="workspace_held",
                )
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(handle)

    def holder(self) -> int | None:
        """Return the pid of the engine that holds the workspace, or None."""
        try:
            handle = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            text = os.pread(handle, 32, 0).decode().strip()
            return int(text) if text.isdigit() else None
        finally:
            os.close(handle)
        return None


def _taken(handle: int) -> bool:
    """Take the lock; who only looks at the holder has it for an instant, so try again."""
    for _ in range(5):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sleep(0.03)
        else:
            return True
    return False
