"""What was answered and what came true, over the windows that estimates and forecasts look back on.

Everything is read from raw rows at each look, so that a late label restates what depends on it.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from engine.errors import InvalidError, UnavailableError
from engine.pipeline import features, realised
from engine.pipeline.look import Look
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.settings import ModelSettings
from engine.stats import estimation, outcomes
from engine.stats.estimation import Measure, Rows
from engine.store import archive, batches, kpis, predictions

WINDOWS = 52  # a year of weeks
MOST_ROWS = 500_000  # about 100 MiB while a look is made
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class History:
    """The rows of a look's past, what is measured of them, and what validation had promised.

    `constants` are measures x versions, in the order of `rows.versions`. `series` are the KPIs that
    are no plain average: their values by the number of the window since 1970.
    """

    look: Look
    task: str
    length: timedelta
    rows: Rows
    names: list[str]
    measures: list[Measure]
    constants: Any
    series: dict[str, dict[int, float | None]]

    def number(self, moment: datetime) -> int:
        """Return the number of the aligned window that a moment lies in."""
        return us(moment) // (self.length // timedelta(microseconds=1))

    def first(self) -> int:
        """Return the number of the window that the oldest row lies in."""
        return int(self.rows.times[0]) // (self.length // timedelta(microseconds=1))

    def start(self, number: int) -> datetime:
        """Return when an aligned window begins."""
        return datetime(1970, 1, 1, tzinfo=UTC) + number * self.length


def gathered(site: Site, look: Look) -> History | None:
    """Read what a look looks back on; None where nothing was answered."""
    settings = site.model(look.model)
    length = duration(settings.monitor.window)
    since = max(since_of(site, look, length), _whole_since(site, look, length))
    wide = settings.task == "multiclass"
    found = predictions.answered(site.store, look.model, since, look.until, wide=wide)
    if not len(found.times):
        return None
    names, versions = np.unique(found.versions.astype(str), return_inverse=True)
    classes = realised.classes(site, look.model, look.champion)
    known = np.ma.filled(found.known.astype("datetime64[us]").astype(np.int64), _NEVER)
    rows = Rows(
        found.times.astype("datetime64[us]").astype(np.int64),
        versions.astype(np.intp),
        found.answers,
        _codes(settings, classes, found.labels),
        known,
    )
    measures = [
        estimation.measure(m, settings.task, rows, len(classes)) for m in realised.metrics(settings)
    ]
    span = (since, look.until)
    series: dict[str, dict[int, float | None]] = {}
    types = features.feature_types(settings, batches.columns(site.store, look.model))
    for name, kpi in settings.kpi.items():
        try:
            terms = kpis.each_label(
                site.store, look.model, settings.task, kpi.sql, types, *span, classes
            )
            if terms is not None:
                measures.append(Measure(name, "mean", terms))
                continue
            step = length // timedelta(microseconds=1)
            windows = kpis.by_window(
                site.store, look.model, settings.task, kpi.sql, types, *span, step, classes
            )
        except (InvalidError, UnavailableError):
            continue  # said where it is measured as served; the other measures go on
        series[name] = {
            at: v if n >= realised.MIN_LABELS else None for at, (v, n) in windows.items()
        }
    constants = _promised(site, look.model, settings, names.tolist(), [m.name for m in measures])
    return History(look, settings.task, length, rows, names.tolist(), measures, constants, series)


def reach(look: Look) -> datetime:
    """Return from when on rows may count in what a look measures."""
    length = look.until - look.since
    return max(look.mature_until - (WINDOWS + 1) * length, datetime(1970, 1, 2, tzinfo=UTC))


def since_of(site: Site, look: Look, length: timedelta) -> datetime:
    """Return from when on rows are read: WINDOWS back, or as many windows as MOST_ROWS fill."""
    first = reach(look)
    step = length // timedelta(microseconds=1)
    counts = predictions.by_window(site.store, look.model, first, look.until, step)
    total = 0
    for number in sorted(counts, reverse=True):
        total += counts[number]
        if total > MOST_ROWS:
            full = datetime(1970, 1, 1, tzinfo=UTC) + (number + 1) * length
            return max(first, min(full, look.mature_since))
    return first


def _whole_since(site: Site, look: Look, length: timedelta) -> datetime:
    """Return the first window of which no row has left the store."""
    first, begin = datetime(1970, 1, 1, tzinfo=UTC), archive.horizon(site.store, look.model)
    return first if begin is None else first + -(-(begin - first) // length) * length


def us(moment: datetime) -> int:
    """Return a moment as microseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _codes(settings: ModelSettings, classes: list[str], texts: list[str | None]) -> Any:
    """Return labels as numbers, each text read once; NaN where there is none."""
    distinct = [t for t in dict.fromkeys(texts) if t is not None]
    codes = outcomes.codes(settings.task, classes, outcomes.texts(distinct)).tolist()
    number: dict[str | None, float] = {None: np.nan, **dict(zip(distinct, codes, strict=True))}
    return np.array([number[t] for t in texts], dtype=np.float64)


def _promised(
    site: Site, model: str, settings: ModelSettings, versions: list[str], names: list[str]
) -> Any:
    """Return what each version measured at validation, NaN where it was not."""
    reports = {v.version: v.report for v in site.ledger.versions(model)}
    out = np.full((len(names), len(versions)), np.nan)
    for place, version in enumerate(versions):
        report = reports.get(version)
        if report is None:
            continue
        promised = {**report.measured, settings.metric: report.value}
        for row, name in enumerate(names):
            value = promised.get(name)
            out[row, place] = np.nan if value is None else value
    return out


def mature(history: History) -> History:
    """Return the same history without the labels of rows that are not mature yet."""
    early = history.rows.times >= us(history.look.mature_until)
    labels = np.where(early, np.nan, history.rows.labels)
    return replace(history, rows=replace(history.rows, labels=labels))
