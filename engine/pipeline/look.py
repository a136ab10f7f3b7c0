"""One look at a model: when, who led then, and which rows it is about. What it measured follows."""

from dataclasses import dataclass
from datetime import datetime

from engine.quantities import duration
from engine.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class Look:
    """Rows with since <= ts < until as clients sent them; labels of mature cohorts only.

    Every measure of a look is a function of it, the settings and the raw rows, so that it can be
    made again: when late labels arrive, and from nothing.
    """

    model: str
    champion: str
    at: datetime
    since: datetime
    until: datetime
    mature_since: datetime
    mature_until: datetime


def look_at(model: str, champion: str, settings: ModelSettings, at: datetime) -> Look:
    """Return the look at a model at a moment."""
    length, mature = duration(settings.monitor.window), at - duration(settings.label_maturity)
    return Look(model, champion, at, at - length, at, mature - length, mature)
