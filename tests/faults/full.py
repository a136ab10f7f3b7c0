"""Case 5: a disk of 64 MB runs full under load; a rollback is asked for; then there is room."""

import contextlib
import ctypes
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from cdml_tui.client import ConsoleError
from engine.wire import Change
from tests.box import Box, copied, eventually
from tests.faults.kills import said
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import losses, record, within
from tests.traffic import Traffic, traffic

LIBC = ctypes.CDLL(None, use_errno=True)
SMALL, LARGER, REMOUNT = b"size=64m,mode=755", b"size=192m,mode=755", 32
FULL_S = 4.0
ANSWERED, RECOVERED_S = 0.999, 10.0


@contextlib.contextmanager
def disk(folder: Path, options: bytes = SMALL) -> Iterator[Path]:
    """Give a small file system of its own, as only root may make one."""
    folder.mkdir(parents=True)
    if LIBC.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, options) != 0:
        raise PermissionError(f"mounting a small tmpfs: {os.strerror(ctypes.get_errno())}")
    try:
        yield folder
    finally:
        LIBC.umount2(bytes(folder), 2)


def fill(path: Path) -> None:
    """Leave not one byte free."""
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    assert shutil.disk_usage(path).free < 4096


def full(stock: Path, folder: Path) -> Outcome:
    """Fill the disk under load, roll back while it is full, and empty it again."""
    outcome = Outcome("5", "a full disk of 64 MB under load")
    with disk(folder) as small, copied(stock, small / "box") as box:
        box.up()
        box.ask("promote", "late", "v2", "--reason", "it passed")
        processes = {verb: box.pid(verb) for verb in ("run", "serve")}
        with traffic(box, 60.0) as clients:
            eventually("records are kept", lambda: clients.answered and clients.answered[-1].logged)
            fill(small / "ballast")
            eventually("the log is full", lambda: not clients.answered[-1].logged)
            since = time.monotonic()
            outcome.struck(rolled_back(box, clients))
            eventually("time passes", lambda: time.monotonic() > since + FULL_S)
            (small / "ballast").unlink()
            freed = time.monotonic()
            logged = within(lambda: clients.answered[-1].logged, 60.0)
            taken = within(lambda: changed(box), 60.0)
            recovered = time.monotonic() - freed
        asked = sum(len(p.asked) for p in clients.predictors)
        if None in (logged, taken):
            outcome.wrong.append("it does not recover by itself")
        if {verb: box.pid(verb) for verb in processes} != processes:
            outcome.wrong.append("a process died of the full disk")
        # Below 64 MB free nothing is loaded: what waits in the log is, once the disk has grown.
        LIBC.mount(b"tmpfs", bytes(small), b"tmpfs", REMOUNT, LARGER)
        box.down()
        outcome.wrong += said(losses(box, record(clients, [])))
    outcome.goal("answered", len(clients.answered) / asked, at_least=ANSWERED)
    outcome.goal("recovered s", recovered, at_most=RECOVERED_S)
    outcome.figures |= {"asked": asked, "unlogged": sum(not a.logged for a in clients.answered)}
    outcome.failed = int(bool(outcome.wrong))
    return outcome


def rolled_back(box: Box, clients: Traffic) -> list[str]:
    """Ask for a rollback; return what is wrong with what came of it."""
    free = shutil.disk_usage(box.path).free
    try:
        answer = box.control.change("rollback", "late", Change("full", reason="the disk is full"))
    except ConsoleError as fault:
        return [f"with {free} bytes free a rollback is refused: {fault.message}"]
    old = within(lambda: clients.answered[-1].version == "v1", 5.0)
    return [] if answer.to == "v1" and old is not None else [f"rolled back: {answer}"]


def changed(box: Box) -> bool:
    """Say whether a change is taken again."""
    try:
        box.control.change("undo", "late", Change("room", reason="there is room again"))
    except ConsoleError:
        return False
    return True


CASES: dict[str, Case] = {"5": full}
