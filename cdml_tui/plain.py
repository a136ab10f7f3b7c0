"""The line mode: one plain line for every change, for screen readers, logs and dumb terminals.

One thread listens to the engine, one looks whether anybody still reads; both put what they find
into one queue, and the caller's thread says it.
"""

import os
import select
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import FrameType

import msgspec

from cdml_tui.client import Client, ConsoleError
from cdml_tui.output import json_line, line
from cdml_tui.panes.spoken import Level, Said, changes, of_event, sentence, summary
from cdml_tui.streaming import StreamItem
from engine import wire

BACKOFF_S = (0.5, 1.0, 2.0)
# Hints that come faster melt into one look.
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Lost:
    """The link broke, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Nobody reads any more, or somebody said stop."""

    code: int


Found = StreamItem | Lost | Ended


def write(said: Said, *, as_json: bool) -> None:
    """Write one thing that is said."""
    if as_json:
        json_line(said)
    else:
        line(sentence(said))


def follow(client: Client, *, as_json: bool) -> int:
    """Say everything once, then every change, until the reader is gone; return the exit code."""
    came: SimpleQueue[Found] = SimpleQueue()
    mode = Mode(client, lambda said: write(said, as_json=as_json))
    with _signals(came):
        for work in (lambda: _listen(client, mode, came), lambda: _watch_reader(came)):
            threading.Thread(target=work, daemon=True).start()
        return mode.run(came)


class Mode:
    """What has been said so far."""

    def __init__(
        self,
        client: Client,
        say: Callable[[Said], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._say = say
        self._monotonic = monotonic
        self.last: int | None = None
        self._state: wire.State | None = None
        self._lost_at: float | None = None
        # While our own stream is not known to be among those who look, nobody comes or goes.
        self._heard = False
        self._joining = True
        self._wanted = False
        self._looked_at = float("-inf")

    def run(self, came: "SimpleQueue[Found]") -> int:
        """Say what comes until the end of it."""
        while True:
            with suppress(Empty):
                found = came.get(timeout=self._wait_s())
                if isinstance(found, Ended):
                    return found.code
                self.take(found)
            if self._wait_s() == 0.0:
                self.look()

    def take(self, found: StreamItem | Lost) -> None:
        """Take in one sign from the engine, or that there is none."""
        self._heard = isinstance(found, StreamItem)
        if isinstance(found, Lost):
            self._joining = True
            self._lose(found.why)
            return
        event = found.event
        # What happened before the first look is part of it.
        if event is not None and self.last is not None and event.id > self.last:
            self.last = event.id
            self._say(of_event(event))
        known = self._state is not None and self._lost_at is None
        self._wanted = self._wanted or not known or found.kind != "keep"

    def look(self) -> None:
        """Fetch the state and say what is new in it."""
        self._wanted, self._looked_at = False, self._monotonic()
        try:
            state = self._client.state()
        except ConsoleError as lost:
            self._lose(lost.message)
            self._wanted = True
            return
        before, self._state = self._state, state
        self.last = state.event_id if self.last is None else self.last
        away, self._lost_at = self._lost_at, None
        joining, self._joining = self._joining, self._joining and not self._heard
        if before is None:
            for said in summary(state):
                self._say(said)
            return
        if away is not None:
            for_s = self._monotonic() - away
            self._tell("INFO", f"the engine answers again after {for_s:.0f} s")
        if joining:
            before = msgspec.structs.replace(before, onlookers=state.onlookers)
        for said in changes(before, state):
            self._say(said)

    def _wait_s(self) -> float | None:
        """Return how long to wait for the next sign; 0 where it is time for a look."""
        if not self._wanted:
            return None
        return max(0.0, self._looked_at + LOOK_S - self._monotonic())

    def _lose(self, why: str) -> None:
        if self._lost_at is not None:
            return
        self._lost_at = self._monotonic()
        known = "what was said last may be out of date" if self._state else "nothing is known yet"
        self._tell("CRIT", f"link lost: {why} Trying again; {known}.")

    def _tell(self, level: Level, text: str) -> None:
        # The engine is silent, but its clock is this machine's.
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._say(Said(at, level, "link", None, text))


def _listen(client: Client, mode: Mode, came: "SimpleQueue[Found]") -> None:
    """Hold the event stream; on a loss wait a little longer each time, then begin again."""
    failures = 0
    while True:
        try:
            for item in client.events(mode.last):
                failures = 0
                came.put(item)
        except ConsoleError as lost:
            came.put(Lost(lost.message))
        except Exception as fault:  # noqa: BLE001 - a listener that dies would say nothing for ever
            came.put(Lost(f"Following the events failed: {fault!r}."))
        time.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
        failures += 1


# ---------------------------------------------------------------- who reads


def _watch_reader(came: "SimpleQueue[Found]") -> None:
    """Wait until stdin ends or stdout has nobody behind it."""
    poll = select.poll()
    poll.register(1, 0)
    if _worth_reading(0):
        poll.register(0, select.POLLIN)
    gone = select.POLLERR | select.POLLHUP | select.POLLNVAL
    while True:
        for fd, flags in poll.poll():
            if fd == 0 and flags & select.POLLIN and _read(0):
                continue
            if flags & (gone | select.POLLIN):
                came.put(Ended(0))
                return


def _worth_reading(fd: int) -> bool:
    """Say whether the end of a stream means something: of a pipe, or of a terminal that is ours."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    if not os.isatty(fd):
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
    try:
        # Reading our terminal from the background would stop us.
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return True  # a terminal, but not the one that controls us


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""


@contextmanager
def _signals(came: "SimpleQueue[Found]") -> Iterator[None]:
    """End on TERM and HUP with the code that a shell expects; nohup has us outlive a HUP."""

    def end(number: int, _: FrameType | None) -> None:
        came.put(Ended(128 + number))

    ours = (signal.SIGTERM, signal.SIGHUP)
    heeded = [sign for sign in ours if signal.getsignal(sign) is not signal.SIG_IGN]
    before = {sign: signal.signal(sign, end) for sign in heeded}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
