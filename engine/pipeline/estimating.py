"""Performance before labels: a look's live window, estimated; and how answers are calibrated."""

import math
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np

from engine.pipeline import forecasting
from engine.pipeline.history import History, gathered, mature, us
from engine.pipeline.look import Look
from engine.pipeline.realised import MIN_LABELS, SERVED
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.stats import calibration, estimation, experts
from engine.stats.estimation import Window
from engine.store.scores import Score
from engine.wire import Calibration, Estimated, Expert

STEPS = 7  # a week is looked back on from each of its days
PAST = 13  # windows whose errors weigh the experts
MOST = 400
NO_AVERAGE = "not estimated: only a KPI that is avg(...) of rows can be"
NO_CLASSES = "not estimated: of a quantity only its error is, no KPI"


def measured(site: Site, look: Look) -> list[Score]:
    """Measure past windows, estimate this one, forecast the next, and judge the calibration."""
    history = gathered(site, look)
    if history is None:
        return []
    settings = site.model(look.model)
    seen = mature(history)
    return [
        *forecasting.periods(seen, settings, site.seed),
        *_estimates(seen, duration(settings.label_maturity)),
        *forecasting.forecasts(seen, settings),
        *_calibrations(seen, site.seed),
    ]


def _estimates(history: History, maturity: timedelta) -> list[Score]:
    """Estimate each measure of the live window as it was served."""
    look, rows = history.look, history.rows
    windows, lag = _windows(history, maturity)
    said, truth = estimation.walked(
        history.task, rows, history.measures, windows, history.constants
    )
    live = rows.between(us(look.since), us(look.until))
    n = live.stop - live.start
    names = estimation.experts(history.task)
    found = []
    for place, one in enumerate(history.measures):
        walk = experts.walk(said[place], truth[place], lag, overlap=STEPS)
        made_of = [
            Expert(name, _number(value), round(float(weight), 6))
            for name, value, weight in zip(names, said[place, -1], walk.weights[-1], strict=True)
        ]
        missing = "" if n else "nothing was answered"
        if n and math.isnan(walk.low[-1]):
            missing = f"no interval: {walk.scored} of {experts.MIN_ERRORS} past windows"
        detail = Estimated(made_of, walk.covered, walk.scored, missing)
        found.append(
            Score(
                look.model,
                SERVED,
                "estimated",
                one.name,
                look.since,
                look.until,
                _number(walk.value[-1]),
                n,
                *estimation.cut(one.name, _number(walk.low[-1]), _number(walk.high[-1])),
                msgspec.json.encode(detail).decode(),
            )
        )
    why = NO_CLASSES if history.task == "regression" else NO_AVERAGE
    lacking = msgspec.json.encode(Estimated([], None, 0, why)).decode()
    span = (look.since, look.until)
    return found + [
        Score(look.model, SERVED, "estimated", name, *span, None, n, detail=lacking)
        for name in history.series
    ]


def _windows(history: History, maturity: timedelta) -> tuple[list[Window], int]:
    """Return overlapping windows up to the live one, each estimated as the live one is now.

    Beside them after how many of these steps the truth of one is known.
    """
    step = history.length / STEPS
    lag = max(1, -(-maturity // step))
    first = int(history.rows.times[0])
    found = []
    for back in range(min(PAST * STEPS + lag, MOST), -1, -1):
        until = history.look.until - back * step
        since = us(until - history.length)
        if since >= first or back == 0:
            found.append(Window(since, us(until), us(until - maturity), us(until)))
    return found, lag


def _calibrations(history: History, seed: int) -> list[Score]:
    """Compare what the champion answered on mature rows with what then happened."""
    look, rows = history.look, history.rows
    if look.champion not in history.names:
        return []
    place = rows.between(us(look.mature_since), us(look.mature_until))
    mine = rows.versions[place] == history.names.index(look.champion)
    usable = mine & ~np.isnan(rows.labels[place])
    labels, answers = rows.labels[place][usable], rows.answers[place][usable]
    days = rows.times[place][usable] // 86_400_000_000
    rng = np.random.default_rng([seed, int(look.mature_until.timestamp()), 2])
    found: list[Score] = []
    for name, function in (("gap", calibration.gap), ("error", calibration.error)):
        enough = len(labels) >= MIN_LABELS
        one = function(history.task, labels, answers, days, rng) if enough else None
        if one is not None and one.value is None:
            continue  # a number that this task does not have
        found.append(
            Score(
                look.model,
                look.champion,
                "calibration",
                name,
                look.mature_since,
                look.mature_until,
                one.value if one else None,
                len(labels),
                _low(name, one.low if one else None),
                one.high if one else None,
                _means(labels, answers) if one and name == "gap" else None,
            )
        )
    return found


def _low(name: str, low: float | None) -> float | None:
    """Return the lower end of an interval; an error is never below 0."""
    return low if low is None or name == "gap" else max(low, 0.0)


def _means(labels: Any, answers: Any) -> str:
    both = Calibration(float(np.mean(answers[:, 0])), float(np.mean(labels)))
    return msgspec.json.encode(both).decode()


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
