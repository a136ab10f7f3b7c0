"""The only place that asks the time. Everything else is handed a clock.

`now` is the time decisions are made in; in a replay it is simulated. `wall` is the time of the
person at the keyboard, `monotonic` measures durations and never jumps.
"""

import time
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Protocol

from engine.errors import InvalidError

# A clock that is off by more was set; less may be its own way of becoming right.
SET = timedelta(seconds=1)


class Clock(Protocol):
    """What the engine may ask of time."""

    simulated: bool

    def now(self) -> datetime:
        """Return the time decisions are made in, in UTC."""

    def wall(self) -> datetime:
        """Return the operator's time, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that only grow."""


class SystemClock:
    """The machine's own clock."""

    simulated = False

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class SimulatedClock:
    """A clock that moves only when the replay moves it, and never backwards."""

    simulated = True

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._lock = Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def advance(self, to: datetime) -> None:
        """Move to `to`; an earlier time leaves the clock where it is."""
        with self._lock:
            self._now = max(self._now, to)


class ReplayClock(SimulatedClock):
    """A simulated clock that nobody sits before: all its times are the simulated one."""

    def wall(self) -> datetime:
        return self.now()

    def monotonic(self) -> float:
        return self.now().timestamp()


def ended(clock: Clock, started: datetime, began: float) -> datetime:
    """Return when what began then has ended: where the clock was set meanwhile, by its length.

    `began` is what `monotonic` was then: no length is negative, and none is years.
    """
    now = clock.now()
    took = timedelta(seconds=clock.monotonic() - began)
    is_set = not clock.simulated and abs(now - started - took) > SET
    return started + took if is_set else now


def iso(moment: datetime) -> str:
    """Write a moment as ISO 8601 in UTC with a Z, microseconds only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Read ISO 8601; a time without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidError(
            f'Reading the time "{text}": it is not ISO 8601. Write it like 2013-07-01T14:05:00Z.',
            code="bad_time",
        ) from None


def parse_end(text: str) -> datetime:
    """Read the end of an interval: a day alone is the moment after its last."""
    moment = parse_time(text)
    return moment + timedelta(days=1) if len(text) == len("2013-08-05") else moment
