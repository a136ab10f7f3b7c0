"""Tells people who do not look: one thread a target, so that a slow one keeps nobody waiting."""

import contextlib
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from zoneinfo import ZoneInfo

import msgspec

from engine.clock import Clock, iso
from engine.errors import CdmlError
from engine.quantities import duration
from engine.settings import Settings
from engine.settings_notify import TargetSettings, hours
from engine.telemetry import errand, secrets
from engine.telemetry.outbox import Message, Outbox, Rule
from engine.telemetry.post import Letter
from engine.wire import EventRow, NotifyRow

RETRY_S = (5.0, 30.0, 120.0, 600.0)
LOOK_S = 1.0
CLOSE_S = 2.0
QUEUE = 1000
_KINDS = {"INFO": "info", "ACT": "info", "WARN": "warning", "CRIT": "failure"}
log = logging.getLogger("cdml.notify")
Tell = Callable[[str, str], None]


class Target:
    """One who is told. `tell` says in the engine's own events that this does not work, once."""

    def __init__(self, name: str, settings: Settings, root: Path, clock: Clock, tell: Tell) -> None:
        wanted = settings.notify
        self._name = name
        self._own: TargetSettings = wanted.targets[name]
        self._workspace = settings.workspace.name
        self._root = root
        self._secrets = root / wanted.secrets
        self._deadline_s = duration(wanted.deadline) / timedelta(seconds=1)
        self._clock = clock
        self._tell = tell
        self._outbox = Outbox(
            Rule(
                self._own.level,
                frozenset(self._own.kinds),
                duration(wanted.throttle),
                hours(wanted.quiet) if wanted.quiet else None,
                ZoneInfo(settings.workspace.timezone),
            )
        )
        self._queue: Queue[EventRow] = Queue(QUEUE)
        self._ending = Event()
        self._sent = self._failed = self._lost = 0
        self._last: str | None = None
        self._missing = ""
        self._thread = Thread(target=self._loop, daemon=True, name=f"notify-{name}")
        self._thread.start()

    def offer(self, fact: EventRow) -> None:
        """Take a fact without waiting; what there is no room for is counted."""
        try:
            self._queue.put_nowait(fact)
        except Full:
            self._lost += 1

    def close(self) -> None:
        """End; what still waits is not told any more."""
        self._ending.set()
        self._thread.join(timeout=CLOSE_S)

    def row(self) -> NotifyRow:
        """Return how it stands."""
        return NotifyRow(
            self._name,
            "exec" if self._own.exec else "url",
            self._own.level,
            list(self._own.kinds),
            self._sent,
            self._failed,
            self._lost + self._outbox.dropped,
            self._queue.qsize() + self._outbox.waiting(),
            self._last,
            self._missing,
        )

    def test(self, fact: EventRow) -> NotifyRow:
        """Tell a fact at once, whatever is wanted; return how it stands now."""
        self._deliver(Message(fact.level, (fact,)))
        return self.row()

    def _loop(self) -> None:
        while not self._ending.is_set():
            with contextlib.suppress(Empty):
                self._outbox.add(self._queue.get(timeout=LOOK_S))
                while True:
                    self._outbox.add(self._queue.get_nowait())
            for message in self._outbox.take(self._clock.wall()):
                self._persist(message)

    def _persist(self, message: Message) -> None:
        """Try until it is told or hopeless; what comes meanwhile is gathered."""
        for pause in (*RETRY_S, 0.0):
            if self._deliver(message) or self._ending.wait(pause):
                return
        self._lost += len(message.facts) + message.more

    def _deliver(self, message: Message) -> bool:
        try:
            self._send(message)
        except CdmlError as e:
            found = e.message
        except Exception as e:  # noqa: BLE001 - the edge of a thread: said, without what it holds
            found = f"{type(e).__name__} met"
        else:
            self._sent += 1
            self._last = iso(self._clock.wall())
            if self._missing:
                self._missing = ""
                self._tell("INFO", f'"{self._name}" is told again')
            return True
        self._failed += 1
        if not self._missing:
            self._tell(
                "WARN",
                f'"{self._name}" could not be told: {found}. It is tried again; look with '
                "cdml notify",
            )
        self._missing = found
        return False

    def _send(self, message: Message) -> None:
        if self._own.exec:
            content = msgspec.json.encode(
                {
                    "workspace": self._workspace,
                    "level": message.level,
                    "recovered": message.recovered,
                    "more": message.more,
                    "facts": message.facts,
                }
            )
            errand.run(self._own.exec, content, self._deadline_s, self._root, self._ending)
            return
        letter = Letter(
            secrets.of_target(self._secrets, self._name),
            _title(self._workspace, message),
            _body(message),
            "success" if message.recovered else _KINDS[message.level],
        )
        errand.run(
            errand.POST, msgspec.json.encode(letter), self._deadline_s, self._root, self._ending
        )


def _title(workspace: str, message: Message) -> str:
    first = message.facts[0]
    about = f"{first.model} {first.kind}" if first.model else first.kind
    level = "over" if message.recovered else message.level
    return f"cdml {workspace}: {level} {about}"


def _body(message: Message) -> str:
    lines = [f"{f.time[:19]}Z {f.text}" for f in message.facts]
    if message.more:
        lines.append(f"and {message.more} more; look with cdml events")
    return "\n".join(lines)
