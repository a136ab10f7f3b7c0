"""When a schedule is due: one pure function, and APScheduler as the clock that wakes us."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from engine.quantities import duration
from engine.settings import Settings

_WEEK = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job of a model at an interval or by a cron line."""

    model: str
    job: str
    every: str | None
    cron: str | None

    @property
    def shown(self) -> str:
        """Return the schedule as a person wrote it."""
        return f"every {self.every}" if self.every else f"cron {self.cron}"


def schedules(settings: Settings) -> list[Schedule]:
    """Return what cdml.toml wants done at times."""
    found = []
    for name, model in settings.models.items():
        if model.train.every or model.train.cron:
            found.append(Schedule(name, "train", model.train.every, model.train.cron))
        found.append(Schedule(name, "monitor", model.monitor.every, None))
        if model.source is not None:
            found.append(Schedule(name, "pull", model.source.every, None))
    return found


def trigger(schedule: Schedule, start: datetime) -> BaseTrigger:
    """Return APScheduler's trigger of a schedule."""
    if schedule.cron:
        *others, weekday = schedule.cron.split()
        line = " ".join([*others, _weekdays(weekday)])
        return CronTrigger.from_crontab(line, timezone=UTC)
    every = duration(schedule.every or "1d")
    return IntervalTrigger(seconds=every / timedelta(seconds=1), start_date=start, timezone=UTC)


def _weekdays(field: str) -> str:
    """Return a crontab's days by name: there 0 is Sunday, for APScheduler it is Monday."""
    if field == "*":
        return field
    days = []
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        first, _, last = ("0", "", "6") if span == "*" else span.partition("-")
        begin, end = (
            _WEEK.index(day) if day in _WEEK else int(day) for day in (first, last or first)
        )
        until = end if end >= begin else end + 7
        days += [_WEEK[day % 7] for day in range(begin, until + 1, int(step or 1))]
    return ",".join(dict.fromkeys(days))


def next_due(schedule: Schedule, last_due: datetime, now: datetime) -> datetime | None:
    """Return when a schedule is due after `last_due`; a time not after `now` is overdue."""
    found: datetime | None = trigger(schedule, last_due).get_next_fire_time(
        last_due, min(now, last_due + timedelta(microseconds=1))
    )
    return found.astimezone(UTC) if found else None


def caught_up(schedule: Schedule, due: datetime, now: datetime) -> datetime:
    """Return the due time that one catch-up run answers for: the last one not after `now`."""
    if schedule.cron:
        return now
    every = duration(schedule.every or "1d")
    return due + (now - due) // every * every


class _Skipping(BaseTrigger):  # type: ignore[misc]  # of a library without types
    """A trigger that never counts up to now: APScheduler asks for every time that was missed.

    After a jump of ten years these would be millions, each made while the others wait.
    """

    def __init__(self, inner: BaseTrigger) -> None:
        self._inner = inner

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        missed = previous_fire_time is not None and previous_fire_time < now
        found: datetime | None = self._inner.get_next_fire_time(
            None if missed else previous_fire_time, now
        )
        return found


class Alarm:
    """APScheduler holding one wake-up per schedule; its callback does nothing but wake."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = Lock()
        self._scheduler: BackgroundScheduler | None = None

    def set(self, wanted: list[tuple[Schedule, datetime]]) -> None:
        """Replace all wake-ups, each counted from its last due time; also after a clock jump."""
        # A reload and the beat may come at once: two schedulers would wake twice for ever.
        with self._lock:
            self._end()
            made = BackgroundScheduler(timezone=UTC)
            for schedule, start in wanted:
                made.add_job(
                    self._wake,
                    _Skipping(trigger(schedule, start)),
                    name=f"{schedule.model} {schedule.job} {schedule.shown}",
                    coalesce=True,
                    misfire_grace_time=None,
                    max_instances=1,
                )
            made.start()
            self._scheduler = made

    @property
    def held(self) -> list[str]:
        """Return the wake-ups by model, job and schedule."""
        with self._lock:
            return [j.name for j in self._scheduler.get_jobs()] if self._scheduler else []

    def stop(self) -> None:
        """Hold no wake-up any more."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None
