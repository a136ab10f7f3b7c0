"""Labels by who sent them: a source whose outcomes lie elsewhere than all others' is told.

Honest sources may label other rows than the rest; compared are rows that were answered alike.
"""

from datetime import timedelta

import numpy as np

from engine.clock import iso, parse_time
from engine.domain.attacks import LABELLED, Kind, Labelled, skewed
from engine.pipeline import signs as told
from engine.pipeline.realised import classes
from engine.pipeline.signs import Sign
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.stats import feedback, outcomes
from engine.store import labels
from engine.store.labels import Sourced

EVERY = timedelta(minutes=10)
NEWEST = 20_000
# The most frequent ones; who has more names than that has few labels under each.
SOURCES = 100


def watch(site: Site, model: str) -> None:
    """Compare the sources of mature labels, every ten minutes; begin and end signs."""
    champion, now = site.ledger.roles(model).champion, site.clock.now()
    last = site.compared.get(model)
    if champion is None or (last is not None and timedelta(0) <= now - last < EVERY):
        return
    site.compared[model] = now
    settings = site.model(model)
    until = now - duration(settings.label_maturity)
    since = until - duration(settings.monitor.window)
    standing = {s.subject: s for s in told.standing(site, model) if s.kind is Kind.LABELS}
    if not standing and not labels.several_sources(site.store, model, since):
        return
    found = labels.sourced(site.store, model, since, until, NEWEST)
    measured = _measured(site, model, champion, found, frozenset(standing))
    for name, one in measured.items():
        if skewed(one, standing=name in standing):
            _tell(site, model, name, one, found)
        elif name in standing:
            told.end(site, model, Kind.LABELS, name, "its labels are as the others' are")
    for name, sign in standing.items():
        if name not in measured and parse_time(sign.until) < since:
            told.end(site, model, Kind.LABELS, name, "it sent no labels of late")


def _measured(
    site: Site, model: str, champion: str, found: Sourced, standing: frozenset[str]
) -> dict[str, Labelled]:
    """Return each source with enough labels, measured against the others.

    The most skewed is taken out before the rest are compared: it must not make them look skewed.
    """
    task = site.model(model).task
    codes = outcomes.codes(task, classes(site, model, champion), outcomes.texts(found.labels))
    kept = np.isfinite(codes)
    names, places = np.unique(np.asarray(found.sources, dtype=str), return_inverse=True)
    days = found.times.astype("datetime64[D]").astype(np.int64)
    made: dict[str, Labelled] = {}
    while True:
        residual = feedback.residuals(task, codes[kept], found.answers[kept])
        levels = feedback.level(task, found.answers[kept])
        sent = np.bincount(places[kept], minlength=len(names))
        often = [int(at) for at in np.argsort(-sent, kind="stable")[:SOURCES]]
        enough = [at for at in often if sent[at] >= LABELLED]
        rest = {
            at: Labelled(skew.n, skew.apart, skew.log_e, skew.own, skew.others)
            for at in enough
            if (skew := feedback.skew(residual, levels, days[kept], places[kept], at))
        }
        bad = [at for at, one in rest.items() if skewed(one, standing=names[at] in standing)]
        if not bad:
            return made | {str(names[at]): one for at, one in rest.items()}
        worst = max(bad, key=lambda at: abs(rest[at].apart))
        made[str(names[worst])] = rest[worst]
        kept &= places != worst


def _tell(site: Site, model: str, name: str, one: Labelled, found: Sourced) -> None:
    mine = np.asarray(found.sources, dtype=str) == name
    first, last = (parse_time(f"{t}Z") for t in (found.times[mine].min(), found.times[mine].max()))
    since, until = iso(first), iso(last + timedelta(seconds=1))
    delay = float(np.median(np.asarray(found.delays_s, dtype=np.float64)[mine])) / 3600.0
    said = (
        f"labels by {told.shown(name)} differ from what {model} answered by {one.own:+.3f} on "
        f"average, those of all others by {one.others:+.3f}: {one.apart:+.2f} standard deviations "
        f"on rows answered alike, n {one.n}, median delay {delay:.1f} h; rows of {since}..{until}"
    )
    plan = (
        f"stop the source and ask it why. {told.rollback_plan(model, since, until)}, the interval "
        "of its rows; versions trained on them are then tainted too"
    )
    sign = Sign(Kind.LABELS, name, since, until, one.n, said, site.moment())
    told.keep(site, model, sign, plan)
