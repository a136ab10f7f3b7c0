"""The champion's answers and losses as streams, watched row by row for a change.

Each row is taken once, in the order in which it was stored. A new champion begins anew. What
counts as normal is the inner hold-out of its training, else its own first rows.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
import numpy as np

from engine.clock import parse_time
from engine.domain.alerts import Finding
from engine.pipeline import alerts, incidents, normal
from engine.pipeline.normal import LOSSES, MOST_ROWS, SCORES
from engine.pipeline.realised import classes
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.stats import outcomes, performance
from engine.stats.detector import Detector
from engine.store import profiles, streams
from engine.store.streams import Rows, Span

T = TypeVar("T")
FIRST_ROWS, FIRST_SPAN = 1_000, timedelta(days=1)
BEFORE_ROWS = 1_000


class Stream(msgspec.Struct, frozen=True):
    """One stream: up to which place it is taken in, from which on rows count, what was seen.

    `alarm` was told `at`: `n` rows since with a mean of `value`; `beyond` says that these losses
    are beyond the metric's limit, else `limit` is the mean before.
    """

    place: int
    begin: int
    seen: Detector | None = None
    alarm: str = ""
    since: str | None = None
    at: str | None = None
    beyond: bool = False
    value: float | None = None
    limit: float = 0.0
    n: int = 0


class Watched(msgspec.Struct, frozen=True):
    """What is kept of a champion's reign."""

    version: str
    reign: int
    began: str
    answered: int
    streams: dict[str, Stream]


def watch(site: Site, model: str) -> str | None:
    """Take in new rows of the champion; return why a monitoring run is due, or None."""
    roles = site.ledger.roles(model)
    if roles.champion is None:
        return None
    ends = dict(zip((SCORES, LOSSES), streams.ends(site.store), strict=True))
    before = _watched(site, model, roles.champion, ends)
    after = msgspec.structs.replace(
        before,
        streams={name: _taken_in(site, model, before, name, ends[name]) for name in before.streams},
    )
    told = [
        name for name, now in after.streams.items() if now.alarm and not before.streams[name].alarm
    ]
    for name in told:
        _begin(site, model, after, name)
    for name, was in before.streams.items():
        if was.alarm and not after.streams[name].alarm:
            alerts.over(site, model, _key_of(name, was), "watched anew")
    if after != _kept(site, model):
        # After telling: an engine that dies in between tells again, and none is lost.
        site.ledger.set_meta(_key(model), msgspec.json.encode(after).decode())
    return after.streams[told[-1]].alarm if told else None


def standing(site: Site, model: str) -> list[str]:
    """Return what is known of the streams of the present champion, a line each, for people."""
    found = _kept(site, model)
    if found is None or (found.version, found.reign) != _present(site, model):
        return []
    return [f"{name.strip('()')}: {_said(stream)}" for name, stream in found.streams.items()]


def _values(site: Site, model: str, version: str, name: str, rows: Rows) -> Any:
    """Return one number a row; a label that fits nothing gives none."""
    if name == SCORES:
        return normal.scores(rows.answers)
    settings = site.model(model)
    names = classes(site, model, version)
    labels = outcomes.codes(settings.task, names, outcomes.texts(rows.labels))
    return normal.losses(settings.metric, settings.task, labels, rows.answers)


READ = {SCORES: streams.answered, LOSSES: streams.labelled}
LEFT = {SCORES: streams.count_answered, LOSSES: streams.count_labelled}


def _key(model: str) -> str:
    return f"streams:{model}"


def _decoded(text: str | None, kind: type[T]) -> T | None:
    """Return what was kept; what another cdml kept in another form counts for nothing."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError:
        return None


def _kept(site: Site, model: str) -> Watched | None:
    return _decoded(site.ledger.meta(_key(model)), Watched)


def _present(site: Site, model: str) -> tuple[str | None, int]:
    move = site.ledger.last_move(model)
    return site.ledger.roles(model).champion, (move.generation_after if move else None) or 0


def _watched(site: Site, model: str, champion: str, ends: Mapping[str, int]) -> Watched:
    """Return what is known of this reign; another one's counts for nothing."""
    found = _kept(site, model)
    _, reign = _present(site, model)
    if found is not None and (found.version, found.reign) == (champion, reign):
        return found
    fresh = {name: _fresh(site, model, champion, name, ends[name]) for name in READ}
    return Watched(champion, reign, site.moment(), ends[SCORES], fresh)


def _fresh(site: Site, model: str, champion: str, name: str, end: int) -> Stream:
    frozen = profiles.of(site.store, model, champion, normal.PART).get(name)
    return Stream(end, end, _decoded(frozen, Detector))


def _taken_in(site: Site, model: str, of: Watched, name: str, end: int) -> Stream:
    """Return a stream with its new rows."""
    before = of.streams[name]
    if before.alarm and _over(site, model, name, before):
        return _fresh(site, model, of.version, name, end)
    if before.alarm or end == before.place:
        return before
    if end < before.place or _too_soon(site, model, of, name):
        # A log that is shorter than it was is another one, from a backup: go on at its end.
        return msgspec.structs.replace(before, place=end, begin=end)
    if before.seen is None:
        return _first(site, model, of, name, end)
    span = Span(model, of.version, before.place, end, of.answered)
    rows = READ[name](site.store, span)
    after = before.seen.after(_values(site, model, of.version, name, rows))
    now = msgspec.structs.replace(before, place=end, seen=after)
    if not after.alarmed:
        return now
    return _alarm(site, model, of, name, now)


