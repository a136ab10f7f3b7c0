"""Files in the drop folders: which are whole, and whether one stayed itself while it was read."""

import fcntl
import os
import signal
from pathlib import Path

from engine.errors import UnavailableError
from engine.pipeline.site import Site

Seen = tuple[int, int, int, int]


def complete(site: Site, settled_before: float) -> list[tuple[str, Path]]:
    """Return complete files in the drop folders, by name; one still being written waits.

    A file is complete when it was renamed into place, or has not changed since `settled_before`
    (seconds of the file system's clock), and nobody has it open for writing. Dot files and .part
    files are never taken.
    """
    found = []
    for model in site.settings.models:
        for path in sorted(site.workspace.incoming(model).glob("*")):
            name = path.name
            if name.startswith(".") or name.endswith((".part", ".tmp")) or not path.is_file():
                continue
            if path.stat().st_mtime <= settled_before and not _being_written(path):
                found.append((model, path))
    return found


def seen(path: Path) -> Seen:
    """Return what tells a file from another one of its name, and from itself when it has grown."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def check_same(path: Path, before: Seen) -> None:
    """Raise UnavailableError where a name is no longer that of the file that was read."""
    if not _is(path, before):
        raise UnavailableError(
            f'Reading "{path.name}": it changed or was replaced while it was read. Nothing of it '
            "was taken in; what lies there now is read by itself. Rename a file into the drop "
            "folder when it is whole.",
            code="file_changed",
        )


def let_go(path: Path, read: Seen) -> None:
    """Delete a file that was taken in; one that came meanwhile under its name stays."""
    gone = path.with_name(f".{path.name}.taken")
    try:
        path.rename(gone)
    except FileNotFoundError:
        return
    if _is(gone, read):
        gone.unlink()
    elif path.exists():
        gone.rename(path.with_name(f"{read[1]}-{path.name}"))
    else:
        gone.rename(path)


def _is(path: Path, before: Seen) -> bool:
    try:
        return seen(path) == before
    except FileNotFoundError:
        return False


def _being_written(path: Path) -> bool:
    """Say whether somebody has a file open for writing; where nobody can say, nobody has.

    The kernel gives a read lease only on a file that no one can change.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # Whoever opens it in this very moment is told of by a signal that does nothing.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False
