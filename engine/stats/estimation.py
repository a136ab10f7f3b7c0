"""Performance before labels: what a metric should be if answers hold what recent labels say.

Labels are numbers as in `performance`; NaN where none is known. Times are microseconds, in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.stats import performance
from engine.stats.performance import Floats

MIN_ROWS = 100
RECENT = 4_000  # labelled rows of a version that its answers are recalibrated on
BINS = 10
_RIDGE = 1.0
_EPS = 1e-9
Moments = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Answered rows in order of time: who answered, what, the label and when it was known."""

    times: Moments
    versions: NDArray[np.intp]
    answers: Floats
    labels: Floats
    known: Moments

    def between(self, since: int, until: int) -> slice:
        """Return the place of rows with since <= time < until."""
        first, end = np.searchsorted(self.times, [since, until], side="left")
        return slice(int(first), int(end))


@dataclass(frozen=True, slots=True)
class Measure:
    """A number over rows: what each possible label of a row would add, and the metric's form.

    `terms` is rows x classes, for regression rows x 1 of realised losses (NaN without label), None
    for a ranking.
    """

    name: str
    form: str
    terms: Floats | None


@dataclass(frozen=True, slots=True)
class Window:
    """Rows of since <= time < until, estimated from labels of rows before `cut` known by `at`."""

    since: int
    until: int
    cut: int
    at: int


EXPERTS = ("constant", "persistence", "calibrated", "answered")
OF_VALUES = ("constant", "persistence", "loss model")


def measure(metric: str, task: str, rows: Rows, classes: int) -> Measure:
    """Return a metric as a measure of rows."""
    form = performance.metric_named(metric, task).form
    if form == "ranks":
        return Measure(metric, form, None)
    if task == "regression":
        terms = np.full((len(rows.labels), 1), np.nan)
        has = ~np.isnan(rows.labels)
        found = performance.row_terms(metric, task, rows.labels[has], rows.answers[has])
        if found is not None:
            terms[has, 0] = found
        return Measure(metric, form, terms)
    n = len(rows.labels)
    columns = [
        performance.row_terms(metric, task, np.full(n, k), rows.answers) for k in range(classes)
    ]
    usable = [c for c in columns if c is not None]
    filled = np.stack(usable, axis=1) if usable else np.full((n, classes), np.nan)
    return Measure(metric, form, filled)


def experts(task: str) -> tuple[str, ...]:
    """Return the names of the experts of a task, in the order of `walked`."""
    return OF_VALUES if task == "regression" else EXPERTS


@np.errstate(over="ignore", invalid="ignore")
def walked(
    task: str,
    rows: Rows,
    measures: Sequence[Measure],
    windows: Sequence[Window],
    constants: Floats,
) -> tuple[Floats, Floats]:
    """Return what each expert says (measures x windows x experts) and the truth, NaN for nothing.

    constant: the value at validation (`constants` are measures x versions), each version by its
    share of the rows. persistence: the last window before the cut, realised. calibrated: expected
    under answers recalibrated on the RECENT labels of the same version (CBPE, Kivimaki et al.
    2025). answered: the same with the probabilities as answered. loss model, for values: the mean
    loss of rows that answered alike (DLE, NannyML 2022). With fewer than MIN_ROWS labels a window
    has no truth, answers are not recalibrated and there is no loss model.
    """
    names = experts(task)
    said = np.full((len(measures), len(windows), len(names)), np.nan)
    truth = np.full((len(measures), len(windows)), np.nan)
    fits: dict[int, Floats] = {}
    for t, window in enumerate(windows):
        here = rows.between(window.since, window.until)
        before = rows.between(window.cut - (window.until - window.since), window.cut)
        back = slice(0, int(np.searchsorted(rows.times, window.cut, side="left")))
        for m, one in enumerate(measures):
            truth[m, t] = realised(rows, one, here)
            said[m, t, 1] = realised(rows, one, before, window.at)
        if here.stop == here.start:
            continue
        shares = np.bincount(rows.versions[here], minlength=constants.shape[1])
        for m in range(len(measures)):
            said[m, t, 0] = np.average(constants[m][shares > 0], weights=shares[shares > 0])
        if task == "regression":
            for m, one in enumerate(measures):
                said[m, t, 2] = _expected_loss(rows, one, here, back, window.at)
            continue
        answered = probabilities(rows.answers[here])
        calibrated = _recalibrated(rows, here, back, window.at, answered, fits)
        for m, one in enumerate(measures):
            said[m, t, 2] = expected(rows, one, here, calibrated)
            said[m, t, 3] = expected(rows, one, here, answered)
    return said, truth


@np.errstate(over="ignore", invalid="ignore")
def realised(rows: Rows, one: Measure, at: slice, known_by: int | None = None) -> float:
    """Return a measure over the labelled rows of a place; NaN with fewer than MIN_ROWS."""
    labels = rows.labels[at]
    has = ~np.isnan(labels)
    if known_by is not None:
        has &= rows.known[at] <= known_by
    if has.sum() < MIN_ROWS:
        return np.nan
    if one.terms is None:
        found = performance.auc(labels[has], rows.answers[at, 0][has])
        return np.nan if found is None else found
    terms, chosen = one.terms[at], np.flatnonzero(has)
    place = labels[chosen].astype(np.intp) if terms.shape[1] > 1 else 0
    return _whole(one, float(np.mean(terms[chosen, place])))


def expected(rows: Rows, one: Measure, at: slice, chances: Floats) -> float:
    """Return the expectation of a measure over rows whose labels come with these chances."""
    if one.terms is None:
        return expected_auc(chances[:, 1], rows.answers[at, 0])
    return _whole(one, float(np.vdot(chances, one.terms[at])) / len(chances))


