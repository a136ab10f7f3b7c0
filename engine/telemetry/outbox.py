"""What one target is to be told, and when: levels, throttle, quiet hours, recovery. Time passed in.

Nothing is lost by waiting: what may not be told yet is gathered into the next message.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from engine.wire import EventRow

LEVELS = ("INFO", "ACT", "WARN", "CRIT")
# Kinds that tell when something is well again, at INFO: whoever heard of it hears of that, too.
RECOVERS = ("alert", "readiness", "notify")
MAX_FACTS = 20
MAX_WAITING = 200
About = tuple[str | None, str]  # model, kind
Key = tuple[str | None, str, str]  # and level


@dataclass(frozen=True, slots=True)
class Rule:
    """What a target wants, and when it may be told."""

    level: str = "WARN"
    kinds: frozenset[str] = frozenset()
    throttle: timedelta = timedelta(minutes=10)
    quiet: tuple[time, time] | None = None
    zone: ZoneInfo | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its facts, oldest first, how many more there were, whether it is well again."""

    level: str
    facts: tuple[EventRow, ...]
    more: int = 0
    recovered: bool = False
    urgent: bool = False

    @property
    def about(self) -> About:
        """Return the model and kind that all its facts have."""
        return self.facts[0].model, self.facts[0].kind


@dataclass(slots=True)
class Outbox:
    """What waits for one target. `dropped` counts what there was no room for."""

    rule: Rule
    dropped: int = 0
    _waiting: dict[Key, Message] = field(default_factory=dict)
    _sent: dict[Key, datetime] = field(default_factory=dict)
    _open: dict[tuple[str | None, str], str] = field(default_factory=dict)

    def add(self, fact: EventRow, *, left: bool = False) -> None:
        """Take a fact that this target wants; another is let pass.

        `left` says that of what it says is over something still stands.
        """
        about = (fact.model, fact.kind)
        worst = self._open.get(about)
        over = self._over(fact)
        if not over and not self._wants(fact):
            return
        self.recall(fact, left=left)
        message = Message(
            fact.level, (fact,), 0, over and not left,
            urgent=fact.level == "CRIT" or (over and worst == "CRIT"),
        )  # fmt: skip
        # What is over before its begin was told goes with that, never ahead of it.
        keys = [key for key in self._waiting if key[:2] == about] if over else []
        for key in keys or [(*about, fact.level)]:
            self._gather(key, message)

    def recall(self, fact: EventRow, *, left: bool = False) -> None:
        """Remember what a fact began or ended, without telling it: it was told before."""
        about = (fact.model, fact.kind)
        if fact.level in ("WARN", "CRIT") and self._wants(fact):
            worst = self._open.get(about, "WARN")
            self._open[about] = max(fact.level, worst, key=LEVELS.index)
        elif self._over(fact) and not left:
            del self._open[about]

    def take(self, now: datetime) -> list[Message]:
        """Return the messages that may go now, the loudest first."""
        due = [
            key for key in self._waiting if self._may_go(key) <= now and not self._still(key, now)
        ]
        self._sent = {k: at for k, at in self._sent.items() if now - at < self.rule.throttle}
        self._sent |= dict.fromkeys(due, now)
        messages = [self._waiting.pop(key) for key in due]
        return sorted(messages, key=lambda m: -LEVELS.index(m.level))

    def waiting(self) -> int:
        """Return how many facts wait."""
        return sum(len(m.facts) + m.more for m in list(self._waiting.values()))

    def ids(self) -> list[int]:
        """Return the numbers of the facts that wait."""
        return [f.id for m in self._waiting.values() for f in m.facts]

    def _gather(self, key: Key, message: Message) -> None:
        waiting = self._waiting.get(key)
        if waiting is None and len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
        elif waiting is None:
            self._waiting[key] = message
        else:
            room = len(waiting.facts) < MAX_FACTS
            self._waiting[key] = replace(
                waiting,
                facts=(*waiting.facts, *message.facts) if room else waiting.facts,
                more=waiting.more + (not room),
                recovered=message.recovered,
                urgent=waiting.urgent or message.urgent,
            )

    def _over(self, fact: EventRow) -> bool:
        began = (fact.model, fact.kind) in self._open
        return fact.level == "INFO" and fact.kind in RECOVERS and began

    def _wants(self, fact: EventRow) -> bool:
        loud = LEVELS.index(fact.level) >= LEVELS.index(self.rule.level)
        return loud and (not self.rule.kinds or fact.kind in self.rule.kinds)

    def _may_go(self, key: Key) -> datetime:
        sent = self._sent.get(key)
        return datetime.min.replace(tzinfo=UTC) if sent is None else sent + self.rule.throttle

    def _still(self, key: Key, now: datetime) -> bool:
        """Say whether this must wait for the end of the quiet hours."""
        if self.rule.quiet is None or self._waiting[key].urgent:
            return False
        since, until = self.rule.quiet
        here = now.astimezone(self.rule.zone).time()
        return since <= here < until if since < until else here >= since or here < until
