"""Drift of what clients send and what a version answers, against three references.

Training rows, the same season a year before, and the window before. Counts are kept by the hour;
a look counts only hours that got rows since.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import numpy as np

from engine.clock import parse_time
from engine.domain import drifts
from engine.pipeline import references, stillness
from engine.pipeline.look import Look
from engine.pipeline.realised import classes
from engine.pipeline.site import Site
from engine.pipeline.stillness import Gathered, Terms
from engine.settings import ModelSettings
from engine.stats import drift, outcomes, profile, tally
from engine.stats.profile import CategoricalProfile, NumericProfile
from engine.stats.tally import Frozen
from engine.store import hours, predictions, profiles, scores
from engine.store.counting import FEATURE, SCORE, SLICE, Bins, Counted, Key
from engine.store.scores import Score
from engine.wire import DriftColumn, DriftReference

KIND = "drift"
KINDS = {FEATURE: KIND, SCORE: "score drift", SLICE: "slice drift"}
LABEL_KIND = "label drift"
BESIDE = (KINDS[SCORE], LABEL_KIND, KINDS[SLICE])
MIN_DRIFT_ROWS = drifts.MIN_ROWS
Against = Literal["training", "season", "recent"]
YEAR = timedelta(days=365)
EARLY = 3  # a window is full when its first third has rows


@dataclass(frozen=True, slots=True)
class _Windows:
    """The counts of a look's window and of its beginning, and of what it is compared with.

    A window that is not full yet is of other weekdays and hours than training: that is no drift.
    """

    current: Counted
    early: Counted
    recent: Counted
    recent_of: str
    season: Counted
    season_of: str
    months: dict[str, references.Months]
    asked_months: list[str]


def measured(site: Site, look: Look) -> list[Score]:
    """Measure each feature of a look, the version's answers, its slices and the labels."""
    bins = references.bins_of(site.store, look.model, look.champion)
    terms = terms_of(site.model(look.model), bins)
    found = []
    if bins.frozen:
        since = _trained_to(site, look)
        windows = _windows(site, look, bins, since)
        gathered = stillness.upto(site.store, bins, terms, since, look.until)
        weights = references.weights(site.store, look.model, look.champion)
        for key, frozen in bins.frozen.items():
            column = _column(look.champion, key, frozen, bins.places[key], windows)
            full = _values(_profile(key, frozen, bins.places[key], windows.early)) > 0
            known = gathered.get(" ".join(key)) if full else None
            column = _judged(column, known, terms, weights.get(key[1]))
            found.append(_score(look, KINDS[key[0]], column))
    return [*found, *_labels(site, look, terms)]


def terms_of(settings: ModelSettings, bins: Bins) -> Terms:
    """Return when a column of a version drifts; the budget is shared by all that are tested."""
    return Terms(
        settings.monitor.drift_limit, drifts.needed(tested(bins), settings.monitor.false_alarms)
    )


def tested(bins: Bins) -> int:
    """Return how many things share the budget: features, score and slices, and the labels."""
    return len(bins.frozen) + 1


def over(site: Site, model: str, version: str) -> list[DriftColumn]:
    """Return the features that drifted when last measured, the farthest first."""
    columns = columns_of(scores.latest(site.store, model, KIND, version))
    return sorted((c for c in columns if c.drifted), key=lambda c: -(c.psi or 0.0))


def columns_of(found: list[Score]) -> list[DriftColumn]:
    """Return what stands behind scores of drift."""
    return [msgspec.json.decode(s.detail, type=DriftColumn) for s in found if s.detail]


def _trained_to(site: Site, look: Look) -> datetime:
    """Return from when on days are tested: the first full one after the training rows."""
    ended = site.ledger.version(look.model, look.champion).trained_to
    since = parse_time(ended) + stillness.DAY if ended else look.since
    return since.replace(hour=0, minute=0, second=0, microsecond=0)


def _windows(site: Site, look: Look, bins: Bins, since: datetime) -> _Windows:
    length = look.until - look.since
    before = look.since - length
    year = look.since - YEAR, look.until - YEAR
    hours.renew(site.store, bins, min(since, before), look.until)
    hours.renew(site.store, bins, *year)
    months = profiles.of(site.store, look.model, look.champion, references.MONTHS)
    day = year[0].replace(day=1)
    asked = []
    while day <= year[1]:
        asked.append(f"{day:%Y-%m}")
        day = (day + timedelta(days=32)).replace(day=1)
    return _Windows(
        hours.window(site.store, bins, look.since, look.until),
        hours.window(site.store, bins, look.since, look.since + length / EARLY),
        hours.window(site.store, bins, before, look.since),
        _span(before, look.since),
        hours.window(site.store, bins, *year),
        _span(*year),
        {n: msgspec.json.decode(t, type=references.Months) for n, t in months.items()},
        asked,
    )