def expected_auc(chances: Floats, scores: Floats) -> float:
    """Return the area under the ROC curve that is expected of scores with these chances of true.

    The mean over pairs of different rows of P(one true, the other false) x (the true one scored
    higher, ties one half) over the mean of P(one true, the other false): the ratio of expectations.
    In [0, 1]. Fewer than two rows, or chances that are all 0 or all 1: NaN.
    """
    values, place = np.unique(scores, return_inverse=True)
    true = np.bincount(place, chances, minlength=len(values))
    false = np.bincount(place, 1.0 - chances, minlength=len(values))
    own = chances * (1.0 - chances)
    self_pairs = float(own.sum())
    pairs = float(true.sum() * false.sum()) - self_pairs
    if len(scores) < 2 or pairs <= 0:
        return np.nan
    below = np.cumsum(false) - false
    won = float(true @ below + 0.5 * (true @ false)) - 0.5 * self_pairs
    return min(max(won / pairs, 0.0), 1.0)


def cut(name: str, low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """Return an interval cut off where its metric ends; any other number has no ends."""
    metric = performance.METRICS.get(name)
    if low is None or high is None or metric is None:
        return low, high
    top = 1.0 if metric.higher_is_better or metric.name == "brier_score_loss" else np.inf
    return max(low, 0.0), min(high, top)


def probabilities(answers: Floats) -> Floats:
    """Return answers as a probability per class: a binary score is that of the second."""
    return np.column_stack([1.0 - answers, answers]) if answers.shape[1] == 1 else answers


def fit(chances: Floats, labels: Floats, start: Floats | None = None) -> Floats:
    """Return slope and an offset per class that bring probabilities in line with labels.

    Source: Platt 1999, of several classes temperature and bias (Guo et al. 2017): softmax(slope x
    log p + offset), by Newton's method; a ridge holds it at the answers themselves (1, 0, ...),
    which is what no rows give, and keeps it finite where all labels are the same.
    """
    count = chances.shape[1]
    anchor = np.concatenate([[1.0], np.zeros(count)])
    if len(labels) == 0:
        return anchor
    logs = _logs(chances)
    hot = (np.arange(count)[:, None] == labels).astype(np.float64)
    found = anchor if start is None else start
    for _ in range(25):
        shares = _softmax(found[0] * logs + found[1:, None])
        off = shares - hot
        slope = np.concatenate([[np.vdot(off, logs)], off.sum(axis=1)])
        slope += _RIDGE * (found - anchor)
        centred = shares * (logs - (shares * logs).sum(axis=0))
        bend = np.empty((count + 1, count + 1))
        bend[0, 0] = np.vdot(centred, logs)
        bend[0, 1:] = bend[1:, 0] = centred.sum(axis=1)
        bend[1:, 1:] = np.diag(shares.sum(axis=1)) - shares @ shares.T
        step = np.linalg.solve(bend + _RIDGE * np.eye(count + 1), slope)
        found = found - np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < 1e-6:
            break
    return found


def applied(found: Floats, chances: Floats) -> Floats:
    """Return probabilities recalibrated by what `fit` found."""
    return _softmax(found[0] * _logs(chances) + found[1:, None]).T


def _recalibrated(
    rows: Rows, here: slice, back: slice, at: int, answered: Floats, fits: dict[int, Floats]
) -> Floats:
    """Return the chances of a window, each version's answers by its own labels."""
    chances = answered.copy()
    has = ~np.isnan(rows.labels[back]) & (rows.known[back] <= at)
    for version in np.unique(rows.versions[here]).tolist():
        own = np.flatnonzero(has & (rows.versions[back] == version))[-RECENT:]
        if len(own) < MIN_ROWS:
            continue
        past = probabilities(rows.answers[back][own])
        fits[version] = fit(past, rows.labels[back][own], fits.get(version))
        mine = rows.versions[here] == version
        chances[mine] = applied(fits[version], answered[mine])
    return chances


def _expected_loss(rows: Rows, one: Measure, here: slice, back: slice, at: int) -> float:
    """Return the loss that rows of like answers had, each version by its own labels."""
    terms: Any = one.terms
    has = ~np.isnan(rows.labels[back]) & (rows.known[back] <= at)
    means = np.full(here.stop - here.start, np.nan)
    for version in np.unique(rows.versions[here]).tolist():
        own = np.flatnonzero(has & (rows.versions[back] == version))[-RECENT:]
        if len(own) < MIN_ROWS:
            return np.nan
        values, losses = rows.answers[back, 0][own], terms[back, 0][own]
        cuts = np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
        place = np.searchsorted(cuts, values, side="right")
        sums = np.bincount(place, losses, minlength=len(cuts) + 1)
        sizes = np.bincount(place, minlength=len(cuts) + 1)
        of_bin = np.where(sizes > 0, sums / np.maximum(sizes, 1), losses.mean())
        mine = rows.versions[here] == version
        means[mine] = of_bin[np.searchsorted(cuts, rows.answers[here, 0][mine], side="right")]
    return _whole(one, float(np.mean(means)))


def _whole(one: Measure, mean: float) -> float:
    """Return the measure of a mean; a sum too large for a float is no number."""
    found = float(np.sqrt(mean)) if one.form == "root" else mean
    return found if np.isfinite(found) else np.nan


def _logs(chances: Floats) -> Floats:
    """Return log probabilities, classes x rows: NumPy adds up a few long rows fast."""
    return np.log(np.clip(np.ascontiguousarray(chances.T), _EPS, 1.0))


def _softmax(logs: Floats) -> Floats:
    raised = np.exp(logs - logs.max(axis=0))
    shares: Floats = raised / raised.sum(axis=0)
    return shares
