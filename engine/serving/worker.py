"""One worker as its keeper sees it: a process that is started, asked and ended."""

import asyncio
import contextlib
import math
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from engine.serving.control import Here, Ping, ask
from engine.workspace import Workspace

SLICE_S = 0.05


class Place(NamedTuple):
    """What a worker is told: its number, the handles it inherits, whose end is its own."""

    worker: int
    port_fd: int
    seats_fd: int
    keeper: int

    def arguments(self) -> list[str]:
        """Return this as arguments of `python -m engine serve`."""
        return [f"--{name.replace('_', '-')}={value}" for name, value in self._asdict().items()]

    def socket(self, workspace: Workspace) -> Path:
        """Return where it is asked."""
        return workspace.run / f"worker-{self.worker}.sock"


class Worker:
    """A started process; to be made on the main thread, since it dies with who made it."""

    def __init__(
        self, place: Place, path: Path, command: list[str], environment: Mapping[str, str]
    ) -> None:
        self.number = place.worker
        self.path = path
        self.ended = asyncio.Event()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=(place.port_fd, place.seats_fd),
            env=environment,
        )
        self._handle = os.pidfd_open(self._process.pid)
        asyncio.get_running_loop().add_reader(self._handle, self._reap)

    def __str__(self) -> str:
        return f"worker {self.number}, pid {self._process.pid}"

    @property
    def code(self) -> int | None:
        """Return the exit code once it has ended."""
        return self._process.returncode

    def kill(self) -> None:
        """End it now; a process that has ended already is left alone."""
        self._process.kill()

    def terminate(self) -> None:
        """Have it drain and end."""
        self._process.terminate()

    async def answers(self, within_s: float) -> bool:
        """Say whether it answers a ping.

        The wait is in slices: while the machine gives this process no time, only one passes.
        """
        pinging = asyncio.create_task(ask(self.path, Ping(), Here))
        for _ in range(math.ceil(within_s / SLICE_S)):
            await asyncio.wait({pinging}, timeout=SLICE_S)
            if pinging.done():
                return pinging.exception() is None
        pinging.cancel()
        return False

    async def ends_within(self, seconds: float) -> bool:
        """Wait until it has ended, or for so long; say whether it has."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), seconds)
        return self.ended.is_set()

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        self._process.wait()
        self.ended.set()
