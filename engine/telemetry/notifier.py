"""Tells people who do not look: one thread a target, so that a slow one keeps nobody waiting.

What is to be told is read from the record of events, and what was told is noted there: neither a
restart nor a target that is down for hours loses a page.
"""

import logging
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from zoneinfo import ZoneInfo

import msgspec

from engine.clock import Clock, iso
from engine.errors import CdmlError
from engine.quantities import duration
from engine.settings import Settings
from engine.settings_notify import TargetSettings, hours
from engine.telemetry import errand, secrets
from engine.telemetry.again import Again
from engine.telemetry.outbox import Message, Outbox, Rule
from engine.telemetry.post import Letter
from engine.telemetry.progress import Progress, Record
from engine.wire import EventRow, NotifyRow

LOOK_S = 1.0
CLOSE_S = 2.0
UNWRITTEN = 100
_KINDS = {"INFO": "info", "ACT": "info", "WARN": "warning", "CRIT": "failure"}
log = logging.getLogger("cdml.notify")
Tell = Callable[[str, str], None]
Stands = Callable[[EventRow], bool]


class Target:
    """One who is told. `tell` says in the engine's own events that this does not work, once.

    `stands` says whether something is left of what a fact says is over.
    """

    def __init__(
        self, name: str, settings: Settings, root: Path, clock: Clock, record: Record,
        tell: Tell, stands: Stands = lambda _: False,
    ) -> None:  # fmt: skip
        wanted = settings.notify
        self._name = name
        self._own: TargetSettings = wanted.targets[name]
        self._workspace = settings.workspace.name
        self._root = root
        self._secrets = root / wanted.secrets
        self._deadline_s = duration(wanted.deadline) / timedelta(seconds=1)
        self._clock = clock
        self._progress = Progress(record, name)
        self._tell = tell
        self._stands = stands
        self._outbox = Outbox(
            Rule(
                self._own.level,
                frozenset(self._own.kinds),
                duration(wanted.throttle),
                hours(wanted.quiet) if wanted.quiet else None,
                ZoneInfo(settings.workspace.timezone),
            )
        )
        self._again = Again()
        self._unwritten: deque[EventRow] = deque(maxlen=UNWRITTEN)
        self._news, self._ending = Event(), Event()
        self._sent = self._failed = 0
        self._last: str | None = None
        self._missing = ""
        self._thread = Thread(target=self._loop, daemon=True, name=f"notify-{name}")
        self._thread.start()

    def offer(self, fact: EventRow) -> None:
        """Hear that there is a fact, without waiting; one that could not be written comes along."""
        if not fact.id:
            self._unwritten.append(fact)
        self._news.set()

    def close(self) -> None:
        """End; what still waits is told after the next start."""
        self._ending.set()
        self._news.set()
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
            self._again.dropped + self._outbox.dropped,
            self._again.waiting() + self._outbox.waiting(),
            self._last,
            self._missing,
        )

    def test(self, fact: EventRow) -> NotifyRow:
        """Tell a fact at once, whatever is wanted; return how it stands now."""
        self._deliver(Message(fact.level, (fact,)))
        return self.row()

    def _loop(self) -> None:
        unwritable = ""
        while not self._ending.is_set():
            try:
                self._look()
                unwritable = ""
            except CdmlError as e:
                if e.message != unwritable:
                    log.warning('telling "%s": %s', self._name, e.message)
                unwritable = e.message
            except Exception:  # the edge of a thread: who is to be told is told later
                log.exception('telling "%s"', self._name)
            self._news.wait(LOOK_S)
            self._news.clear()

    def _look(self) -> None:
        """Take what is new, tell what may be told now, note how far that went."""
        for fact, waits in self._progress.past():
            (self._take if waits else self._recall)(fact)
        while self._unwritten:
            self._take(self._unwritten.popleft())
        for fact in self._progress.fresh():
            self._take(fact)
        for message in self._outbox.take(self._clock.wall()):
            if self._again.holds(message) or not self._deliver(message):
                self._again.put(message, self._clock.monotonic())
        for message in self._again.due(self._clock.monotonic()):
            arrived = self._deliver(message)
            settle = self._again.arrived if arrived else self._again.failed
            settle(message, self._clock.monotonic())
        self._progress.note({*self._outbox.ids(), *self._again.ids()})

    def _take(self, fact: EventRow) -> None:
        # That we could not be told is for the others.
        if not (fact.kind == "notify" and fact.text.startswith(f'"{self._name}" ')):
            self._outbox.add(fact, left=self._stands(fact))

    def _recall(self, fact: EventRow) -> None:
        self._outbox.recall(fact, left=self._stands(fact))

    def _deliver(self, message: Message) -> bool:
        if self._ending.is_set():
            return False
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
        if self._ending.is_set():
            return False  # it was broken off: that is no fault of the target's
        self._failed += 1
        first, self._missing = not self._missing, found
        if first:
            self._tell(
                "WARN",
                f'"{self._name}" could not be told: {found}. It is tried again; look with '
                "cdml notify",
            )
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
