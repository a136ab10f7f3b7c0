"""What a backtest is about to do: which policies, from when to when, in which periods and steps."""

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec

from engine.clock import iso, parse_time
from engine.errors import UnknownError
from engine.quantities import duration
from engine.settings import ModelSettings, Settings, load
from engine.settings_file import nearest
from engine.store.history import History, Span

FROZEN, ALWAYS, CURRENT = "frozen", "always", "current"
BUILT_IN = (FROZEN, ALWAYS, CURRENT)
DAY = timedelta(days=1)
# What is shorter is told week by week, or day by day.
MONTHLY, WEEKLY = timedelta(days=75), timedelta(days=14)
MOST_STEPS = 5_000


class Plan(msgspec.Struct, frozen=True):
    """A backtest as every worker needs it; times are ISO 8601 in UTC.

    `settings` is the digest of cdml.toml and of the transformation: with another one it would be
    another backtest.
    """

    model: str
    config: str
    out: str
    policies: list[str]
    periods: list[tuple[str, str]]
    step_s: float
    seed: int
    settings: str = ""

    @property
    def history(self) -> History:
        """Return the written history of the model."""
        own = load(Path(self.config)).models[self.model]
        path = Path(self.out) / "history.parquet"
        delay = duration(own.label_maturity)
        return History(path, own.target, own.time, own.label_time, own.id, delay)

    def folder(self, policy: str) -> Path:
        """Return the scratch workspace of a policy."""
        return Path(self.out) / "policies" / policy

    @property
    def since(self) -> datetime:
        """Return the first moment that is replayed."""
        return parse_time(self.periods[0][0])

    @property
    def until(self) -> datetime:
        """Return the moment after the last that is replayed."""
        return parse_time(self.periods[-1][1])


def settings_of(config: Path, model: str, policy: str) -> Settings:
    """Return the settings that a policy amounts to, for this model alone.

    Nobody is there to say yes, so every rollout goes by itself.
    """
    over = {} if policy in BUILT_IN else {model: policy}
    known = load(config)
    if over and policy not in known.policies:
        names = [*BUILT_IN, *known.policies]
        raise UnknownError(
            f'Looking for policy "{policy[:64]}": cdml.toml has no [policies.{policy[:64]}].'
            f"{nearest(policy, names)} There are: {', '.join(names)}.",
            code="unknown_policy",
            field="policy",
        )
    settings = load(config, over)
    own = settings.models[model]
    train = own.train
    if policy == FROZEN:
        train = msgspec.structs.replace(train, every=None, cron=None, on=[])
    rollout = msgspec.structs.replace(own.rollout, mode="automatic")
    own = msgspec.structs.replace(own, train=train, rollout=rollout)
    return msgspec.structs.replace(settings, models={model: own})


def step(settings: ModelSettings, since: datetime, until: datetime) -> timedelta:
    """Return how far the clock moves at once: a day, or what is due more often."""
    due = [duration(every) for every in (settings.monitor.every, settings.train.every) if every]
    return max(min([DAY, *due]), (until - since) / MOST_STEPS)


def beginning(span: Span) -> datetime:
    """Return from when to replay where nobody says: after a sixth of the history, at a period."""
    wanted = span.first + (span.last - span.first) / 6
    bounds = _bounds(span.first, span.last + DAY, span.last - span.first)
    return min(bounds[1:-1] or [wanted], key=lambda at: abs(at - wanted))


def periods(since: datetime, until: datetime) -> list[tuple[str, str]]:
    """Cut a time into calendar months, or into weeks or days where it is short."""
    return [(iso(a), iso(b)) for a, b in pairwise(_bounds(since, until, until - since))]


def _bounds(since: datetime, until: datetime, length: timedelta) -> list[datetime]:
    found, at = [since], since
    while at < until:
        at = min(_next(at, length), until)
        found.append(at)
    return found


def _next(at: datetime, length: timedelta) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if length > MONTHLY:
        return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    if length > WEEKLY:
        return midnight + timedelta(days=7 - midnight.weekday())
    return midnight + DAY
