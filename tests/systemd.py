"""A real systemd, as the first process of namespaces of its own, that keeps the units of a test.

It sees the machine's files and network, but no unit of the machine and no process outside.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.box import ROOT, eventually

SYSTEMD = Path("/lib/systemd/systemd")
# What the units of a service want or are wanted by; the machine's own would start everything.
TARGETS = ["sysinit", "basic", "sockets", "multi-user", "shutdown", "cdml-test"]
BEGIN = """\
set -eu
mount --make-rprivate /
while mountpoint -q /sys/fs/cgroup; do umount -R -l /sys/fs/cgroup; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd /run/lock /run/kept
units=$1 systemd=$2; shift 2
# Where others may not enter the home of root, what is run from there is moved in front of it.
n=0; for place; do n=$((n + 1)); mkdir /run/kept/$n; mount --bind "$place" /run/kept/$n; done
if [ $# -gt 0 ]; then mount -t tmpfs -o mode=755 tmpfs /root; fi
n=0; for place; do n=$((n + 1)); mkdir -p "$place"; mount --move /run/kept/$n "$place"; done
exec env -i container=cdml PATH="$PATH" LC_ALL=C.UTF-8 SYSTEMD_UNIT_PATH="$units" \
  SYSTEMD_GENERATOR_PATH= SYSTEMD_ENVIRONMENT_GENERATOR_PATH= \
  "$systemd" --unit=cdml-test.target --log-target=console --show-status=no
"""


def hindrance() -> str | None:
    """Return what this machine lacks for it, None if nothing."""
    if not SYSTEMD.exists() or shutil.which("unshare") is None:
        return "there is no systemd or no unshare here"
    if os.geteuid() != 0:
        return "only root may start a systemd of its own"
    if _cgroups() is None:
        return "no cgroup2 file system can be written here"
    return None


def _cgroups() -> Path | None:
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, options = line.split()[:4]
        if kind == "cgroup2" and "rw" in options.split(","):
            return Path(place)
    return None


def _within_root() -> list[str]:
    """Return what has to be read to run our code and lies where only root may enter."""
    places = {Path(p).resolve() for p in (sys.prefix, sys.base_prefix, ROOT)}
    return sorted(str(p) for p in places if p.is_relative_to("/root"))


class Manager:
    """One systemd with the units of one folder."""

    def __init__(self, folder: Path) -> None:
        self.units = folder / "units"
        self.log = folder / "systemd.log"
        self.units.mkdir(parents=True)
        for name in TARGETS:
            text = f"[Unit]\nDescription={name}\nDefaultDependencies=no\n"
            (self.units / f"{name}.target").write_text(text)
        # Without a journal what services say would be lost.
        self.drop_in("service", f"[Service]\nStandardOutput=append:{folder}/services.log\n")
        self.said = folder / "services.log"
        self._group = Path(_cgroups() or "/") / f"cdml-test-{os.getpid()}-{time.monotonic_ns()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def drop_in(self, unit: str, text: str) -> None:
        """Add to a unit, as `systemctl edit` does, or to each of a kind."""
        folder = self.units / f"{unit}.d"
        folder.mkdir(exist_ok=True)
        (folder / f"{len(list(folder.iterdir()))}.conf").write_text(text)

    def start(self) -> None:
        """Start it in a control group and namespaces of its own."""
        self._group.mkdir()
        begin = f'echo $$ > {self._group}/cgroup.procs; exec "$@"'
        spaces = ["-m", "-p", "-C", "-i", "-u", "--fork", "--kill-child", "--mount-proc"]
        inside = ["bash", "-c", BEGIN, "begin", str(self.units), str(SYSTEMD), *_within_root()]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "bash", "-c", begin, "begin", "unshare", *spaces,
                 *inside],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self._pid = int(eventually("its first process", lambda: children.read_text().split())[0])
        eventually("systemd runs", lambda: self.ctl("is-system-running", code=None) == "running")

    def ctl(self, *words: str, code: int | None = 0) -> str:
        """Run systemctl inside and return what it prints."""
        run = subprocess.run(
            ["nsenter", "-t", str(self._pid), "-a", "systemctl", *words],
            env={**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": ""},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip
        assert code is None or run.returncode == code, f"{words}: {run.stdout}{run.stderr}"
        return run.stdout.strip()

    def show(self, unit: str) -> Mapping[str, str]:
        """Return the properties of a unit."""
        lines = self.ctl("show", unit).splitlines()
        return dict(line.partition("=")[::2] for line in lines)

    def pid(self, unit: str) -> int:
        """Return the main process of a service as the machine counts it; 0 where there is none."""
        inside = self.show(unit)["MainPID"]
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                if f"\nNSpid:\t{status.parent.name}\t{inside}\n" in status.read_text():
                    return int(status.parent.name)
        return 0

    def end(self) -> None:
        """Kill the first process, and with it everything in its namespaces."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30.0)
        for group in sorted(self._group.rglob("*"), reverse=True):
            if group.is_dir():
                eventually(f"{group} is empty", lambda g=group: _removed(g), 20.0)
        eventually("its group is empty", lambda: _removed(self._group), 20.0)


def _removed(group: Path) -> bool:
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


@contextlib.contextmanager
def managed(folder: Path) -> Iterator[Manager]:
    """Give a systemd that is not started yet; end it and all it started."""
    manager = Manager(folder)
    try:
        yield manager
    finally:
        manager.end()
