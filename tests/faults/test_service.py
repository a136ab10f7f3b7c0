"""The units as a real systemd runs them, for a user of their own, confined as they are installed.

It needs root and a cgroup2 file system that can be written; elsewhere these tests fail and say so.
"""

import json
import os
import pwd
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.service_verb import place
from engine.units import units
from engine.workspace import Workspace
from tests import systemd
from tests.box import Box, copied, eventually, row
from tests.faults.restarts import knocking
from tests.systemd import Manager
from tests.traffic import missing, traffic

WATCHDOG_S = 5
SOCKET, SERVING, ENGINE = (
    f"cdml-box-{part}" for part in ("serving.socket", "serving.service", "engine.service")
)

# What is tried from inside a unit; only the first may be done.
TRIES = """
import ctypes, json, mmap, os, pathlib, socket, sys
from pathlib import Path
here = Path(sys.argv[0]).parent
def reach(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to:
        to.sendto(b"x", (address, 9))
def refused(code):
    if code == -1:
        raise OSError(ctypes.get_errno(), "refused")
libc = ctypes.CDLL(None, use_errno=True)
tries = {
    "the workspace": lambda: (here / "tried").write_text(""),
    "its parent": lambda: (here.parent / "x").write_text("x"),
    "etc": lambda: Path("/etc/cdml-test").write_text("x"),
    "raw sockets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "another machine": lambda: reach("192.0.2.1"),
    "code in memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    "a namespace": lambda: refused(libc.unshare(0x10000000)),
    "another user": lambda: os.setuid(0),
    "processes of others": lambda: Path("/proc/1/cmdline").read_bytes(),
}
found = {}
for what, act in tries.items():
    try:
        act()
        found[what] = "done"
    except (OSError, ValueError) as e:
        found[what] = str(e)
(here / "tried").write_text(json.dumps(found))
"""


@pytest.fixture
def kept(stock: Path) -> Iterator[tuple[Manager, Box]]:
    """A workspace of a user of its own, kept by systemd."""
    assert systemd.hindrance() is None, systemd.hindrance()
    # Others may not enter the folders of pytest.
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="cdml-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with copied(stock, folder / "box") as box, systemd.managed(folder / "systemd") as manager:
            user = next(u for u in pwd.getpwall() if u.pw_name not in ("root", "nobody"))
            for path in (box.path, *box.path.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
            for unit, text in units(place(Workspace(box.path), user=False)).items():
                manager.units.joinpath(unit).write_text(text, encoding="utf-8")
                assert f"User={user.pw_name}" in text or unit == SOCKET
            manager.start()
            manager.ctl("start", SOCKET, SERVING, ENGINE)
            yield manager, box


def again(manager: Manager, unit: str, former: int) -> None:
    """Wait until systemd has started a service again."""
    eventually(
        f"{unit} is there again",
        lambda: (
            manager.pid(unit) not in (0, former) and manager.show(unit)["ActiveState"] == "active"
        ),
    )


def tried(manager: Manager, box: Box) -> dict[str, str]:
    """Return what came of each try, confined as serving is."""
    (box.path / "try.py").write_text(TRIES, encoding="utf-8")
    text = manager.units.joinpath(SERVING).read_text(encoding="utf-8")
    began = text.index(" -m engine serve")
    text = f"{text[:began]} {box.path}/try.py\n{text[text.index('WatchdogSec') :]}"
    text = text.replace("Type=notify", "Type=oneshot").replace("Restart=always\n", "")
    manager.units.joinpath("tries.service").write_text(f"[Service]\n{text.split('[Service]')[1]}")
    manager.ctl("daemon-reload")
    manager.ctl("start", "tries.service")
    found: dict[str, str] = json.loads((box.path / "tried").read_text(encoding="utf-8"))
    return found


def test_started_again_under_load_by_systemd_nobody_is_refused(
    kept: tuple[Manager, Box], record_property: Callable[[str, object], None]
) -> None:
    manager, box = kept
    with knocking(box, 1) as anew, traffic(box) as clients:
        for _ in range(2):
            before, former = len(clients.answered), manager.pid(SERVING)
            manager.ctl("restart", SERVING)
            assert manager.pid(SERVING) != former
            eventually("it answers", lambda n=before: len(clients.answered) > n + 50)
    record_property("requests", len(clients.answered))
    record_property("slowest_s", round(anew[0].slowest, 2))
    assert clients.failed == []
    assert anew[0].failed == []
    assert all(answer.logged for answer in clients.answered)
    # What was answered last is loaded by an engine that ends after serving.
    manager.ctl("stop", SOCKET, SERVING)
    manager.ctl("stop", ENGINE)
    assert box.processes() == {}
    assert not any(missing(box, clients).values())


def test_confined_as_it_is_it_trains_and_copies_and_who_breaks_in_gets_nowhere(
    kept: tuple[Manager, Box],
) -> None:
    manager, box = kept
    for unit, said in ((SERVING, "late by v1"), (ENGINE, "late; no run")):
        eventually(f"{unit} says", lambda u=unit, s=said: s in manager.show(u)["StatusText"])
    assert box.predict(row("f-1"))[0] == 200
    box.ask("train", "late", "--wait")
    box.ask("backup")
    box.ask("promote", "late", "v2")
    looked = box.ask("doctor")
    assert [line for line in looked if line["state"] == "bad"] == []
    manager.ctl("reload", ENGINE)
    found = tried(manager, box)
    assert [what for what, came in found.items() if came == "done"] == ["the workspace"], found
    assert len(found) == 9
    run = box.ask("train", "late")["id"]
    job = eventually("it works", lambda: box.pid("job"))
    os.kill(job, signal.SIGSTOP)  # it must not end by itself meanwhile
    assert ENGINE in Path(f"/proc/{job}/cgroup").read_text()
    manager.ctl("stop", ENGINE)
    assert not box.pid("job")
    manager.ctl("start", ENGINE)
    # It was ended by its engine, in order, not by a signal from elsewhere.
    assert box.ask("job", run)["state"] == "cancelled"


def test_what_hangs_is_ended_and_started_again(kept: tuple[Manager, Box]) -> None:
    manager, box = kept
    for unit in (SERVING, ENGINE):
        manager.drop_in(unit, f"[Service]\nWatchdogSec={WATCHDOG_S}\n")
    manager.ctl("daemon-reload")
    for unit in (SERVING, ENGINE):
        manager.ctl("restart", unit)
        former = manager.pid(unit)
        os.kill(former, signal.SIGSTOP)
        again(manager, unit, former)
        assert manager.show(unit)["NRestarts"] == "1"
    assert box.predict(row("f-1"))[0] == 200
    # The port is systemd's: who stops serving alone has it started by the next client.
    manager.ctl("stop", SERVING)
    assert box.predict(row("f-2"))[0] == 200
    eventually("it answers", box.answers)
