"""Today's rules tried on the stored looks of a model. Changes nothing."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from engine.clock import iso, parse_time
from engine.domain.alert_history import Looked, Raised, Worth, replayed, worth
from engine.pipeline import findings
from engine.pipeline.alert_page import promise
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.store import scores
from engine.store.scores import Score
from engine.wire import AlertReplay, ReplayedAlert, ReplayedKind

YEAR = timedelta(days=365.25)
# Their windows end where labels are mature: the look came that much later.
_MATURE = ("realised", "kpi", "slice", "calibration", "label drift")
# What names the champion of its look.
_CHAMPIONS = ("realised", "slice", "drift", "score drift")


def replay(
    site: Site, model: str, since: datetime | None = None, until: datetime | None = None
) -> AlertReplay:
    """Return what the present rules would have raised, how often, and how early."""
    settings = site.model(model)
    looks = [
        look
        for look in _looks(site, model)
        if (since is None or look.at >= since) and (until is None or look.at < until)
    ]
    grace = duration(settings.monitor.window) + duration(settings.label_maturity)
    raised = replayed(looks, grace)
    span = looks[-1].at - looks[0].at if looks else timedelta()
    return AlertReplay(
        model,
        iso(looks[0].at) if looks else None,
        iso(looks[-1].at) if looks else None,
        len(looks),
        [_alert(r) for r in raised],
        [_kind(w, span) for w in worth(raised, looks)],
        promise(site, model),
        "" if looks else "no look is stored of that time: cdml monitor makes one",
    )


def _looks(site: Site, model: str) -> list[Looked]:
    """Return the stored looks, oldest first, with what today's limits find in them."""
    settings = site.model(model)
    maturity = duration(settings.label_maturity)
    by_look: dict[datetime, list[Score]] = defaultdict(list)
    for kind in findings.KINDS:
        for s in scores.history(site.store, model, kind):
            by_look[_at(s, maturity)].append(s)
    trained = {v.version: v.trained_to for v in site.ledger.versions(model)}
    looks, version = [], ""
    for at, found in sorted(by_look.items()):
        version = _champion(found, trained) or version
        to = trained.get(version)
        known = findings.found(settings, found, parse_time(to) if to else None, at)
        looks.append(Looked(at, version, known))
    return looks


def _at(s: Score, maturity: timedelta) -> datetime:
    """Return when a score was looked at; of a forecast, which is of rows to come, it says so."""
    made = findings.detail_of(s).made if s.kind == "forecast" else None
    if made is not None:
        return parse_time(made)
    return s.window_to + (maturity if s.kind in _MATURE else timedelta())


def _champion(found: Sequence[Score], trained: dict[str, str | None]) -> str | None:
    named = (s.version for s in found if s.kind in _CHAMPIONS and s.version in trained)
    return next(named, None)


def _alert(raised: Raised) -> ReplayedAlert:
    alert = raised.alert
    return ReplayedAlert(
        alert.finding.kind,
        findings.plain(alert.finding.name),
        alert.version,
        alert.severity.name,  # type: ignore[arg-type]
        alert.finding.text,
        iso(alert.since),
        iso(alert.opened or alert.since),
        iso(alert.ended) if alert.ended else None,
        raised.outcome,
        _days(raised.lead),
    )


def _kind(found: Worth, span: timedelta) -> ReplayedKind:
    a_year = found.raised * (YEAR / span) if span else None
    lead = _days(found.lead)
    counts = found.early, found.late, found.false
    return ReplayedKind(found.kind, found.raised, a_year, found.told, found.stood, *counts, lead)


def _days(length: timedelta | None) -> float | None:
    return None if length is None else length / timedelta(days=1)
