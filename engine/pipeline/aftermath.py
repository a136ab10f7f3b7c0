"""After a rollback: whether the answers come as they should, and whether it helped.

The first is seen in a minute of live rows, the second after one window of mature labels. Both are
told, and kept in the audit and on the incident; neither moves a role.
"""

from datetime import datetime, timedelta

import msgspec
import numpy as np

from engine.clock import parse_time
from engine.domain import rollbacks
from engine.domain.gates import Verdict
from engine.domain.rollbacks import Level
from engine.errors import CdmlError
from engine.ledger.change import ENGINE
from engine.pipeline import features, incidents, way_back
from engine.pipeline.rollback import Pending, aftermath_of
from engine.pipeline.site import Control, Site
from engine.quantities import duration
from engine.settings import ModelSettings
from engine.stats import comparison, outcomes, performance
from engine.store import batches, kpis, predictions

WATCHED = timedelta(seconds=60)
PROBE_TOLERANCE = 1e-9
MIN_LABELS = 100


def verify(site: Control, model: str) -> None:
    """Ask the probe rows at once and count live rows for a minute; tell what was found."""
    pending = _pending(site, model)
    if pending is None or pending.verified:
        return
    if not pending.probed:
        if fault := _probe_fault(site, model, pending.to):
            _failed(site, model, pending, fault)
            return
        pending = msgspec.structs.replace(pending, probed=True)
        _keep(site, model, pending)
    if site.clock.now() - parse_time(pending.at) < WATCHED:
        return
    site.serving.sync(model)  # what it then says of its answers is not older than that
    answered, failed = site.serving.tallies(model).get(pending.to, (0, 0))
    verdict = rollbacks.verified(answered, failed)
    if verdict is Verdict.FAIL:
        _failed(site, model, pending, f"{failed} of {answered + failed} live rows failed")
        return
    live = f"{answered} live rows answered, {failed} failed"
    if verdict is Verdict.INCONCLUSIVE:
        live = "no live row came to be seen by"
    _keep(site, model, msgspec.structs.replace(pending, verified=True))
    said = f"{pending.to} answers the probe rows as recorded; {live}"
    _record(site, model, "verify", "INFO", verdict, said)


def assess(site: Site, model: str) -> None:
    """Compare the metric before and after a rollback once a whole window of labels is mature."""
    pending = _pending(site, model)
    if pending is None or pending.left is None:
        return
    settings = site.model(model)
    at, length = parse_time(pending.at), duration(settings.monitor.window)
    if site.clock.now() - duration(settings.label_maturity) < at + length:
        return
    before = _level(site, model, settings, pending.left, at - length, at)
    after = _level(site, model, settings, pending.to, at, at + length)
    higher = performance.metric_named(settings.metric).higher_is_better
    verdict = rollbacks.helped(before, after, higher=higher)
    numbers = (
        f"{settings.metric} {_shown(after)} with {pending.to} since, {_shown(before)} with "
        f"{pending.left} before{_kpis(site, model, settings, at - length, at, at + length)}"
    )
    said = f"{rollbacks.HELPED[verdict]}: {numbers}"
    if verdict is Verdict.FAIL:
        said = f"{said}. Suspect the data"
    site.ledger.set_meta(aftermath_of(model), "")
    _record(site, model, "assess", "CRIT" if verdict is Verdict.FAIL else "INFO", verdict, said)


def _keep(site: Control, model: str, pending: Pending) -> None:
    site.ledger.set_meta(aftermath_of(model), msgspec.json.encode(pending).decode())


def _pending(site: Control, model: str) -> Pending | None:
    """Return the rollback to be watched; one that was followed by another change no longer is."""
    known = site.ledger.meta(aftermath_of(model))
    if not known:
        return None
    pending = msgspec.json.decode(known, type=Pending)
    if site.ledger.roles(model).champion == pending.to:
        return pending
    site.ledger.set_meta(aftermath_of(model), "")
    said = f"{rollbacks.HELPED[Verdict.INCONCLUSIVE]}: {pending.to} no longer leads"
    incidents.note(site, model, "engine", "evidence", said)
    return None


def _probe_fault(site: Control, model: str, version: str) -> str | None:
    """Return what is wrong with the answers to the version's own probe rows, or None."""
    try:
        manifest = site.artifacts.manifest(site.ledger.version(model, version).manifest or "")
        answers = site.serving.probe(model, version, manifest.probe_rows)
    except CdmlError as e:
        return f"its probe rows are not answered ({e.message})"
    worst = float(np.max(np.abs(np.asarray(answers) - np.asarray(manifest.probe_answers))))
    if worst <= PROBE_TOLERANCE:
        return None
    return f"its answers to the probe rows differ by {worst:.3g} from those recorded with it"


def _failed(site: Control, model: str, pending: Pending, fault: str) -> None:
    following, _ = way_back.target(site, model, site.ledger.roles(model))
    then = f"cdml rollback {model} --to {following.version}" if following else "cdml train"
    _keep(site, model, msgspec.structs.replace(pending, verified=True))
    said = f"the rollback to {pending.to} is not sound: {fault}. Next: {then}"
    _record(site, model, "verify", "CRIT", Verdict.FAIL, said)


def _record(
    site: Control, model: str, action: str, level: str, verdict: Verdict, said: str
) -> None:
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(ENGINE, action, model, now=now, wall=wall, reason=said) as change:
        change.detail["verdict"] = verdict.value
    site.tell(level, "rollback", model, said)
    incidents.note(site, model, "engine", "evidence", said)


def _level(
    site: Site, model: str, settings: ModelSettings, version: str, since: datetime, until: datetime
) -> Level:
    cohort = predictions.cohort(site.store, model, version, since, until)
    manifest = site.artifacts.manifest(site.ledger.version(model, version).manifest or "")
    labels = outcomes.codes(settings.task, manifest.classes, outcomes.texts(cohort.labels))
    usable = ~np.isnan(labels)
    n = int(usable.sum())
    if n < MIN_LABELS:
        return Level(None, None, None, n)
    days = cohort.times[usable].astype("datetime64[D]").astype(np.int64)
    rng = np.random.default_rng([site.seed, int(until.timestamp())])
    answers = cohort.answers[usable]
    found = comparison.interval(
        settings.metric, settings.task, labels[usable], answers, days, rng, draws=500
    )
    return Level(found.value, found.low, found.high, found.n)


def _shown(level: Level) -> str:
    if level.value is None:
        return f"not measured (n {level.n}, {MIN_LABELS} are needed)"
    sure = "" if level.low is None else f" [{level.low:.4f}, {level.high:.4f}]"
    return f"{level.value:.4f}{sure} n {level.n}"


def _kpis(
    site: Site,
    model: str,
    settings: ModelSettings,
    since: datetime,
    at: datetime,
    until: datetime,
) -> str:
    """Return each KPI as it was served after and before, as a sentence's end."""
    types = features.feature_types(settings, batches.columns(site.store, model))
    champion = site.ledger.version(model, site.ledger.roles(model).champion or "")
    classes = site.artifacts.manifest(champion.manifest or "").classes
    said = ""
    for name, kpi in settings.kpi.items():
        spans = ((at, until), (since, at))
        after, before = (
            kpis.served(site.store, model, settings.task, kpi.sql, types, *span, None, classes)[0]
            for span in spans
        )
        if after is not None and before is not None:
            said += f"; {name} {after:.3f} {kpi.unit}, {before:.3f} before"
    return said
