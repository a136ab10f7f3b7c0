"""The machine under a workspace: disk, clock, file system, limits, memory."""

import ctypes
import os
import resource
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from engine.clock import SystemClock, parse_time
from engine.doctor.finding import Finding, Patient, bad, ok, warn
from engine.ledger.ledger import Ledger

FLOOR = 512 * 2**20
SHARE = 0.05
FILES = 1024
MEMORY = 512 * 2**20
_SHARED = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs")
_UNSYNCED = 5  # TIME_ERROR of adjtimex(2)


def disk(patient: Patient) -> Iterator[Finding]:
    """Free space and free inodes where the workspace lies."""
    root = patient.workspace.root
    space = shutil.disk_usage(root)
    said = f"{_size(space.free)} free of {_size(space.total)}"
    if space.free < FLOOR or space.free < SHARE * space.total:
        mend = (
            f"Largest here: {_largest(root)}. Old backups/, aside/ and runs/ may go, and history/ "
            "at your own cost. Below 64 MiB the log is no longer loaded, then no longer written."
        )
        yield (bad if space.free < FLOOR else warn)("disk", said, mend)
    else:
        yield ok("disk", said)
    nodes = os.statvfs(root)
    if nodes.f_files and nodes.f_favail < 10_000:
        yield bad(
            "inodes", f"room for {nodes.f_favail} more files",
            "Delete files on this file system: df -i shows which it is.",
        )  # fmt: skip


def _largest(root: Path, most: int = 3) -> str:
    """Return what takes most room in a workspace, the largest first."""
    sizes: dict[str, int] = {}
    for path in root.iterdir():
        files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
        with suppress(OSError):  # what goes away meanwhile takes no room
            stats = (f.lstat() for f in files)
            sizes[path.name] = sum(s.st_size for s in stats if stat.S_ISREG(s.st_mode))
    names = sorted(sizes, key=lambda name: -sizes[name])[:most]
    return ", ".join(f"{name} {_size(sizes[name])}" for name in names)


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def file_system(patient: Patient) -> Iterator[Finding]:
    """Locks and renames are promises that network file systems do not keep."""
    kind = _kind(patient.workspace.root)
    if kind in _SHARED:
        mend = (
            "cdml down, move the workspace to a local disk, cdml up there: locks do not hold here."
        )
        yield bad("file system", kind, mend)
    else:
        yield ok("file system", kind or "unknown")


def clock(patient: Patient) -> Iterator[Finding]:
    """The machine's clock against its time service, and against what the ledger has seen."""
    now = SystemClock().now()
    if ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) == _UNSYNCED:
        yield warn("clock", "not kept by a time service", "Start chrony or systemd-timesyncd.")
    else:
        yield ok("clock", f"{now:%Y-%m-%d %H:%M:%SZ}, kept by a time service")
    ledger = Ledger(patient.workspace.ledger, readonly=True)
    try:
        entries = ledger.audit_entries(limit=1)
    finally:
        ledger.close()
    last = parse_time(entries[-1].wall) if entries else now
    if last > now + timedelta(minutes=1):
        yield bad(
            "clock", f"the last change was made at {last:%Y-%m-%d %H:%MZ}, which is still to come",
            "Set the clock (timedatectl); until it has caught up, nothing is due.",
        )  # fmt: skip


def limits(_: Patient) -> Iterator[Finding]:
    """Open files, and memory that is left for a training."""
    files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < FILES:
        mend = f"ulimit -n {4 * FILES} before cdml up; as a service LimitNOFILE={4 * FILES}."
        yield warn("open files", f"at most {files}", mend)
    else:
        yield ok("open files", f"at most {files}")
    free = _available()
    if free is not None and free < MEMORY:
        yield warn(
            "memory",
            f"{free / 2**20:.0f} MiB available",
            "Stop something else, or let trainings take less: train.memory in cdml.toml.",
        )
    elif free is not None:
        yield ok("memory", f"{free / 2**30:.1f} GiB available")


def _available() -> int | None:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _kind(path: Path) -> str:
    """Return the type of the file system a path is on: of its longest mount point."""
    found, longest = "", -1
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, point, kind, *_ = line.split()
        if path.is_relative_to(point) and len(point) >= longest:
            found, longest = kind, len(point)
    return found
