"""The drift of a model as people are shown it: what may cost most first."""

import msgspec

from engine.errors import UnknownError
from engine.pipeline import drifting, references
from engine.pipeline.site import Site
from engine.stats import bars, tally
from engine.stats.profile import CategoricalProfile, NumericProfile, rebinned
from engine.stats.tally import Frozen
from engine.store import hours, scores
from engine.store.counting import FEATURE
from engine.store.scores import Score
from engine.wire import ColumnShape, DriftAnswer, DriftColumn


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
    window = _window(last[0]) if last else ""
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


def shape(site: Site, model: str, part: str, column: str) -> ColumnShape:
    """Return one column as bars: the champion's frozen reference, and the window looked at last."""
    site.model(model)
    champion = site.ledger.roles(model).champion or ""
    last = scores.latest(site.store, model, drifting.KIND, champion)
    of = f"training rows of {champion}" if part == FEATURE else f"hold-out answers of {champion}"
    found = ColumnShape(model, column, part, of, _window(last[0]) if last else "")
    if not last:
        return msgspec.structs.replace(found, missing="not measured yet: cdml monitor measures it")
    if part == references.LABEL:
        return msgspec.structs.replace(found, missing="labels are not counted into bars")
    bins = references.bins_of(site.store, model, champion)
    key = next((k for k in bins.frozen if (k[0], drifting.name_of(k)) == (part, column)), None)
    if key is None:
        raise UnknownError(
            f'Drawing column "{column}" of {model}: {champion} froze no {part} of that name. '
            f"Look with cdml drift {model}.",
            code="unknown_column",
            field="column",
        )
    frozen = bins.frozen[key]
    counted = hours.window(site.store, bins, last[0].window_from, last[0].window_to)
    unseen = counted.unseen.get(" ".join(key), {})
    now = tally.profile_of(frozen, counted.cells[bins.places[key]], unseen)
    return _drawn(found, frozen, now)


def _drawn(found: ColumnShape, frozen: Frozen, now: Frozen) -> ColumnShape:
    found = msgspec.structs.replace(found, nulls_reference=frozen.nulls, nulls_current=now.nulls)
    if isinstance(frozen, NumericProfile) and isinstance(now, NumericProfile):
        edges = bars.edges(frozen.edges)
        counts = [rebinned(side, edges).counts for side in (frozen, now)]
        return msgspec.structs.replace(found, edges=edges, reference=counts[0], current=counts[1])
    assert isinstance(frozen, CategoricalProfile)
    assert isinstance(now, CategoricalProfile)
    names, before, after = bars.categories(frozen, now)
    return msgspec.structs.replace(found, names=names, reference=before, current=after)


def _window(of: Score) -> str:
    return f"{of.window_from:%Y-%m-%d %H:%M}..{of.window_to:%m-%d %H:%M}Z"
