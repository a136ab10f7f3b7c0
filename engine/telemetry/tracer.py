"""Requests as traces: noted at once, handed over by a thread of its own, dropped at worst."""

import logging
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from threading import Event, Thread
from typing import TYPE_CHECKING

from engine.clock import Clock
from engine.telemetry.otlp import Collector
from engine.telemetry.spans import Span, parent_of, span_of, trace_of

if TYPE_CHECKING:
    from prometheus_client import Metric

MOST = 4096
AT_ONCE = 512
PAUSE_S = 1.0
NUMBERS_S = 15.0
CLOSE_S = 1.0
log = logging.getLogger("cdml.telemetry")
About = Mapping[str, str | int | float | bool]
Headers = Iterable[tuple[bytes, bytes]]
_current: ContextVar["Asked | None"] = ContextVar("asked", default=None)


class Asked:
    """A request that is being answered, and by which versions."""

    __slots__ = ("began", "number", "parent", "parts", "trace")

    def __init__(self, trace: int, number: int, parent: int | None, began: float) -> None:
        self.trace = trace
        self.number = number
        self.parent = parent
        self.began = began
        self.parts: list[tuple[str, str, str, int, str]] = []


class Tracer:
    """What the service tells a collector. `dropped` hears how many spans were not taken.

    Of requests whose clients leave it open, `share` are traced.
    """

    def __init__(
        self,
        collector: Callable[[], Collector],
        boot: str,
        clock: Clock,
        numbers: Callable[[], Iterable["Metric"]],
        dropped: Callable[[int], None],
        share: float = 1.0,
    ) -> None:
        self._make = collector
        self._collector: Collector | None = None
        self._dropped = dropped
        self._boot = boot
        self._count = 0
        self._clock = clock
        self._numbers = numbers
        self._below = int(share * 2**64)
        # Wall time of a monotonic 0: two readings of one clock, so that a jump bends no span.
        self._zero = clock.wall().timestamp() - clock.monotonic()
        self._began = self._ns(clock.monotonic())
        self._numbered = -1e9
        self._waiting: deque[Span] = deque()
        self._ending = Event()
        self._thread = Thread(target=self._loop, daemon=True, name="traces")
        self._thread.start()

    def began(self, headers: Headers) -> Asked | None:
        """Note that a request has come; None where its client does not want it traced."""
        given = next((value for name, value in headers if name == b"traceparent"), b"")
        parent = parent_of(given) if given else None
        self._count += 1
        trace = parent.trace if parent else trace_of(self._boot, str(self._count))
        # A part of a trace id is as good as a draw, and the same for all who decide by it.
        wanted = parent.sampled if parent else trace % 2**64 < self._below
        if not wanted:
            _current.set(None)
            return None
        number = span_of(trace, self._boot, str(self._count))
        asked = Asked(trace, number, parent.number if parent else None, self._clock.monotonic())
        _current.set(asked)
        return asked

    def answered(self, parts: Iterable[tuple[str, str, str, int, str]]) -> None:
        """Note who answers the request at hand: model, version, role, rows, first prediction id."""
        asked = _current.get()
        if asked is not None:
            asked.parts.extend(parts)

    def ended(self, asked: Asked, name: str, about: About) -> None:
        """Note that a request has been answered, and what is known of it."""
        if len(self._waiting) >= MOST:
            self._dropped(1 + len(asked.parts))
            return
        began, now = self._ns(asked.began), self._ns(self._clock.monotonic())
        failed = "error.type" in about
        self._waiting.append(
            Span(asked.trace, asked.number, asked.parent, name, began, now, about, failed,
                 served=True)
        )  # fmt: skip
        for model, version, role, rows, first in asked.parts:
            self._waiting.append(
                Span(
                    asked.trace, span_of(asked.trace, self._boot, first), asked.number,
                    f"predict {model}", began, now,
                    {"cdml.model": model, "cdml.version": version, "cdml.role": role,
                     "cdml.rows": rows, "cdml.prediction_id": first},
                )
            )  # fmt: skip

    def close(self) -> None:
        """Hand over what waits, and end; a collector that hangs is not waited for."""
        self._ending.set()
        self._thread.join(CLOSE_S)

    def _ns(self, monotonic: float) -> int:
        return int((self._zero + monotonic) * 1e9)

    def _loop(self) -> None:
        said, ending = False, False
        while not ending:
            ending = self._ending.wait(PAUSE_S)
            while True:
                batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
                taken = self._told(batch)
                if taken is None:
                    break
                if not taken:
                    self._dropped(len(batch))
                if taken == said:
                    said = not taken
                    what = "takes again" if taken else "does not take traces"
                    log.warning("the collector %s", what)
                if not taken or len(batch) < AT_ONCE:
                    break
        if self._collector is not None:
            self._collector.close()

    def _told(self, batch: Sequence[Span]) -> bool | None:
        """Hand over spans, and numbers now and then; None where there was nothing to tell."""
        now = self._clock.monotonic()
        due = now - self._numbered >= NUMBERS_S
        if not (batch or due):
            return None
        try:
            self._collector = self._collector or self._make()
            taken = self._collector.take_spans(batch)
            if taken and due:
                taken = self._collector.take_numbers(self._numbers(), self._began, self._ns(now))
                self._numbered = now if taken else self._numbered
        except Exception as e:  # noqa: BLE001 - the edge of a thread: traces harm nobody
            log.warning("telling the collector: %s", type(e).__name__)
            return False
        return taken


def about(service: str, version: str, workspace: str) -> Mapping[str, str]:
    """Return what a collector is told of this process."""
    return {
        "name": f"cdml-{service}",
        "version": version,
        "namespace": workspace,
        "instance.id": f"{workspace}@{socket.gethostname()}",
    }
