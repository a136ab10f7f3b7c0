"""The files in which several workers count: each has its own, and any of them adds all up.

A worker that replaces another goes on in its files, so that no counter ever falls.
"""

import os
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Room for thousands of series. It is taken beforehand: growing a mapped file on a full disk kills.
_COUNTS = {"counter": 2**20, "histogram": 2**20}
_GAUGES = {"gauge_min": 2**16, "gauge_sum": 2**16, "gauge_mostrecent": 2**16}
# How much of a file is in use stands at its beginning.
_UNUSED = bytes(8)


def prepare(folder: Path, workers: int) -> bool:
    """Make the files anew; False where there is no room, and then each worker counts alone."""
    try:
        folder.mkdir(mode=0o750, exist_ok=True)
        for path in folder.glob("*.db"):
            path.unlink()
        for worker in range(workers):
            for kind, size in (_COUNTS | _GAUGES).items():
                _reserve(folder / f"{kind}_{worker}.db", size)
    except OSError:
        return False
    return True


def forget_gauges(folder: Path, worker: int) -> None:
    """Empty what a dead worker said of its present state; what it counted stays."""
    for kind in _GAUGES:
        with (folder / f"{kind}_{worker}.db").open("r+b") as file:
            file.write(_UNUSED)


def _reserve(path: Path, size: int) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
    try:
        os.posix_fallocate(handle, 0, size)
    finally:
        os.close(handle)
