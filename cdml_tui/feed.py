"""Keeps the screen's data fresh: follows the engine's events and fetches the state on its hints.

Two daemon threads and nothing but messages out; it never touches a widget. One thread listens,
the other fetches, so that hints which come faster than they are wanted melt into one.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from textual.message import Message

from cdml_tui.client import Client, ConsoleError
from engine import wire

COALESCE_S = 0.45
SLOW_S = 5.0
# Whoever waits for a machine to come back sees it within three seconds.
BACKOFF_S = (0.5, 1.0, 2.0)
# Who has no role is answered, with one of these.
_BARRED = (401, 403)


class SnapshotCame(Message):
    """A fresh state of the engine."""

    def __init__(self, snapshot: wire.State, at: float) -> None:
        super().__init__()
        self.snapshot = snapshot
        self.at = at


class HeartbeatCame(Message):
    """A sign of life."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at


class LinkLost(Message):
    """The engine does not answer, or answers only that it may not."""

    def __init__(self, why: str, at: float, *, barred: bool = False) -> None:
        super().__init__()
        self.why = why
        self.at = at
        self.barred = barred


class Feed:
    """One feed from one engine to one console."""

    def __init__(
        self,
        client: Client,
        post: Callable[[Message], Any],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._post = post
        self._monotonic = monotonic
        self._stop = threading.Event()
        self._wanted = threading.Event()
        self._last_id: int | None = None
        self._heard = False
        self._fetching = threading.Lock()
        self._hurry = threading.Event()
        self._every_s = COALESCE_S

    def start(self) -> None:
        """Begin to listen."""
        for work in (self._listen, self._fetch_on_hints):
            threading.Thread(target=work, name=f"feed{work.__name__}", daemon=True).start()

    def stop(self) -> None:
        """End; a thread that waits for the network is left to die with the process."""
        self._stop.set()
        self._wanted.set()
        self._hurry.set()

    def refresh(self) -> None:
        """Have a fresh state fetched soon, on a slow line too: somebody waits for it."""
        self._wanted.set()
        if self._every_s > COALESCE_S:
            self._hurry.set()

    def spare(self, *, slow: bool) -> None:
        """Fetch seldom while the line to the terminal is slow."""
        self._every_s = SLOW_S if slow else COALESCE_S

    def _listen(self) -> None:
        """Hold the event stream; on a loss wait a little longer each time, then begin again."""
        failures = 0
        while not self._stop.is_set():
            self._heard = False
            self._guarded(self._follow)
            failures = 0 if self._heard else failures
            self._stop.wait(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            failures += 1

    def _follow(self) -> None:
        self._fetch()
        for item in self._client.events(self._last_id):
            if self._stop.is_set():
                return
            self._heard = True
            self._last_id = item.id if item.id is not None else self._last_id
            self._tell(HeartbeatCame(self._monotonic()))
            if item.kind != "keep":
                self._wanted.set()

    def _guarded(self, work: Callable[[], None]) -> bool:
        """Work until the link breaks, and say so; return whether it did not."""
        try:
            work()
            return True
        except ConsoleError as lost:
            barred = lost.status in _BARRED
            self._tell(LinkLost(lost.message, self._monotonic(), barred=barred))
        except Exception as fault:  # noqa: BLE001 - a worker that dies would leave a frozen screen
            self._tell(LinkLost(f"The feed failed: {fault!r}. It tries again.", self._monotonic()))
        return False

    def _fetch_on_hints(self) -> None:
        while not self._stop.is_set():
            self._wanted.wait()
            self._wanted.clear()
            self._hurry.clear()
            if self._stop.is_set():
                return
            fetched = self._guarded(self._fetch)
            self._hurry.wait(self._every_s if fetched else BACKOFF_S[1])
            if not fetched:
                self._wanted.set()

    def _fetch(self) -> None:
        # One at a time, so that an older state never comes after a newer one.
        with self._fetching:
            snapshot = self._client.state()
            if self._last_id is None:
                self._last_id = snapshot.event_id
            self._tell(SnapshotCame(snapshot, self._monotonic()))

    def _tell(self, message: Message) -> None:
        if not self._stop.is_set():
            # The console may close between the question and the post.
            with suppress(RuntimeError):
                self._post(message)
