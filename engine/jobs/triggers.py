"""What makes a run: a due time, new data, old rows, another recipe. Each run carries its cause.

A freeze stops the launch of trainings; what is due stays due, and one run a model makes up for it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from engine.clock import iso, parse_time
from engine.domain.locks import FREEZE, stopped_by
from engine.jobs.runner import Runner
from engine.jobs.schedule import Schedule, caught_up, next_due, schedules
from engine.pipeline import locks, made_of, pull, rollout, transform_source, wear
from engine.pipeline.made_of import RECIPE, TRANSFORMATION
from engine.pipeline.recipe_source import newest_change
from engine.pipeline.site import Site
from engine.wire import ScheduleRow

LATE = timedelta(minutes=1)
# While rows stay too old, because nothing newer is mature or nothing passed its gate.
AGAIN = 4


def due(site: Site, runner: Runner) -> None:
    """Queue one run for each schedule that is due, however many times it was missed.

    A lock may have been lifted: what waits with its gate passed begins its rollout.
    """
    make_up(site, runner)
    now = site.clock.now()
    for schedule in schedules(site.settings):
        last = site.ledger.last_due(schedule.model, schedule.job)
        if last is None or last > now:
            # A schedule begins to count when its model has something to compare with, and anew
            # where the clock was set back: waiting for the old time could take years.
            # Rows are asked for from the first moment on.
            if schedule.job == "pull" and last is None:
                runner.submit(schedule.model, "pull", f"{schedule.shown}, the first time")
            if schedule.job == "pull" or site.ledger.roles(schedule.model).champion is not None:
                site.ledger.set_last_due(schedule.model, schedule.job, now)
            continue
        at = next_due(schedule, last, now)
        if at is None or at > now or _frozen(site, schedule, last, now):
            continue
        answered = caught_up(schedule, at, now)
        late = f", {_long(now - at)} late" if now - at > LATE else ""
        runner.submit(schedule.model, schedule.job, f"{schedule.shown}, due {iso(at)[:16]}Z{late}")
        site.ledger.set_last_due(schedule.model, schedule.job, answered)
    for model in site.settings.models:
        _stale(site, runner, model, now)
        rollout.take_up(site, model)


def _long(span: timedelta) -> str:
    """Write a time in its largest unit of which it has two."""
    for unit, word in ((timedelta(days=1), "days"), (timedelta(hours=1), "h")):
        if span >= 2 * unit:
            return f"{span // unit} {word}"
    return f"{span // LATE} min"


def new_data(site: Site, runner: Runner, models: Iterable[str]) -> None:
    """Queue a training where accepted rows arrived: always the first one, later by policy."""
    for model in models:
        if (cause := pull.wanted(site, model)) is not None:
            launch(site, runner, model, cause)


def recipes(site: Site, runner: Runner, settled_before: float) -> None:
    """Queue a training where a recipe or a transformation is another one, by name or source.

    A source that was written after `settled_before` may still be half a file: it waits.
    """
    root = site.workspace.root
    for model, settings in site.settings.models.items():
        recipe, transform = settings.recipe, settings.transform
        if not (":" in recipe and newest_change(root, recipe) > settled_before):
            _source(site, runner, model, RECIPE)
        if transform_source.newest_change(root, transform) <= settled_before:
            _source(site, runner, model, TRANSFORMATION)


def _source(site: Site, runner: Runner, model: str, what: str) -> None:
    """Queue a training where what a model is made by is not as it was last seen."""
    now, known = made_of.now(site, model, what), made_of.seen(site, model, what)
    if now == known:
        return
    made_of.see(site, model, what)
    if known is None or site.ledger.roles(model).champion is None:
        return
    if "recipe" in site.model(model).train.on:
        name, _, source = now.partition(" ")
        other = f"{what} is {name} now"
        same = f"the source of {name} changed to {source[:12]}"
        launch(site, runner, model, same if known.partition(" ")[0] == name else other)


def _stale(site: Site, runner: Runner, model: str, now: datetime) -> None:
    """Queue a training when the champion's rows became too old, and again while they are."""
    if "stale" not in site.model(model).train.on:
        return
    found = wear.age(site, model, now)
    if found is None or found.now <= found.limit:
        return
    asked = site.ledger.last_due(model, "stale")
    if asked is None or asked > now or now - asked >= found.limit / AGAIN:
        site.ledger.set_last_due(model, "stale", now)
        launch(site, runner, model, found.said)


def launch(site: Site, runner: Runner, model: str, cause: str) -> None:
    """Queue a training for a cause, unless a lock stops it."""
    if not locks.stops(site, model, "train", f"train: {cause}", repeated=True):
        runner.submit(model, "train", cause)


def make_up(site: Site, runner: Runner) -> None:
    """After a thaw, queue one training for all that the freeze stopped of a model."""
    for model in site.settings.models:
        stopped = [s for s in site.ledger.suppressed.by(model, FREEZE) if locks.is_training(s)]
        frozen = stopped_by(locks.standing(site, model), "train", person=False)
        if not stopped or frozen is not None:
            continue
        causes = "; ".join(f"{s.action}, {s.count} times" for s in stopped)
        runner.submit(model, "train", f"makes up for what a freeze stopped: {causes}")
        now = site.clock.now()
        for schedule in schedules(site.settings):
            last = site.ledger.last_due(model, schedule.job)
            if (schedule.model, schedule.job) == (model, "train") and last is not None:
                at = next_due(schedule, last, now)
                if at is not None and at <= now:
                    site.ledger.set_last_due(model, "train", caught_up(schedule, at, now))
        site.ledger.suppressed.forget(model, FREEZE, [s.action for s in stopped])


def _frozen(site: Site, schedule: Schedule, last: datetime, now: datetime) -> bool:
    """Say whether a freeze stops a schedule's training, and count each due time once."""
    if schedule.job != "train":
        return False
    what = f"train: {schedule.shown}"
    known = {s.action: s.last for s in site.ledger.suppressed.by(schedule.model, FREEZE)}
    counted = max(last, parse_time(known[what])) if what in known else last
    at = next_due(schedule, counted, now)
    if at is not None and at <= now:
        return locks.stops(site, schedule.model, "train", what, repeated=True)
    standing = locks.standing(site, schedule.model)
    return stopped_by(standing, "train", person=False) is not None


def rows(site: Site) -> list[ScheduleRow]:
    """Return when each schedule is due next, for people."""
    now = site.clock.now()
    found = []
    for schedule in schedules(site.settings):
        last = site.ledger.last_due(schedule.model, schedule.job)
        at = next_due(schedule, last, now) if last else None
        lock = stopped_by(locks.standing(site, schedule.model), schedule.job, person=False)
        note = f"waits: {locks.said_of(lock)}" if lock else ""
        found.append(
            ScheduleRow(schedule.model, schedule.job, schedule.shown, iso(at) if at else None, note)
        )
    return found