def _over(site: Site, model: str, name: str, stream: Stream) -> bool:
    """Say that an alarm of losses has had its time: what comes from now on is watched anew.

    That of an incident is over when a person has closed it, a warning after one window.
    """
    if name != LOSSES or stream.at is None:
        return False
    if stream.beyond:
        return incidents.standing(site, model) is None
    window = duration(site.model(model).monitor.window)
    return site.clock.now() - parse_time(stream.at) >= window


def _too_soon(site: Site, model: str, of: Watched, name: str) -> bool:
    """Say that the labels that come now are only the quick ones, which are not as all are."""
    if name != LOSSES:
        return False
    whole = parse_time(of.began) + duration(site.model(model).label_maturity)
    return site.clock.now() < whole


def _first(site: Site, model: str, of: Watched, name: str, end: int) -> Stream:
    """Calibrate on the first live rows, once they are enough of at least a day."""
    before = of.streams[name]
    waited = site.clock.now() - parse_time(of.began) >= FIRST_SPAN
    values = np.empty(0)
    if waited:
        span = Span(model, of.version, before.begin, end, of.answered)
        rows = READ[name](site.store, span, most=MOST_ROWS)
        values = _values(site, model, of.version, name, rows)
    if len(values) < FIRST_ROWS:
        return msgspec.structs.replace(before, place=end)
    return Stream(end, end, normal.begun(name, values, site.seed))


def _alarm(site: Site, model: str, of: Watched, name: str, now: Stream) -> Stream:
    """Return a stream with its alarm in words: the rows from the change on are read again."""
    seen = now.seen
    assert seen is not None
    first = seen.began or seen.rows
    skip = max(0, first - 1 - BEFORE_ROWS)
    span = Span(model, of.version, now.begin, now.place, of.answered)
    # Of rows that have left the store nothing is read again.
    gone = min(skip, max(0, seen.rows - LEFT[name](site.store, span)))
    rows = READ[name](site.store, span, skip=skip - gone, most=seen.rows - skip)
    values, cut = _values(site, model, of.version, name, rows), first - 1 - skip
    since = iso_of(rows.times[min(cut, len(rows.times) - 1)]) if len(rows.times) else None
    settings = site.model(model)
    metric = normal.row_metric(settings.metric, settings.task)
    after, before = (
        _mean(metric if name == LOSSES else None, part) for part in (values[cut:], values[:cut])
    )
    limit = settings.monitor.metric_limit if metric == settings.metric else None
    beyond = name == LOSSES and None not in (limit, after) and _worse(metric, after, limit)
    what = (
        f"{metric} of {of.version} got worse"
        if name == LOSSES
        else f"the distribution of the answers of {of.version} changed"
    )
    said = (
        f"{what} about {(since or '?')[:16]}: mean {_shown(after)}"
        f"{'' if limit is None or name != LOSSES else f', limit {limit:g},'} in "
        f"{seen.rows - first + 1} rows since"
        f"{'' if before is None else f', {_shown(before)} before'}; seen after {seen.rows} rows"
    )
    return msgspec.structs.replace(
        now,
        alarm=said,
        since=since,
        at=site.moment(),
        beyond=beyond,
        value=after,
        limit=limit if beyond and limit is not None else before or 0.0,
        n=seen.rows - first + 1,
    )


def _worse(metric: str, value: float | None, limit: float | None) -> bool:
    sign = 1.0 if performance.metric_named(metric).higher_is_better else -1.0
    return sign * (value or 0.0) < sign * (limit or 0.0)


def _mean(metric: str | None, values: Any) -> float | None:
    """Return the mean of rows, of losses as the metric in its natural sign."""
    if not len(values):
        return None
    mean = float(np.mean(values))
    if metric is None:
        return mean
    higher = performance.metric_named(metric).higher_is_better
    return float(performance.from_mean(metric, -mean if higher else mean))


def _shown(value: float | None) -> str:
    return "--" if value is None else f"{value:.4g}"


def iso_of(moment: Any) -> str:
    """Return a moment of the store as text."""
    return f"{np.datetime_as_string(moment, unit='s')}Z"


def _begin(site: Site, model: str, of: Watched, name: str) -> None:
    stream = of.streams[name]
    value = stream.value or 0.0
    found = Finding(*_key_of(name, stream), value, stream.limit, stream.n, stream.alarm,
                    value > stream.limit)  # fmt: skip
    alerts.settle(site, model, [found], of.version, site.clock.now())


def _key_of(name: str, stream: Stream) -> tuple[str, str]:
    return "losses" if stream.beyond else "detector", name.strip("()")


def _said(stream: Stream) -> str:
    if stream.alarm:
        return stream.alarm
    if stream.seen is None:
        return f"not enough: {FIRST_ROWS} rows of at least a day are needed"
    return f"no change in {stream.seen.rows} rows"
