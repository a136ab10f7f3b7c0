"""A console in a pseudo-terminal: started, watched byte by byte, and drawn with pyte."""

import contextlib
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable

import pyte

from tests.bench.process import environment

# What a present-day terminal answers when the console asks what it can.
_REPLIES = {
    b"\x1b[?2026$p": b"\x1b[?2026;2$y",
    b"\x1b[?2048$p": b"\x1b[?2048;0$y",
    b"\x1b[c": b"\x1b[?62;22c",
}
# pyte prints what it does not know.
_UNKNOWN = re.compile(
    rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]+\$p|\x1b\][^\x07\x1b]*(\x07|\x1b\\)"
)


class Terminal:
    """One program in one terminal; `bytes` counts what it wrote."""

    def __init__(self, command: list[str], columns: int = 80, rows: int = 24) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.bytes = 0
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        around = {**environment(), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        for name in ("NO_COLOR", "COLORTERM", "TEXTUAL"):
            around.pop(name, None)
        self.began = time.monotonic()
        self.child = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=around
        )
        os.close(slave)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.press("qq")
        with contextlib.suppress(subprocess.TimeoutExpired):
            end = time.monotonic() + 3
            while self.child.poll() is None and time.monotonic() < end:
                self.read(0.05)
            self.child.wait(0)
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self._master)

    @property
    def text(self) -> str:
        """The screen as it is now."""
        return "\n".join(self.screen.display)

    def press(self, keys: str) -> None:
        """Send keys."""
        with contextlib.suppress(OSError):
            os.write(self._master, keys.encode())

    def read(self, seconds: float) -> bool:
        """Take in what comes within a time; return whether something did."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, seconds))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # the other end is closed: the program has ended
            time.sleep(min(0.01, max(0.0, seconds)))
            return False
        self.take(data)
        return True

    def take(self, data: bytes) -> None:
        """Draw what came, and answer what it asks."""
        self.bytes += len(data)
        for question, reply in _REPLIES.items():
            for _ in range(data.count(question)):
                self.answer(reply)
        self._stream.feed(_UNKNOWN.sub(b"", data))

    def answer(self, reply: bytes) -> None:
        """Send the terminal's own answer to a question."""
        with contextlib.suppress(OSError):
            os.write(self._master, reply)

    def until(self, shown: Callable[[str], bool], seconds: float = 15.0) -> float:
        """Wait until the screen shows something; return the moment it did."""
        end = time.monotonic() + seconds
        while not shown(self.text):
            if time.monotonic() > end:
                raise TimeoutError(f"not shown within {seconds:g} s; the screen is\n{self.text}")
            self.read(0.05)
        return time.monotonic()

    def settle(self, quiet_s: float = 0.4, seconds: float = 5.0) -> None:
        """Read until nothing came for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.read(quiet_s):
            pass

    def watch(self, seconds: float) -> int:
        """Read for a time; return how many bytes came."""
        before, end = self.bytes, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)
        return self.bytes - before
