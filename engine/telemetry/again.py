"""Messages that did not arrive: tried again ever less often, in order, until they are too old.

Times are seconds of a clock that never jumps, passed in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from engine.telemetry.outbox import MAX_FACTS, About, Message

RETRY_S = (5.0, 30.0, 120.0, 600.0)
GIVE_UP_S = 86_400.0
MAX_MESSAGES = 5


@dataclass(slots=True)
class Line:
    """What waits of one model and kind, oldest first: what is over never overtakes its begin."""

    messages: list[Message]
    began: float
    tries: int
    due: float


@dataclass(slots=True)
class Again:
    """What could not be told to one target so far. `dropped` counts facts that grew too old."""

    dropped: int = 0
    _lines: dict[About, Line] = field(default_factory=dict)

    def holds(self, message: Message) -> bool:
        """Say whether something earlier of its model and kind waits here."""
        return message.about in self._lines

    def put(self, message: Message, now: float) -> None:
        """Keep a message that did not arrive, or that has to wait for one that did not."""
        line = self._lines.get(message.about)
        if line is None:
            self._lines[message.about] = Line([message], now, 0, now + RETRY_S[0])
        elif len(line.messages) < MAX_MESSAGES:
            line.messages.append(message)
        else:
            line.messages[-1] = _joined(line.messages[-1], message)

    def due(self, now: float) -> Iterator[Message]:
        """Yield what is to be tried now; between two of them comes `arrived` or `failed`."""
        for about, line in list(self._lines.items()):
            if now - line.began > GIVE_UP_S:
                self.dropped += sum(len(m.facts) + m.more for m in line.messages)
                del self._lines[about]
            while about in self._lines and line.due <= now:
                yield line.messages[0]

    def arrived(self, message: Message, now: float) -> None:
        """Forget a message, and try all others soon: the target takes again."""
        line = self._lines[message.about]
        line.messages.pop(0)
        line.began = now
        if not line.messages:
            del self._lines[message.about]
        for other in self._lines.values():
            other.due, other.tries = now, 0

    def failed(self, message: Message, now: float) -> None:
        """Try a message again later."""
        line = self._lines[message.about]
        line.tries += 1
        line.due = now + RETRY_S[min(line.tries, len(RETRY_S) - 1)]

    def ids(self) -> list[int]:
        """Return the numbers of the facts that wait."""
        return [f.id for line in self._lines.values() for m in line.messages for f in m.facts]

    def waiting(self) -> int:
        """Return how many facts wait."""
        lines = list(self._lines.values())
        return sum(len(m.facts) + m.more for line in lines for m in list(line.messages))


def _joined(one: Message, other: Message) -> Message:
    """Return two messages of one model and kind as one; the later one says how it stands."""
    facts = (*one.facts, *other.facts)
    more = one.more + other.more + max(0, len(facts) - MAX_FACTS)
    # What came last says how it stands.
    return replace(other, facts=facts[-MAX_FACTS:], more=more)
