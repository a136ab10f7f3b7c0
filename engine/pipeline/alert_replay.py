"""Today's rules tried on the stored looks of a model. Changes nothing."""

from datetime import datetime, timedelta

from engine.clock import iso, parse_time
from engine.domain.alert_history import Looked, Raised, Worth, replayed, worth
from engine.pipeline import findings
from engine.pipeline.alert_page import promise
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.store import looks, scores
from engine.wire import AlertReplay, ReplayedAlert, ReplayedKind

YEAR = timedelta(days=365.25)


def replay(
    site: Site, model: str, since: datetime | None = None, until: datetime | None = None
) -> AlertReplay:
    """Return what the present rules would have raised, how often, and how early."""
    settings = site.model(model)
    made = [
        look
        for look in _looks(site, model)
        if (since is None or look.at >= since) and (until is None or look.at < until)
    ]
    grace = duration(settings.monitor.window) + duration(settings.label_maturity)
    raised = replayed(made, grace)
    span = made[-1].at - made[0].at if made else timedelta()
    return AlertReplay(
        model,
        iso(made[0].at) if made else None,
        iso(made[-1].at) if made else None,
        len(made),
        [_alert(r) for r in raised],
        [_kind(w, span) for w in worth(raised, made)],
        promise(site, model),
        "" if made else "no look is stored of that time: cdml monitor makes one",
    )


def _looks(site: Site, model: str) -> list[Looked]:
    """Return the stored looks, oldest first, with what today's limits find in them."""
    settings = site.model(model)
    trained = {v.version: v.trained_to for v in site.ledger.versions(model)}
    measured = scores.by_look(site.store, model)
    made = []
    for look in looks.known(site.store, model):
        to = trained.get(look.champion)
        found = measured.get(look.at, [])
        known = findings.found(settings, found, parse_time(to) if to else None, look.at)
        made.append(Looked(look.at, look.champion, known))
    return made


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
