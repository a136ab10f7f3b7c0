"""The console over a bad line: 150 ms there and back, 4 KB/s, as an SSH session would show it."""

import contextlib
import os
import select
import time
from collections import deque
from collections.abc import Callable

from tests.bench.box import Box
from tests.bench.figure import Figure, median, quantile
from tests.bench.process import CDML
from tests.bench.terminal import Terminal

ROUND_TRIP_S = 0.150
BYTES_PER_S = 4000
KEYS = 30
STARTS = 3


class SlowTerminal(Terminal):
    """A terminal at the far end of a line; what is typed and what is drawn takes its time.

    The kernel and the shell daemon take in what the console writes at once, as they do: the line
    behind them is what is slow.
    """

    def __init__(self, command: list[str]) -> None:
        self._typed: deque[tuple[float, bytes]] = deque()
        self._sent: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0
        super().__init__(command)

    def press(self, keys: str) -> None:
        """Type; it arrives half a round trip later."""
        self._typed.append((time.monotonic() + ROUND_TRIP_S / 2, keys.encode()))

    def read(self, seconds: float) -> bool:
        """Let the line carry for a time; return whether something was drawn."""
        end, drawn = time.monotonic() + seconds, False
        while True:
            self._type()
            ready, _, _ = select.select([self._master], [], [], 0.005)
            if ready:
                with contextlib.suppress(OSError):
                    self._send(os.read(self._master, 65_536))
            drawn = self._draw() or drawn
            if drawn or time.monotonic() >= end:
                return drawn

    def _type(self) -> None:
        while self._typed and self._typed[0][0] <= time.monotonic():
            with contextlib.suppress(OSError):
                os.write(self._master, self._typed.popleft()[1])

    def _send(self, data: bytes) -> None:
        """Put what was written onto the line, in pieces as it can carry them."""
        for at in range(0, len(data), 200):
            piece = data[at : at + 200]
            self._free_at = max(self._free_at, time.monotonic()) + len(piece) / BYTES_PER_S
            self._sent.append((self._free_at + ROUND_TRIP_S / 2, piece))

    def _draw(self) -> bool:
        came = b""
        while self._sent and self._sent[0][0] <= time.monotonic():
            came += self._sent.popleft()[1]
        self.take(came)
        return bool(came)

    def answer(self, reply: bytes) -> None:
        """Send the terminal's own answer, which travels like a key."""
        self.press(reply.decode())


def measure(box: Box, drawn: Callable[[str], bool]) -> list[Figure]:
    """Start over the bad line, and press keys once the screen has arrived."""
    ready: list[float] = []
    keys: list[float] = []
    slow = 0
    for _ in range(STARTS):
        with SlowTerminal([*CDML, "-w", str(box.workspace)]) as terminal:
            ready.append(terminal.until(drawn, 30.0) - terminal.began)
            terminal.settle(1.0, 10.0)
            slow += "slow link" in terminal.text
            for at in range(KEYS // STARTS):
                terminal.settle(0.5, 3.0)
                before, pressed = terminal.text, time.monotonic()
                terminal.press("jk"[at % 2])
                changed = terminal.until(lambda text, was=before: text != was, 10.0)  # type: ignore[misc]
                keys.append((changed - pressed) * 1000)
    where = "at 150 ms and 4 KB/s"
    return [
        median(f"ready, {where}", ready, "s", 4),
        median(f"key to changed screen, {where}", keys, "ms"),
        quantile(f"key to changed screen, {where}", keys, 95, "ms", 400),
        Figure(f"starts that said slow link, {where}", slow, "starts", STARTS),
    ]
