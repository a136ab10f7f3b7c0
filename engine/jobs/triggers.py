"""What makes a run: a due time, new data, a first table. Each run carries its cause."""

from collections.abc import Iterable
from datetime import timedelta

from engine.clock import iso
from engine.jobs.runner import Runner
from engine.jobs.schedule import caught_up, next_due, schedules
from engine.pipeline.site import Site
from engine.wire import ScheduleRow

LATE = timedelta(minutes=1)


def due(site: Site, runner: Runner) -> None:
    """Queue one run for each schedule that is due, however many times it was missed."""
    now = site.clock.now()
    for schedule in schedules(site.settings):
        last = site.ledger.last_due(schedule.model, schedule.job)
        if last is None or last > now:
            # A schedule begins to count when its model has something to compare with, and anew
            # where the clock was set back: waiting for the old time could take years.
            if site.ledger.roles(schedule.model).champion is not None:
                site.ledger.set_last_due(schedule.model, schedule.job, now)
            continue
        at = next_due(schedule, last, now)
        if at is None or at > now:
            continue
        answered = caught_up(schedule, at, now)
        late = f", {(now - at) // LATE} min late" if now - at > LATE else ""
        runner.submit(schedule.model, schedule.job, f"{schedule.shown}, due {iso(at)[:16]}Z{late}")
        site.ledger.set_last_due(schedule.model, schedule.job, answered)


def new_data(site: Site, runner: Runner, models: Iterable[str]) -> None:
    """Queue a training where accepted rows arrived: always the first one, later by policy."""
    for model in models:
        if site.ledger.roles(model).champion is None:
            runner.submit(model, "train", "first data")
        elif "new_data" in site.model(model).train.on:
            runner.submit(model, "train", "new data")


def rows(site: Site) -> list[ScheduleRow]:
    """Return when each schedule is due next, for people."""
    now = site.clock.now()
    found = []
    for schedule in schedules(site.settings):
        last = site.ledger.last_due(schedule.model, schedule.job)
        at = next_due(schedule, last, now) if last else None
        found.append(
            ScheduleRow(schedule.model, schedule.job, schedule.shown, iso(at) if at else None)
        )
    return found
