"""Textual's driver for a line that may be slow: it is timed, and one frame at most is on its way.

Textual writes in a thread of its own from a queue of thirty; when that is full a key waits behind
paint. What a kernel, a shell daemon and a network take in at once says little of when it is seen,
so where the terminal answers questions one is sent behind a frame, and its answer timed.
"""

import asyncio
import select
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message
from textual.messages import TerminalSupportsSynchronizedOutput

SLOW_S = 0.3
# So many quick ones in a row, and the line counts as fast again.
RECOVERED = 3
# A local terminal takes a frame within a few ms.
HELD_S = 0.05
# A terminal that once answers nothing for so long is asked nothing more.
UNANSWERED_S = 5.0
QUESTION = "\x1b[?2026$p"
HUNG_UP = 129


class LinkTimed(Message):
    """The terminal has taken what was on its way; `slow` is what that says of the line."""

    def __init__(self, *, slow: bool) -> None:
        super().__init__()
        self.slow = slow


class Pace:
    """Whether the line is slow, from how long it took each time."""

    def __init__(self) -> None:
        self.slow = False
        self._quick = 0

    def took(self, seconds: float) -> bool:
        """Take in one more time; return whether the line is slow now."""
        self._quick = 0 if seconds > SLOW_S else self._quick + 1
        self.slow = seconds > SLOW_S or (self.slow and self._quick < RECOVERED)
        return self.slow


class TimedFile:
    """The terminal's file as the writing thread sees it; times from the first byte to the flush.

    A terminal that is gone takes everything: the end of it is noticed elsewhere.
    """

    def __init__(
        self,
        file: TextIO,
        told: Callable[[float], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._told = told
        self._monotonic = monotonic
        self._began: float | None = None

    def write(self, text: str) -> int:
        """Write a part of a frame."""
        if self._began is None:
            self._began = self._monotonic()
        with suppress(OSError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Push a frame out, however long the terminal takes for it."""
        began = self._began
        with suppress(OSError):
            self._file.flush()
        self._began = None
        if began is not None:
            self._told(self._monotonic() - began)

    def on_its_way_s(self) -> float:
        """Return for how long the terminal has not taken what was written; 0 where it has."""
        began = self._began
        return 0.0 if began is None else self._monotonic() - began

    def fileno(self) -> int:
        """Return the number of the file."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Say whether this is a terminal."""
        return self._file.isatty()


class LinkDriver(LinuxDriver):
    """Textual's driver, with a stopwatch at its output and an eye on the end of its input."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pace = Pace()
        self._timed = TimedFile(sys.__stderr__ or sys.stderr, self._flushed)
        self._file = self._timed  # type: ignore[assignment]
        self._answers = False
        self._asked_at: float | None = None

    def start_application_mode(self) -> None:
        """Take over the terminal, and see to it that its end is noticed."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._await_end, args=(loop,), daemon=True).start()

    @property
    def busy(self) -> bool:
        """Say whether the terminal has yet to take a frame."""
        asked_at = self._asked_at
        late = asked_at is not None and SLOW_S < time.monotonic() - asked_at < UNANSWERED_S
        return late or self._timed.on_its_way_s() > HELD_S

    def flush(self) -> None:
        """End a frame, with a question behind it where the terminal answers such."""
        now, asked_at = time.monotonic(), self._asked_at
        if asked_at is not None and now - asked_at > UNANSWERED_S:
            self._answers, self._asked_at = False, None
        elif self._answers and asked_at is None and not self.exit_event.is_set():
            self._asked_at = now
            self.write(QUESTION)

    def process_message(self, message: Message) -> None:
        """Take in the terminal's answers on the way to the application."""
        if isinstance(message, TerminalSupportsSynchronizedOutput):
            asked_at, self._asked_at = self._asked_at, None
            if asked_at is not None:
                self._took(time.monotonic() - asked_at)
            if self._answers:
                return
            self._answers = True
        super().process_message(message)

    def _flushed(self, seconds: float) -> None:
        if not self._answers or seconds > SLOW_S:
            self._took(seconds)

    def _took(self, seconds: float) -> None:
        was = self._pace.slow
        slow = self._pace.took(seconds)
        if slow or was or seconds > HELD_S:
            self._app.post_message(LinkTimed(slow=slow))

    def _await_end(self, loop: asyncio.AbstractEventLoop) -> None:
        """Leave when the line is gone: without a HUP Textual would read its end for ever."""
        poll = select.poll()
        poll.register(self.fileno, 0)
        poll.poll()
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._app.exit, HUNG_UP)
