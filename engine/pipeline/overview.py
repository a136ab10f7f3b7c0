"""What people are shown: every number from the ledger and the store, with its n and kind."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from engine.clock import iso, parse_time
from engine.domain.alerts import Alert, State
from engine.domain.lifecycle import Fitness, shown_state
from engine.domain.locks import may_confirm, stopped_by
from engine.ledger.ledger import Version
from engine.pipeline import (
    alert_page,
    alerts,
    drift_page,
    incidents,
    locks,
    rollout_page,
    taints,
    tracing,
    undo,
)
from engine.pipeline.promote import GREEN, green
from engine.pipeline.realised import SERVED
from engine.pipeline.site import Site
from engine.pipeline.way_back import plan
from engine.settings import ModelSettings
from engine.stats import performance
from engine.store import batches, scores
from engine.store.scores import Score
from engine.wire import (
    ModelState,
    ModelStatus,
    Performance,
    PerformancePeriod,
    Plan,
    PlanCheck,
    RollbackReady,
    Signal,
    VersionPage,
    VersionRow,
)

POINTS = 60
# Of several alerts about one signal, the state that is shown.
LOUDEST = (State.FIRING, State.ACKNOWLEDGED, State.MUTED)
_OVERRIDABLE = (
    *GREEN,
    Fitness.REJECTED,
    Fitness.INCONCLUSIVE,
    Fitness.ABORTED,
    Fitness.ROLLED_BACK,
)


def version_rows(site: Site, model: str) -> list[VersionRow]:
    """Return the versions of a model, newest first."""
    settings = site.model(model)
    roles = site.ledger.roles(model)
    found = {
        s.version: s
        for kind, names in (("replayed", roles.standby), ("realised", (roles.champion,)))
        for s in scores.latest(site.store, model, kind)
        if s.name == settings.metric and s.version in names
    }
    worst = _worst_drift(site, model)
    latency, memory = site.serving.p95_ms(model), site.serving.memory(model)
    rows = []
    for version in reversed(site.ledger.versions(model)):
        if version.safe_mode and not roles.of(version.version):
            continue  # the safe mode of a version that no longer leads
        measured = found.get(version.version)
        rows.append(
            _row(
                version,
                roles.of(version.version),
                roles.share_pct(version.version),
                measured if measured and measured.value is not None else None,
                worst if version.version == roles.champion else None,
                latency.get(version.version),
                memory.get(version.version),
                rollout_page.waits(site, model, version.version),
            )
        )
    return rows


def _row(
    version: Version,
    roles: list[str],
    share: float,
    measured: Score | None,
    drift: float | None,
    p95_ms: float | None,
    memory: int | None,
    waits: str,
) -> VersionRow:
    metric, n, kind, until = None, 0, "none", None
    if measured is not None:
        metric, n, until = measured.value, measured.n, iso(measured.window_to)
        kind = measured.kind
    elif version.report is not None and version.report.value is not None:
        judged = version.report
        metric, n, kind, until = judged.value, judged.n, "validation", judged.holdout_to
    return VersionRow(
        version.version,
        version.fitness.value,
        roles,
        share,
        version.verdict,
        version.trained_from,
        version.trained_to,
        version.generation,
        shown_state(version.fitness, roles) + waits,
        metric,
        n,
        kind,  # type: ignore[arg-type]
        until,
        drift,
        p95_ms,
        version.created_at,
        version.safe_mode,
        None if memory is None else memory / 2**20,
    )


def _worst_drift(site: Site, model: str) -> float | None:
    champion = site.ledger.roles(model).champion or ""
    found = scores.latest(site.store, model, "drift", champion)
    return max((s.value for s in found if s.value is not None), default=None)


def realised(site: Site, model: str) -> Performance:
    """Return realised performance per window, as served and of each version."""
    settings = site.model(model)
    periods: dict[tuple[str, str], PerformancePeriod] = {}
    for s in scores.history(site.store, model, "realised"):
        key = (s.version, s.window_to.isoformat())
        old = periods.get(key)
        main = s.name == settings.metric
        periods[key] = PerformancePeriod(
            version=s.version,
            from_=iso(s.window_from),
            to=iso(s.window_to),
            n=s.n,
            metrics={**(old.metrics if old else {}), s.name: s.value},
            kpi={},
            low=s.low if main else (old.low if old else None),
            high=s.high if main else (old.high if old else None),
        )
    for s in scores.history(site.store, model, "kpi"):
        key = (s.version, s.window_to.isoformat())
        if (old := periods.get(key)) is not None:
            periods[key] = msgspec.structs.replace(old, kpi={**old.kpi, s.name: s.value})
    return Performance(model, settings.metric, "realised", list(periods.values()))


def version_page(site: Site, model: str, version: str) -> VersionPage:
    """Return one version with its gate report and lineage."""
    site.model(model)
    found = site.ledger.version(model, version)
    row = next(r for r in version_rows(site, model) if r.version == version)
    manifest = {}
    if found.manifest:
        manifest = msgspec.to_builtins(site.artifacts.manifest(found.manifest))
    queries = batches.queries(site.store, model)
    own = {batch: queries[batch] for batch in manifest.get("batches", []) if batch in queries}
    return VersionPage(row, found.report, manifest, tracing.cause(site, found.run), own)


def model_status(site: Site, model: str) -> ModelStatus:
    """Return one model in a line."""
    roles = site.ledger.roles(model)
    ready = _measured(site, model, plan(site, model))
    incident = incidents.standing(site, model)
    return ModelStatus(
        model,
        roles.champion,
        roles.generation,
        locks.standing(site, model),
        RollbackReady(ready.to, ready.ready, ready.why, ready.checks, ready.measured),
        incident.number if incident else None,
        rollout_page.summary(site, model),
        sum(a.state(site.clock.now()) is State.FIRING for a in alerts.standing(site, model)),
    )


def model_state(site: Site, model: str, next_check: str | None) -> ModelState:
    """Return all the console shows of one model."""
    then = model_then(site, model, _measured(site, model, plan(site, model)))
    last, _ = undo.undoable(site, model)
    return msgspec.structs.replace(
        then,
        promote={v.version: _promotion(site, model, v) for v in then.versions},
        next_check=next_check,
        undo_until=iso(parse_time(last.wall) + timedelta(seconds=60)) if last else None,
        undo_of=last.action if last else None,
    )


def model_then(site: Site, model: str, rollback: Plan) -> ModelState:
    """Return what is true of a model whether or not anything can be done about it now."""
    settings = site.model(model)
    roles = site.ledger.roles(model)
    incident = incidents.standing(site, model)
    versions = version_rows(site, model)
    now = site.clock.now()
    # What was found of a version that no longer leads says nothing of this one.
    stands = [a for a in alerts.standing(site, model) if a.version == roles.champion]
    firing = [a for a in stands if a.state(now) is State.FIRING]
    champion = next((v for v in versions if v.version == roles.champion), None)
    age = None
    if champion is not None and champion.trained_to is not None:
        age = (now - parse_time(champion.trained_to)) / timedelta(days=1)
    window = f"last {settings.monitor.window} against training rows of {roles.champion or '--'}"
    return ModelState(
        model=model,
        task=settings.task,
        metric=settings.metric,
        higher_is_better=performance.metric_named(settings.metric).higher_is_better,
        champion=roles.champion,
        generation=roles.generation,
        locks=locks.standing(site, model),
        versions=versions,
        signals=signals(site, model, settings, stands),
        drift=drift_page.columns(site, model),
        drift_window=window,
        rollback=rollback,
        promote={},
        breach=alerts.said(firing) or None,
        breach_since=iso(min(a.since for a in firing)) if firing else None,
        alerts=[alert_page.row(model, a, now) for a in stands],
        next_check=None,
        trained_age_days=age,
        incident=incident.number if incident else None,
        incident_opened=incident.opened if incident else None,
    )


def _measured(site: Site, model: str, found: Plan) -> Plan:
    """Add how the target did on the very rows that the champion answered."""
    gain = next(
        (
            s
            for s in scores.latest(site.store, model, "replayed gain", found.to or "")
            if s.detail == found.from_version and s.value is not None
        ),
        None,
    )
    if gain is None:
        said = "not measured yet on rows the champion answered"
    else:
        sure = "" if gain.low is None else f" [{gain.low:+.4f}, {gain.high:+.4f}]"
        better = "better" if (gain.value or 0.0) > 0 else "worse"
        said = (
            f"on the same {gain.n} rows {found.to} is {better} by "
            f"{abs(gain.value or 0.0):.4f} {gain.name}{sure}"
        )
    return msgspec.structs.replace(found, measured=said)


def _promotion(site: Site, model: str, row: VersionRow) -> Plan:
    """Say what promoting a version would do, and which guards it would override."""
    roles = site.ledger.roles(model)
    version = site.ledger.version(model, row.version)
    passed = green(version, roles)
    loaded = row.version in site.serving.loaded(model)
    served = row.version == roles.champion
    report = version.report
    lock = stopped_by(locks.standing(site, model), "promote", person=True)
    why = ""
    if served:
        why = f"{row.version} is the champion already"
    elif version.fitness is Fitness.TAINTED:
        by = taints.of_version(site, model, row.version)
        why = f"{row.version} is tainted" + (f" by {taints.said_of(by)}" if by else "")
    elif row.fitness in ("building", "failed", "purged"):
        why = f"{row.version} is {row.fitness}"
    elif lock is not None:
        why = locks.said_of(lock) if lock.everywhere else f"{model} is {locks.said_of(lock)}"
    elif not passed and version.fitness in GREEN and report is not None:
        why = f"{row.version} was judged against {report.against}, not {roles.champion}"
    elif not passed:
        stopped = version.fitness is Fitness.ABORTED
        why = (
            f"{row.version} {'was stopped' if stopped else 'has not passed its gate'}: {row.state}"
        )
    typed = [row.version] if version.fitness in _OVERRIDABLE and not passed and not served else []
    if lock is not None and not served:
        open_to = passed or typed
        typed = [*typed, lock.kind] if open_to and may_confirm(lock.kind, "promote") else []
    return Plan(
        "promote",
        passed and not served and lock is None,
        why,
        roles.champion,
        row.version,
        [
            PlanCheck("gate", passed, row.verdict or "no gate report"),
            PlanCheck("loaded", loaded, "in memory" if loaded else "will be loaded first"),
        ],
        measured="; ".join(report.reasons[:2]) if report else "",
        same_as=f"cdml promote {model} {row.version} --expect {roles.champion}",
        overrides=typed,
    )


def signals(
    site: Site, model: str, settings: ModelSettings, stands: Sequence[Alert]
) -> list[Signal]:
    """Return the watched numbers over time, the primary metric first, with their alerts' state."""
    now, found = site.clock.now(), []

    def marked(signal: Signal, kind: str, name: str | None) -> Signal:
        about = [a for a in stands if a.finding.kind == kind and a.key[1] == (name or a.key[1])]
        states = {a.state(now) for a in about}
        state = next((s for s in LOUDEST if s in states), None)
        return msgspec.structs.replace(signal, alert=state.value) if state else signal

    realised, kpis = (_served(site, model, kind) for kind in ("realised", "kpi"))
    for name in dict.fromkeys([settings.metric, *(s.name for s in realised)]):
        history = [s for s in realised if s.name == name]
        limit = settings.monitor.metric_limit if name == settings.metric else None
        higher = performance.metric_named(name).higher_is_better
        signal = _signal(name, "", history, limit, higher=higher)
        found.append(marked(signal, "realised", name))
    for name, kpi in settings.kpi.items():
        history = [s for s in kpis if s.name == name]
        higher = kpi.direction == "maximize"
        signal = _signal(name, kpi.unit, history, kpi.limit, higher=higher)
        found.append(marked(signal, "kpi", name))
    found.append(marked(_drift_signal(site, model, settings), "drift", None))
    return found


def _served(site: Site, model: str, kind: str) -> list[Score]:
    return scores.history(site.store, model, kind, SERVED, windows=POINTS)


def _signal(
    name: str, unit: str, history: list[Score], limit: float | None, *, higher: bool
) -> Signal:
    shown = history[-POINTS:]
    last = shown[-1].value if shown else None
    breached = last is not None and limit is not None and (last < limit if higher else last > limit)
    return Signal(
        name,
        unit,
        "realised",
        [s.value for s in shown],
        [iso(s.window_to) for s in shown],
        last,
        shown[-1].n if shown else 0,
        limit,
        "" if limit is None else f"limit {limit:g}",
        breached,
    )


def _drift_signal(site: Site, model: str, settings: ModelSettings) -> Signal:
    """Return the worst PSI of each check, against whichever champion stood then."""
    worst: dict[str, Score] = {}
    for s in scores.history(site.store, model, "drift", windows=POINTS):
        key = iso(s.window_to)
        if key not in worst or (s.value or -1.0) > (worst[key].value or -1.0):
            worst[key] = s
    history = [worst[key] for key in sorted(worst)]
    return _signal("psi max", "", history, settings.monitor.drift_limit, higher=False)
