"""The drift of a model as people are shown it: what may cost most first."""

from engine.pipeline import drifting
from engine.pipeline.site import Site
from engine.store import scores
from engine.wire import DriftAnswer, DriftColumn


def columns(site: Site, model: str) -> list[DriftColumn]:
    """Return the champion's drift by feature as last measured, the most damaging first.

    Where nothing is known of what a feature is worth, the farthest first.
    """
    champion = site.ledger.roles(model).champion
    if champion is None:
        return []
    return _ranked(drifting.columns_of(scores.latest(site.store, model, "drift", champion)))


def _ranked(found: list[DriftColumn]) -> list[DriftColumn]:
    def rank(c: DriftColumn) -> tuple[float, float, str]:
        known = (-1.0 if v is None else v for v in (c.damage, c.psi))
        damage, psi = known
        return -damage, -psi, c.column

    return sorted(found, key=rank)


def page(site: Site, model: str) -> DriftAnswer:
    """Return the champion's drift against its training rows, the season and the recent past."""
    settings = site.model(model)
    champion = site.ledger.roles(model).champion or ""
    found = columns(site, model)
    last = scores.latest(site.store, model, "drift", champion)
    window = (
        f"{last[0].window_from:%Y-%m-%d %H:%M}..{last[0].window_to:%m-%d %H:%M}Z" if last else ""
    )
    missing = "" if found else "not measured yet: cdml monitor measures it now"
    reference = f"training rows of {champion}" if champion else ""
    beside = [
        column
        for kind in drifting.BESIDE
        for column in _ranked(drifting.columns_of(scores.latest(site.store, model, kind, champion)))
    ]
    return DriftAnswer(
        model,
        champion or None,
        reference,
        window,
        found,
        missing,
        beside,
        settings.monitor.drift_limit,
        settings.monitor.false_alarms,
        len(found) + len(beside),
    )
