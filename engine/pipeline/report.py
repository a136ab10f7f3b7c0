"""`cdml report`: one HTML file for people who were not at the console. No script, no network.

Everything in it is read from ledger and store; text that came with data is inert.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape

import msgspec

from engine.clock import iso, parse_end, parse_time
from engine.errors import InvalidError
from engine.pipeline import alert_page
from engine.pipeline.chart import Mark, Point, Series, line_chart
from engine.pipeline.page import page, section, table, text
from engine.pipeline.realised import SERVED, metrics
from engine.pipeline.site import Site
from engine.stats.drift import EPSILON
from engine.stats.profile import BINS
from engine.store import scores
from engine.store.scores import Score
from engine.wire import AlertRow, AuditEntry, DriftColumn, Forecast, IncidentRow, ModelReport

KEPT_EVENTS = 200


def report(site: Site, model: str, since: str | None, until: str | None) -> ModelReport:
    """Write the report of a model between two moments; by default all that was measured."""
    settings = site.model(model)
    end = parse_end(until) if until else site.clock.now()
    begin = parse_time(since) if since else _first(site, model, end)
    if begin >= end:
        raise InvalidError(
            f"Reporting on {model}: from {iso(begin)} to {iso(end)} is no time. Give --from an "
            "earlier moment than --to.",
            code="bad_interval",
            field="from",
        )
    marks = [
        Mark(parse_time(e.time), f"{e.to_version} {e.action}")
        for e in _moves(site, model)
        if begin <= parse_time(e.time) <= end
    ]
    parts = [
        _head(site, model, begin, end),
        section("Who served", _reigns(site, model, begin, end)),
        section("Performance", _performance(site, model, begin, end, marks)),
        section("Business numbers", _business(site, model, begin, end, marks)),
        section("Drift", _drift(site, model, begin, end, marks)),
        section("Alerts", _alerts(site, model, begin, end)),
        section("Incidents", _incidents(site, model, begin, end)),
        section("What happened", _events(site, model, begin, end)),
        section("How to read this", _notes(settings.label_maturity, settings.monitor.window)),
    ]
    title = f"{model}: {begin:%Y-%m-%d} to {end:%Y-%m-%d}"
    return ModelReport(model, iso(begin), iso(end), page(title, parts))


def _first(site: Site, model: str, end: datetime) -> datetime:
    """Return the first moment anything was measured, a day before `end` at the latest."""
    found = scores.history(site.store, model, "realised", SERVED)
    first = [s.window_from for s in found if s.value is not None]
    return min(min(first, default=end), end - timedelta(days=1))


def _head(site: Site, model: str, since: datetime, until: datetime) -> str:
    settings = site.model(model)
    roles = site.ledger.roles(model)
    words = []
    for kind, names in (("realised", metrics(settings)), ("kpi", list(settings.kpi))):
        found = [s for s in _within(site, model, kind, SERVED, since, until) if s.value is not None]
        for name in names:
            last = next((s for s in reversed(found) if s.name == name), None)
            words += [f"{escape(name)} {_number(last.value)} (n {last.n})"] if last else []
    said = f"Last realised in this time: {'; '.join(words)}." if words else ""
    return (
        f"<h1>{escape(model)}: {since:%Y-%m-%d} to {until:%Y-%m-%d}</h1>"
        f'<p class="dim">Workspace {escape(site.settings.workspace.name)}, written '
        f"{_time(iso(site.clock.now()))}; times are UTC.</p>"
        f"<p>Champion now: <b>{escape(roles.champion or 'none')}</b>. {said}</p>"
        f"{_standing(site, model, measured=bool(words))}"
    )


def _standing(site: Site, model: str, *, measured: bool) -> str:
    stands = [a for a in alert_page.listed(site, model, everything=False).alerts if not a.ended]
    if stands:
        loud = sum(a.severity == "CRIT" for a in stands)
        said = f"{loud} critical and {len(stands) - loud} other alerts stand now"
        return f'<p class="bad">{said}, the worst: {text(stands[0].text)}.</p>'
    if measured:
        return "<p>Nothing stands beyond its limit now.</p>"
    return '<p class="none">Nothing was measured in this time: cdml monitor measures now.</p>'


def _alerts(site: Site, model: str, since: datetime, until: datetime) -> str:
    def there(row: AlertRow) -> bool:
        ended = parse_time(row.ended) if row.ended else until
        return parse_time(row.since) <= until and ended >= since

    found = alert_page.listed(site, model, everything=True)
    rows = [
        [
            *(a.severity, _time(a.since), _time(a.ended) or a.state, a.text),
            *(a.cost, a.because),
        ]
        for a in found.alerts
        if a.opened and there(a)
    ]
    head = ["Level", "Since", "Until", "What", "What it costs", "What moved"]
    promise = f'<p class="dim">{text(found.promise.get(model))}</p>'
    return table(head, rows[:KEPT_EVENTS], "None in this time.") + promise


def _moves(site: Site, model: str) -> list[AuditEntry]:
    """Return the changes of champion, oldest first."""
    return [e for e in site.ledger.entries() if e.model == model and e.to_version != e.from_version]


def _reigns(site: Site, model: str, since: datetime, until: datetime) -> str:
    moves = _moves(site, model)
    ends = [*(parse_time(e.time) for e in moves[1:]), until][: len(moves)]
    rows = [
        [
            e.to_version or "none",
            _time(e.time),
            _time(iso(end)),
            f"{e.action} by {e.actor}",
            e.reason,
        ]
        for e, end in zip(moves, ends, strict=True)
        if end > since and parse_time(e.time) <= until
    ]
    return table(["Version", "From", "Until", "How", "Why"], rows, "No version has served yet.")


def _series(found: Sequence[Score], name: str, look: str) -> Series:
    return Series(name, look, [Point(s.window_to, s.value, s.low, s.high) for s in found])


def _within(
    site: Site, model: str, kind: str, version: str | None, since: datetime, until: datetime
) -> list[Score]:
    found = scores.history(site.store, model, kind, version)
    return [s for s in found if since <= s.window_to <= until]


def _performance(
    site: Site, model: str, since: datetime, until: datetime, marks: Sequence[Mark]
) -> str:
    settings = site.model(model)
    realised = _within(site, model, "realised", SERVED, since, until)
    estimated = _within(site, model, "estimated", None, since, until)
    parts = []
    for metric in metrics(settings):
        limit = settings.monitor.metric_limit if metric == settings.metric else None
        lines = [
            _series([s for s in realised if s.name == metric], f"{metric}, realised", "main"),
            _series(
                [s for s in estimated if s.name == metric], "estimated before labels", "second"
            ),
        ]
        ahead = _ahead(site, model, metric)
        end = max([until, *(p.at for p in ahead.points)])
        chart = line_chart(metric, [*lines, ahead], since, end, limit, marks)
        parts.append(f"<h3>{escape(metric)}</h3>{chart}")
    own = [s for s in realised if s.name == settings.metric][-12:]
    rows = [
        [f"{s.window_from:%Y-%m-%d}..{s.window_to:%m-%d}", _number(s.value), _range(s), str(s.n)]
        for s in reversed(own)
    ]
    head = ["Window", settings.metric, "Interval", "n"]
    return "".join(parts) + table(head, rows, "No window has mature labels yet.")


def _ahead(site: Site, model: str, name: str) -> Series:
    """Return what the newest look forecasts of a number, each at the end of its window."""
    points = []
    for s in scores.latest(site.store, model, "forecast"):
        if s.name == name and s.detail:
            at = parse_time(msgspec.json.decode(s.detail, type=Forecast).window_to)
            points.append(Point(at, s.value, s.low, s.high))
    return Series("forecast", "ahead", sorted(points, key=lambda p: p.at))


def _business(
    site: Site, model: str, since: datetime, until: datetime, marks: Sequence[Mark]
) -> str:
    settings = site.model(model)
    if not settings.kpi:
        return '<p class="none">cdml.toml declares no KPI.</p>'
    found = _within(site, model, "kpi", None, since, until)
    parts = []
    for name, kpi in settings.kpi.items():
        lines = [
            _series([s for s in found if (s.version, s.name) == (version, name)], shown, look)
            for version, shown, look in (
                (SERVED, f"{name}, as served", "main"),
                ("never act", "never act", "second"),
                ("always act", "always act", "third"),
            )
        ]
        chart = line_chart(
            name, [*lines, _ahead(site, model, name)], since, until, kpi.limit, marks
        )
        parts.append(
            f"<h3>{escape(name)} <span class='dim'>{escape(kpi.unit)}, {kpi.direction}</span></h3>"
            f"{chart}<p class='dim'>Its definition is the user's own: "
            f"<code>{escape(kpi.sql)}</code></p>"
        )
    return "".join(parts)


def _drift(site: Site, model: str, since: datetime, until: datetime, marks: Sequence[Mark]) -> str:
    limit = site.model(model).monitor.drift_limit
    found = _within(site, model, "drift", None, since, until)
    worst: dict[datetime, Score] = {}
    for s in found:
        known = worst.get(s.window_to)
        if known is None or (s.value or -1.0) > (known.value or -1.0):
            worst[s.window_to] = s
    lines = [_series([worst[at] for at in sorted(worst)], "PSI of the worst column", "main")]
    chart = line_chart("PSI of the worst column", lines, since, until, limit, marks)
    last = max((s.window_to for s in found), default=None)
    columns = [
        msgspec.json.decode(s.detail, type=DriftColumn)
        for s in found
        if s.window_to == last and s.detail
    ]
    rows = [
        [
            c.column,
            _number(c.psi),
            _number(c.js),
            f"{100 * c.null_rate_reference:.1f} % -> {100 * c.null_rate_current:.1f} %",
            ", ".join(c.new_categories[:5]),
            f"{c.n_reference} / {c.n_current}",
        ]
        for c in sorted(columns, key=lambda c: -(c.psi or 0.0))
    ]
    head = ["Column", "PSI", "JS", "Nulls", "New categories", "n reference / current"]
    return chart + table(head, rows, "No drift has been measured yet.")


def _incidents(site: Site, model: str, since: datetime, until: datetime) -> str:
    def there(row: IncidentRow) -> bool:
        ended = parse_time(row.closed) if row.closed else until
        return row.model == model and parse_time(row.opened) <= until and ended >= since

    rows = [
        [str(r.number), r.title, _time(r.opened), _time(r.closed) or "still open", r.version or ""]
        for r in site.ledger.incidents.newest()
        if there(r)
    ]
    head = ["Incident", "What", "Opened", "Closed", "Champion then"]
    return table(head, rows, "None.")


def _events(site: Site, model: str, since: datetime, until: datetime) -> str:
    told = [
        e
        for e in site.ledger.events(limit=100_000)
        if e.model == model and e.level != "INFO" and since <= parse_time(e.time) <= until
    ]
    rows = [[_time(e.time), e.level, e.kind, e.text] for e in reversed(told[-KEPT_EVENTS:])]
    more = f"<p class='dim'>The newest {KEPT_EVENTS} of {len(told)}.</p>"
    shown = table(["Time", "Level", "About", "What"], rows, "Nothing but routine.")
    return shown + (more if len(told) > KEPT_EVENTS else "")


def _notes(maturity: str, window: str) -> str:
    said = (
        (
            f"Realised numbers are of answers as clients got them, over windows of {window}, of "
            f"rows at least {maturity} old; shaded is a 95 % interval, n the labelled rows."
        ),
        (
            "Estimated numbers are made before labels are known, forecasts before the rows are; "
            "both carry the interval of their own past errors. Neither is evidence."
        ),
        (
            f"PSI: natural logarithm, {BINS} bins at the reference's quantiles, shares below "
            f"{EPSILON:g} replaced by {EPSILON:g}."
        ),
        "Late labels restate earlier windows: this is what is known now.",
    )
    items = "".join(f"<li>{escape(one)}</li>" for one in said)
    return f"<ul>{items}</ul>"


def _number(value: float | None) -> str:
    return "not enough" if value is None else f"{value:.4f}"


def _range(score: Score) -> str:
    known = score.low is not None and score.high is not None
    return f"{score.low:.4f} to {score.high:.4f}" if known else ""


def _time(moment: str | None) -> str:
    return f"{moment[:16].replace('T', ' ')}Z" if moment else ""
