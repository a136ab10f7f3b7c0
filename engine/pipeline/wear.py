"""How old a champion's training rows may become: as cdml.toml says, else as was measured here."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.clock import parse_time
from engine.domain.wear import NEEDED, Aged, usual, worse_from
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.stats import performance
from engine.store import scores


@dataclass(frozen=True, slots=True)
class Age:
    """How old the champion's rows are, how old they may become, and who says so."""

    now: timedelta
    limit: timedelta
    by: str

    @property
    def said(self) -> str:
        """Say it in half a sentence."""
        day = timedelta(days=1)
        return f"training rows {self.now / day:.0f} d old, limit {self.limit / day:.3g} d {self.by}"


def age(site: Site, model: str, now: datetime) -> Age | None:
    """Return the age of the champion's training rows; None where no limit is known."""
    champion = site.ledger.roles(model).champion
    if champion is None:
        return None
    trained_to = site.ledger.version(model, champion).trained_to
    if trained_to is None:
        return None
    stale = site.model(model).train.stale
    limit, by = (duration(stale), "by train.stale") if stale else (_measured(site, model), "")
    if limit is None:
        return None
    by = by or f"by what versions of {model} lasted here"
    return Age(now - parse_time(trained_to), limit, by)


def _measured(site: Site, model: str) -> timedelta | None:
    """Return the age by which half of the versions that answered here had become worse."""
    settings = site.model(model)
    seen: dict[str, list[Aged]] = defaultdict(list)
    trained = {v.version: v.trained_to for v in site.ledger.versions(model)}
    for score in scores.history(site.store, model, "realised", name=settings.metric):
        trained_to = trained.get(score.version)
        if None in (trained_to, score.value, score.low, score.high):
            continue
        old = score.window_to - parse_time(trained_to or "")
        seen[score.version].append(
            Aged(
                old / timedelta(seconds=1), score.value or 0.0, score.low or 0.0, score.high or 0.0
            )
        )
    watched = [found for found in seen.values() if len(found) > 1]
    if len(watched) < NEEDED:
        return None
    better = performance.metric_named(settings.metric).higher_is_better
    margin = settings.gate.non_inferiority
    found = usual([worse_from(w, margin, higher_is_better=better) for w in watched])
    return None if found is None else timedelta(seconds=found)