def _column(version: str, key: Key, frozen: Frozen, place: slice, windows: _Windows) -> DriftColumn:
    now = _profile(key, frozen, place, windows.current)
    recent = _profile(key, frozen, place, windows.recent)
    named = f"training rows of {version}" if key[0] == FEATURE else f"hold-out answers of {version}"
    compared = [
        _against("training", named, frozen, now),
        _against("recent", windows.recent_of, recent, now),
        _season(key, frozen, place, windows, now),
    ]
    below, above = tally.outside(frozen, windows.current.cells[place])
    column = _described(name_of(key), key[0], frozen, now, compared[0])
    return msgspec.structs.replace(
        column,
        below_current=below,
        above_current=above,
        unseen_current=windows.current.unseen.get(" ".join(key), {}),
        references=compared,
    )


def _described(
    name: str, part: str, frozen: Frozen, now: Frozen, training: DriftReference
) -> DriftColumn:
    """Return a column with what both sides tell of themselves."""
    column = DriftColumn(
        name,
        "categorical" if isinstance(frozen, CategoricalProfile) else "numeric",
        training.psi,
        training.js,
        training.ks,
        frozen.n,
        now.n,
        frozen.null_rate or 0.0,
        now.null_rate or 0.0,
        part=part,  # type: ignore[arg-type]
        missing=training.missing,
    )
    if isinstance(frozen, NumericProfile) and isinstance(now, NumericProfile):
        normed = None
        if training.wasserstein is not None and frozen.deviation:
            normed = training.wasserstein / frozen.deviation
        return msgspec.structs.replace(
            column,
            bins=len(frozen.coarse) + 1,
            ks_bins=len(frozen.counts),
            wasserstein=training.wasserstein,
            wasserstein_normed=normed,
            infinite_current=now.infinities,
            mean_reference=frozen.mean,
            mean_current=now.mean,
            deviation_reference=frozen.deviation,
            deviation_current=now.deviation,
        )
    new = sorted(name for name in now.counts if name not in frozen.counts)
    return msgspec.structs.replace(
        column, bins=len(set(frozen.counts) | set(now.counts)), new_categories=new
    )


def _profile(key: Key, frozen: Frozen, place: slice, counted: Counted) -> Frozen:
    return tally.profile_of(frozen, counted.cells[place], counted.unseen.get(" ".join(key), {}))


def _against(against: Against, of: str, reference: Frozen, now: Frozen) -> DriftReference:
    """Return the distances from one reference, or why there are none."""
    n = _values(reference)
    few = _few(n, "in the reference") or _few(_values(now), "now")
    if few:
        return DriftReference(against, of, n, missing=few)
    if isinstance(reference, NumericProfile) and isinstance(now, NumericProfile):
        far = drift.numeric_profiles(reference, now)
        return DriftReference(against, of, n, far.psi, far.js, far.ks, far.wasserstein)
    sides = _sides(reference, now)
    return DriftReference(against, of, n, drift.psi(*sides), drift.js(*sides))


def _season(
    key: Key, frozen: Frozen, place: slice, windows: _Windows, now: Frozen
) -> DriftReference:
    """Return the distances from the same season: rows sent a year before, else trained on then."""
    sent = _profile(key, frozen, place, windows.season)
    if _values(sent) >= MIN_DRIFT_ROWS:
        return _against("season", windows.season_of, sent, now)
    by_month = windows.months.get(key[1], {}) if key[0] == FEATURE else {}
    there = [by_month[month] for month in windows.asked_months if month in by_month]
    before = np.array(there or [[0]], dtype=np.int64).sum(axis=0)
    few = _few(int(before.sum()), f"a year before ({windows.season_of})") or _few(
        _values(now), "now"
    )
    if few:
        return DriftReference("season", windows.season_of, int(before.sum()), missing=few)
    current = np.array(tally.merged(windows.current.cells[place], tally.coarse(frozen)))
    of = f"training rows of {', '.join(windows.asked_months)}"
    far = drift.psi(before, current), drift.js(before, current)
    return DriftReference("season", of, int(before.sum()), *far)


