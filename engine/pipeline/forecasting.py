"""Performance by aligned windows as it was served, and what the next windows should bring."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from engine.clock import iso
from engine.pipeline.history import WINDOWS, History, us
from engine.pipeline.realised import SERVED
from engine.quantities import duration
from engine.settings import ModelSettings
from engine.stats import comparison, estimation, forecast, performance
from engine.stats.forecast import Ahead
from engine.store.scores import Score
from engine.wire import Expert, Forecast

RESTATED = 4  # windows that each look measures again


def periods(history: History, settings: ModelSettings, seed: int) -> list[Score]:
    """Measure the newest complete and mature windows of a fixed grid, as they were served.

    As many as since the last look, and a few more: late labels restate them.
    """
    past = duration(settings.monitor.every) // history.length + RESTATED
    end = history.number(history.look.mature_until)
    found = []
    for number in range(end - past, end):
        since, until = history.start(number), history.start(number + 1)
        place = history.rows.between(us(since), us(until))
        usable = ~np.isnan(history.rows.labels[place])
        n = int(usable.sum())
        if place.stop == place.start:
            continue
        for name, value in _values(history, number).items():
            low = high = None
            if name == settings.metric and value is not None:
                rng = np.random.default_rng([seed, number, 3])
                rows = (history.rows.labels[place][usable], history.rows.answers[place][usable])
                days = history.rows.times[place][usable] // 86_400_000_000
                sure = comparison.interval(name, history.task, *rows, days, rng, draws=500)
                low, high = sure.low, sure.high
            found.append(
                Score(history.look.model, SERVED, "period", name, since, until, value, n, low, high)
            )
    return found


def _values(history: History, number: int) -> dict[str, float | None]:
    """Return every measure of an aligned window; None with too few labels."""
    place = history.rows.between(us(history.start(number)), us(history.start(number + 1)))
    found: dict[str, float | None] = {}
    for one in history.measures:
        value = estimation.realised(history.rows, one, place)
        found[one.name] = float(value) if math.isfinite(value) else None
    return found | {name: series.get(number) for name, series in history.series.items()}


def forecasts(history: History, settings: ModelSettings) -> list[Score]:
    """Forecast each measure for the next windows; where that cannot be, say what it lacks.

    A score is of the look, its version how many windows ahead: "+1" and so on.
    """
    end = history.number(history.look.mature_until)
    first = max(history.first(), end - WINDOWS)
    table = [_values(history, number) for number in range(first, end)]
    found = []
    for name in [*(m.name for m in history.measures), *history.series]:
        points = [row[name] for row in table]
        limit, higher = limit_of(settings, name)
        ahead = forecast.forecast(
            points, settings.monitor.horizon, limit=limit, higher_is_better=higher
        )
        found += _scores(history, settings, name, points, ahead)
    return found


def _scores(
    history: History,
    settings: ModelSettings,
    name: str,
    points: Sequence[float | None],
    ahead: Sequence[Ahead],
) -> list[Score]:
    look, end = history.look, history.number(history.look.mature_until)
    limit, _ = limit_of(settings, name)
    there = sum(p is not None for p in points)
    expected, made = None, []
    for horizon in range(1, settings.monitor.horizon + 1):
        one = next((a for a in ahead if a.horizon == horizon), None)
        span = (history.start(end + horizon - 1), history.start(end + horizon))
        detail = Forecast(horizon, iso(span[0]), iso(span[1]), [], None, 0, limit)
        if one is None:
            lacks = f"not enough: {there} of {forecast.needed(horizon)} windows"
            detail = msgspec.structs.replace(detail, missing=lacks)
        else:
            if expected is None and one.breach is not None and one.breach >= 0.5:
                expected = iso(span[1])
            detail = msgspec.structs.replace(
                detail,
                experts=[
                    Expert(n, v if math.isfinite(v) else None, round(w, 6))
                    for n, v, w in zip(forecast.EXPERTS, one.values, one.weights, strict=True)
                ],
                coverage=one.covered,
                windows=one.scored,
                p_breach=one.breach,
                breach_expected=expected,
            )
        made.append(
            Score(
                look.model,
                f"+{horizon}",
                "forecast",
                name,
                look.since,
                look.until,
                one.value if one and math.isfinite(one.value) else None,
                there,
                *(estimation.cut(name, one.low, one.high) if one else (None, None)),
                msgspec.json.encode(detail).decode(),
            )
        )
    return made


def limit_of(settings: ModelSettings, name: str) -> tuple[float | None, bool]:
    """Return the limit of a metric or KPI, None without one, and whether higher is better."""
    if name in settings.kpi:
        kpi = settings.kpi[name]
        return kpi.limit, kpi.direction == "maximize"
    limit = settings.monitor.metric_limit if name == settings.metric else None
    return limit, performance.metric_named(name).higher_is_better
