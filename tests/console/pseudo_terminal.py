"""The console in a real pseudo-terminal: a child process, keys in, a screen read with pyte."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pyte

ROOT = Path(__file__).parents[2]
CONSOLE = (
    "import sys; from pathlib import Path; from cdml_tui.app import run;"
    "from cdml_tui.client import Client;"
    "sys.exit(run(Client(Path(sys.argv[1])), '/srv/flights'))"
)
_MODES = re.compile(rb"\x1b\[\?([0-9;]+)([hl])")
# pyte prints what it does not know: private key modes and the like.
_NOISE = re.compile(
    rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]+\$p|\x1b\][^\x07\x1b]*(\x07|\x1b\\)"
)
ON_AT_REST = {b"25", b"7"}


class PseudoTerminal:
    """One console in one terminal, or any other command."""

    def __init__(
        self,
        socket: Path,
        columns: int = 80,
        rows: int = 24,
        command: list[str] | None = None,
        **env: str,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.at_rest: list[Any] = termios.tcgetattr(slave)
        self._slave = slave
        around = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"}
        self.child = subprocess.Popen(
            command or [sys.executable, "-c", CONSOLE, str(socket)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**around, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **env},
        )

    def __enter__(self) -> "PseudoTerminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(30)
        for fd in (self._master, self._slave):
            if fd >= 0:
                os.close(fd)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def read(self, seconds: float) -> None:
        """Take in what comes for a while, but stop as soon as something came."""
        ready, _, __ = select.select([self._master], [], [], seconds)
        if ready:
            data = os.read(self._master, 65_536)
            self.raw += data
            self._stream.feed(_NOISE.sub(b"", data))

    def until(self, wanted: str, seconds: float = 30.0) -> float:
        """Wait for a text on the screen; return how long it took."""
        start = time.monotonic()
        while wanted not in self.text:
            assert time.monotonic() - start < seconds, f"no {wanted!r} in\n{self.text}"
            self.read(0.05)
        return time.monotonic() - start

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def hang_up(self) -> None:
        """Take the terminal away, as when the line breaks."""
        for fd in (self._master, self._slave):
            os.close(fd)
        self._master = self._slave = -1

    def hold(self) -> None:
        """Take nothing more, as after Ctrl-S."""
        termios.tcflow(self._slave, termios.TCOOFF)

    def signal(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def leave(self, seconds: float = 30.0) -> int:
        """Read on until the child has ended; return its exit code."""
        start = time.monotonic()
        while self.child.poll() is None:
            assert time.monotonic() - start < seconds, f"still running:\n{self.text}"
            self.read(0.02)
        self.read(0.05)
        return self.child.returncode

    def modes_not_put_back(self) -> set[bytes]:
        """Return the terminal modes that are not as they were found."""
        now: dict[bytes, bytes] = {}
        for numbers, state in _MODES.findall(self.raw):
            for number in numbers.split(b";"):
                now[number] = state
        return {n for n, state in now.items() if (state == b"h") != (n in ON_AT_REST)}

    def settings_put_back(self) -> bool:
        """Say whether the line settings (echo, raw) are as they were found."""
        return bool(termios.tcgetattr(self._slave) == self.at_rest)
