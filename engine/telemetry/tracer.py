"""Requests as traces: noted at once, handed over by a thread of its own, dropped at worst."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
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
log = logging.getLogger("cdml.telemetry")
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
    """What the service tells a collector. `dropped` hears how many spans were not taken."""

    def __init__(
        self,
        collector: Callable[[], Collector],
        boot: str,
        clock: Clock,
        numbers: Callable[[], Iterable["Metric"]],
        dropped: Callable[[int], None],
    ) -> None:
        self._dropped = dropped
        self._boot = boot
        self._count = 0
        self._clock = clock
        self._numbers = numbers
        # Wall time of a monotonic 0: two readings of one clock, so that a jump bends no span.
        self._zero = clock.wall().timestamp() - clock.monotonic()
        self._waiting: deque[Span] = deque()
        self._ending = Event()
        self._thread = Thread(target=self._loop, args=(collector,), daemon=True, name="traces")
        self._thread.start()

    def began(self, headers: Headers) -> Asked | None:
        """Note that a request has come; None where its client does not want it traced."""
        given = next((value for name, value in headers if name == b"traceparent"), b"")
        parent = parent_of(given) if given else None
        if parent is not None and not parent.sampled:
            _current.set(None)
            return None
        self._count += 1
        trace = parent.trace if parent else trace_of(self._boot, str(self._count))
        number = span_of(trace, self._boot, str(self._count))
        asked = Asked(trace, number, parent.number if parent else None, self._clock.monotonic())
        _current.set(asked)
        return asked

    def answered(self, parts: Iterable[tuple[str, str, str, int, str]]) -> None:
        """Note who answers the request at hand: model, version, role, rows, first prediction id."""
        asked = _current.get()
        if asked is not None:
            asked.parts.extend(parts)

    def ended(self, asked: Asked, name: str, status: int) -> None:
        """Note that a request has been answered."""
        if len(self._waiting) >= MOST:
            self._dropped(1 + len(asked.parts))
            return
        began, now = self._ns(asked.began), self._ns(self._clock.monotonic())
        about = {"http.response.status_code": status}
        self._waiting.append(
            Span(asked.trace, asked.number, asked.parent, name, began, now, about, status >= 500,
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
        """End; what still waits is lost."""
        self._ending.set()

    def _ns(self, monotonic: float) -> int:
        return int((self._zero + monotonic) * 1e9)

    def _loop(self, make: Callable[[], Collector]) -> None:
        collector, said = make(), False
        began, numbered = self._ns(self._clock.monotonic()), -1e9
        while not self._ending.wait(PAUSE_S):
            batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            now = self._clock.monotonic()
            try:
                taken = collector.take_spans(batch)
                if taken and now - numbered >= NUMBERS_S:
                    taken = collector.take_numbers(self._numbers(), began, self._ns(now))
                    numbered = now if taken else numbered
                elif not batch:
                    continue
            except Exception as e:  # noqa: BLE001 - the edge of a thread: traces harm nobody
                log.warning("telling the collector: %s", type(e).__name__)
                taken = False
            if not taken:
                self._dropped(len(batch))
            if taken == said:
                said = not taken
                log.warning("the collector %s", "takes again" if taken else "does not take traces")
        collector.close()


def about(service: str, version: str, workspace: str) -> Mapping[str, str]:
    """Return what a collector is told of this process."""
    return {"name": f"cdml-{service}", "version": version, "namespace": workspace}
