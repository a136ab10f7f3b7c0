"""A program in a pseudo-terminal of 80x24, seen as bytes and times. Draws nothing."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from types import TracebackType


class PseudoTerminal:
    """One program on a terminal of its own; ended when the block is left."""

    def __init__(self, command: list[str], columns: int = 80, rows: int = 24) -> None:
        self.started = time.monotonic()
        self.seen = b""
        self._fd, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._program = subprocess.Popen(
            command,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(inner)

    def __enter__(self) -> "PseudoTerminal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._program.terminate()
        self.read_for(0.5)
        os.close(self._fd)
        self._program.wait(5)

    def read_for(self, seconds: float, until: bytes | None = None, quiet_s: float = 0) -> float:
        """Read for so long, until a text is seen, or until nothing came for `quiet_s`.

        Return the seconds since the start at which the last byte came.
        """
        last = time.monotonic()
        end = last + seconds
        while (now := time.monotonic()) < end:
            if select.select([self._fd], [], [], min(0.02, end - now))[0]:
                try:
                    more = os.read(self._fd, 65536)
                except OSError:
                    break
                self.seen += more
                last = time.monotonic()
            if until is not None and until in self.seen:
                break
            if quiet_s and time.monotonic() - last > quiet_s:
                break
        return last - self.started