def _judged(
    column: DriftColumn, gathered: Gathered | None, terms: Terms, worth: float | None
) -> DriftColumn:
    """Return a column with its evidence, and how much its drift may cost."""
    if column.part == FEATURE and worth is not None and column.psi is not None:
        column = msgspec.structs.replace(column, worth=worth, damage=worth * column.psi)
    if gathered is None or not gathered.periods:
        return _sure(column, None, terms.limit, terms.needed)
    column = msgspec.structs.replace(column, evidence_since=gathered.since)
    return _sure(column, gathered.evidence, terms.limit, terms.needed)


def _sure(column: DriftColumn, evidence: float | None, limit: float, needed: float) -> DriftColumn:
    return msgspec.structs.replace(
        column,
        evidence=evidence,
        evidence_needed=needed,
        drifted=drifts.drifted(column.psi, limit, evidence, needed),
    )


def _labels(site: Site, look: Look, terms: Terms) -> list[Score]:
    """Measure the labels of mature rows against those of the training rows."""
    frozen = profiles.of(site.store, look.model, look.champion, references.LABEL)
    if references.LABEL not in frozen:
        return []
    reference = tally.decoded(frozen[references.LABEL])
    now = _labelled(site, look, reference, look.mature_since, look.mature_until)
    named = f"labels of the training rows of {look.champion}"
    training = _against("training", named, reference, now)
    column = _described("label", "label", reference, now, training)
    column = msgspec.structs.replace(column, references=[training])
    first = stillness.day_of(look.mature_since + stillness.DAY - timedelta(microseconds=1))
    full = _labelled(site, look, reference, first, stillness.day_of(look.mature_until))
    evidence = None
    if _values(full) >= MIN_DRIFT_ROWS:
        evidence = stillness.at_once(*_sides(reference, full))
    column = _sure(column, evidence, terms.limit, terms.needed * drifts.DAYS_A_YEAR)
    return [_score(look, LABEL_KIND, column, mature=True)]


def _labelled(
    site: Site, look: Look, reference: Frozen, since: datetime, until: datetime
) -> Frozen:
    """Return the labels of rows predicted in a span, in the bins of the training labels."""
    counts = predictions.label_counts(site.store, look.model, since, until)
    values = outcomes.texts([text for text, _ in counts])
    names = classes(site, look.model, look.champion)
    codes = outcomes.codes(site.model(look.model).task, names, values)
    if isinstance(reference, NumericProfile):
        numbers = np.repeat(codes, [n for _, n in counts])
        return profile.numeric_profile(numbers, reference.edges)
    known: dict[str, int] = {}
    for value, code, (_, n) in zip(values, codes, counts, strict=True):
        name = outcomes.class_name(value) if np.isnan(code) else names[int(code)]
        known[name] = known.get(name, 0) + n
    return profile.counted_profile(known)


def _sides(reference: Frozen, now: Frozen) -> tuple[tally.Cells, tally.Cells]:
    """Return both sides' counts in the bins of psi: the deciles, or each category of either."""
    if isinstance(reference, NumericProfile) and isinstance(now, NumericProfile):
        edges = reference.coarse
        counts = [profile.rebinned(side, edges).counts for side in (reference, now)]
        return np.array(counts[0], dtype=np.int64), np.array(counts[1], dtype=np.int64)
    assert isinstance(reference, CategoricalProfile)
    assert isinstance(now, CategoricalProfile)
    names = sorted(reference.counts.keys() | now.counts.keys())
    before, after = (
        np.array([side.counts.get(name, 0) for name in names], dtype=np.int64)
        for side in (reference, now)
    )
    return before, after


def _score(look: Look, kind: str, column: DriftColumn, *, mature: bool = False) -> Score:
    span = (look.mature_since, look.mature_until) if mature else (look.since, look.until)
    detail = msgspec.json.encode(column, order="sorted").decode()
    return Score(
        look.model,
        look.champion,
        kind,
        column.column,
        *span,
        column.psi,
        column.n_current,
        detail=detail,
    )


def _values(one: Frozen) -> int:
    """Return how many values there are: neither null nor infinite."""
    return sum(one.counts if isinstance(one, NumericProfile) else one.counts.values())


def _few(n: int, where: str) -> str:
    return "" if n >= MIN_DRIFT_ROWS else f"not enough values {where}: {n} of {MIN_DRIFT_ROWS}"


def name_of(key: Key) -> str:
    """Return how a column is called: a slice as column=value."""
    if key[0] != SLICE:
        return key[1]
    column, value = msgspec.json.decode(key[1], type=tuple[str, str])
    return f"{column}={value}"


def _span(since: datetime, until: datetime) -> str:
    return f"{since:%Y-%m-%d %H:%M}..{until:%Y-%m-%d %H:%M}Z"
