"""Monitoring: drift of what clients send, performance, slices, KPI; breaches told once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from engine.clock import iso, parse_time
from engine.domain.lifecycle import Event, Fitness
from engine.ledger.change import ENGINE
from engine.pipeline import aftermath, features, incidents, slices
from engine.pipeline.rehearsal import rehearse
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.settings import ModelSettings
from engine.stats import comparison, drift, outcomes, performance, profile
from engine.stats.profile import CategoricalProfile, NumericProfile
from engine.store import batches, kpis, predictions, profiles, scores
from engine.store.scores import Score
from engine.wire import DriftColumn

SERVED = "served"
MIN_DRIFT_ROWS = 200
MIN_LABELS = 100


@dataclass(frozen=True, slots=True)
class Window:
    """The rows looked at: live features up to now, labels only of mature cohorts."""

    since: datetime
    until: datetime
    mature_since: datetime
    mature_until: datetime


def monitor(site: Site, model: str) -> str:
    """Measure a model's current window, store it, tell what crossed a limit; return a summary."""
    settings = site.model(model)
    roles = site.ledger.roles(model)
    if roles.champion is None:
        return "no champion yet"
    window = _window(site, settings)
    drifted = _drift(site, model, roles.champion, settings, window)
    realised = _realised(site, model, settings, window)
    business = _kpis(site, model, settings, window)
    replayed = rehearse(site, model, window.mature_since, window.mature_until)
    sliced = _sliced(site, model, roles.champion, settings, window)
    scores.put(site.store, [*drifted, *realised, *business, *sliced, *replayed])
    found = [*drifted, *realised, *business, *sliced]
    incidents.note(site, model, "engine", "evidence", _evidence(settings, found))
    _tell_breach(site, model, breaches(settings, found), _measured(settings, found))
    aftermath.assess(site, model)
    # After the breach is known: what fails now has not proven itself.
    _prove(site, model, roles.champion, settings)
    served = next((s for s in realised if s.version == SERVED and s.name == settings.metric), None)
    number = f"{served.n if served else 0} mature labels, {MIN_LABELS} are needed"
    if served is not None and served.value is not None:
        number = f"{settings.metric} {served.value:.4f}"
    worst = max((s.value for s in drifted if s.value is not None), default=None)
    return f"{number}, worst psi {'--' if worst is None else f'{worst:.2f}'}"


def _window(site: Site, settings: ModelSettings) -> Window:
    now = site.clock.now()
    length = duration(settings.monitor.window)
    mature = now - duration(settings.label_maturity)
    return Window(now - length, now, mature - length, mature)


def _drift(
    site: Site, model: str, version: str, settings: ModelSettings, window: Window
) -> list[Score]:
    """Measure each feature of the window against the champion's training rows."""
    types = features.feature_types(settings, batches.columns(site.store, model))
    frozen = profiles.of(site.store, model, version)
    live = profiles.live(site.store, model, types, window.since, window.until)
    found = []
    for name, kind in types.items():
        if name in frozen and name in live:
            numeric = features.KINDS[kind] == "numeric"
            column = column_drift(name, frozen[name], live[name], numeric=numeric)
            found.append(
                Score(
                    model,
                    version,
                    "drift",
                    name,
                    window.since,
                    window.until,
                    column.psi if column.n_current >= MIN_DRIFT_ROWS else None,
                    column.n_current,
                    detail=msgspec.json.encode(column).decode(),
                )
            )
    return found


def reference_profile(values: Any, *, numeric: bool) -> str:
    """Return the profile of a training column as JSON, its bins frozen from here on."""
    made: NumericProfile | CategoricalProfile
    if numeric:
        numbers = np.asarray(values, dtype=np.float64)
        made = profile.numeric_profile(numbers, profile.quantile_edges(numbers))
    else:
        made = profile.categorical_profile(values)
    return msgspec.json.encode(made).decode()


def column_drift(name: str, frozen: str, values: Any, *, numeric: bool) -> DriftColumn:
    """Return the drift of one column's values against a frozen profile."""
    if numeric:
        reference = msgspec.json.decode(frozen, type=NumericProfile)
        current = profile.numeric_profile(np.asarray(values, dtype=np.float64), reference.edges)
        distance = drift.numeric_profiles(reference, current)
        psi, js, ks, new = distance.psi, distance.js, distance.ks, []
        sizes = (reference.n, current.n, reference.null_rate, current.null_rate)
    else:
        frozen_counts = msgspec.json.decode(frozen, type=CategoricalProfile)
        counts = profile.categorical_profile(values)
        apart = drift.categorical(frozen_counts, counts)
        psi, js, ks, new = apart.psi, apart.js, None, list(apart.new_categories)
        sizes = (frozen_counts.n, counts.n, frozen_counts.null_rate, counts.null_rate)
    return DriftColumn(
        name,
        "numeric" if numeric else "categorical",
        psi,
        js,
        ks,
        sizes[0],
        sizes[1],
        sizes[2] or 0.0,
        sizes[3] or 0.0,
        new,
    )


def _realised(site: Site, model: str, settings: ModelSettings, window: Window) -> list[Score]:
    """Measure answers whose labels are mature: as they were served, and of each version."""
    found = []
    roles = site.ledger.roles(model)
    for version in [SERVED, *([roles.champion] if roles.champion else [])]:
        cohort = predictions.cohort(
            site.store,
            model,
            None if version == SERVED else version,
            window.mature_since,
            window.mature_until,
        )
        classes = _classes(site, model)
        labels = outcomes.codes(settings.task, classes, outcomes.texts(cohort.labels))
        usable = ~np.isnan(labels)
        labels, answers = labels[usable], cohort.answers[usable]
        days = cohort.times[usable].astype("datetime64[D]").astype(np.int64)
        found += [
            _score(site, model, version, metric, settings, window, labels, answers, days)
            for metric in _metrics(settings)
        ]
    return found


def _score(
    site: Site,
    model: str,
    version: str,
    metric: str,
    settings: ModelSettings,
    window: Window,
    labels: Any,
    answers: Any,
    days: Any,
) -> Score:
    span = (window.mature_since, window.mature_until)
    if len(labels) < MIN_LABELS:
        return Score(model, version, "realised", metric, *span, None, len(labels))
    if metric != settings.metric:
        value = performance.value(metric, settings.task, labels, answers)
        return Score(model, version, "realised", metric, *span, value, len(labels))
    rng = np.random.default_rng([site.seed, int(window.until.timestamp())])
    found = comparison.interval(metric, settings.task, labels, answers, days, rng, draws=500)
    return Score(
        model, version, "realised", metric, *span, found.value, found.n, found.low, found.high
    )


def _metrics(settings: ModelSettings) -> list[str]:
    beside = {"binary": "roc_auc_score", "multiclass": "accuracy_score"}.get(
        settings.task, "root_mean_squared_error"
    )
    return list(dict.fromkeys([settings.metric, beside]))


def _classes(site: Site, model: str) -> list[str]:
    champion = site.ledger.roles(model).champion
    version = site.ledger.version(model, champion or "")
    return site.artifacts.manifest(version.manifest or "").classes


def _sliced(
    site: Site, model: str, champion: str, settings: ModelSettings, window: Window
) -> list[Score]:
    """Measure the champion within each slice that its gate declares."""
    span = (window.mature_since, window.mature_until)
    classes = _classes(site, model)
    return slices.measured(site, model, champion, settings, classes, *span)


def _kpis(site: Site, model: str, settings: ModelSettings, window: Window) -> list[Score]:
    """Measure each KPI as served, and what never or always acting would have given."""
    types = features.feature_types(settings, batches.columns(site.store, model))
    span = (window.mature_since, window.mature_until)
    classes = _classes(site, model)
    found = []
    for name, kpi in settings.kpi.items():
        decisions = {SERVED: None, "never act": "false", "always act": "true"}
        for version, decision in decisions.items():
            if decision is not None and settings.task != "binary":
                continue
            value, n = kpis.served(
                site.store, model, settings.task, kpi.sql, types, *span, decision, classes
            )
            shown = value if n >= MIN_LABELS else None
            found.append(Score(model, version, "kpi", name, *span, shown, n))
    return found


def _prove(site: Site, model: str, champion: str, settings: ModelSettings) -> None:
    """Call a champion proven when it has served long enough without a breach."""
    wanted = settings.rollout.proven
    version = site.ledger.version(model, champion)
    move = site.ledger.last_move(model)
    if move is None:
        return
    begin = parse_time(move.time)
    # Inputs that drift are no fault of the version: only its performance and KPIs count.
    if version.fitness is not Fitness.BLESSED or standing(site, model) - {"drift"}:
        return
    served = predictions.count(site.store, model, champion, begin)
    mature = site.clock.now() - duration(settings.label_maturity)
    labelled = len(predictions.cohort(site.store, model, champion, begin, mature).labels)
    long_enough = site.clock.now() - begin >= timedelta(hours=wanted.hours)
    if long_enough and served >= wanted.requests and labelled >= wanted.labels:
        now, wall = site.clock.now(), site.clock.wall()
        with site.ledger.change(ENGINE, "prove", model, now=now, wall=wall) as change:
            change.happened(champion, Event.PROVED)
        site.tell("INFO", "monitor", model, f"{champion} is proven: {labelled} mature labels")


def breaches(settings: ModelSettings, found: list[Score]) -> list[str]:
    """Return what is over its limit, worst news first: performance, KPI, slices, then drift."""
    said = []
    limit = settings.monitor.metric_limit
    for s in found:
        if s.kind == "realised" and s.version == SERVED and s.name == settings.metric:
            sign = 1.0 if performance.metric_named(s.name).higher_is_better else -1.0
            if s.value is not None and limit is not None and sign * s.value < sign * limit:
                said.append(f"{s.name} {s.value:.3f}, limit {limit:g}, n {s.n}")
    for s in found:
        if s.kind == "kpi" and s.version == SERVED and s.value is not None:
            kpi = settings.kpi[s.name]
            sign = 1.0 if kpi.direction == "maximize" else -1.0
            if kpi.limit is not None and sign * s.value < sign * kpi.limit:
                said.append(f"{s.name} {s.value:.3f} {kpi.unit}, limit {kpi.limit:g}, n {s.n}")
    if (sliced := slices.breach(settings.metric, found)) is not None:
        said.append(sliced)
    drifted = [
        s for s in found if s.kind == "drift" and (s.value or 0.0) > settings.monitor.drift_limit
    ]
    if drifted:
        worst = max(drifted, key=lambda s: s.value or 0.0)
        more = f" and {len(drifted) - 1} more" if len(drifted) > 1 else ""
        said.append(
            f"drift {worst.name} psi {worst.value:.2f}, limit "
            f"{settings.monitor.drift_limit:g}{more}"
        )
    return said


def _measured(settings: ModelSettings, found: list[Score]) -> set[str]:
    """Return the kinds of breach that this window could have shown."""
    valued = [s for s in found if s.value is not None]
    kinds = {kind for kind in ("drift", slices.KIND) if any(s.kind == kind for s in valued)}
    served = {s.name for s in valued if s.version == SERVED}
    return kinds | (served & {settings.metric, *settings.kpi})


def _evidence(settings: ModelSettings, found: list[Score]) -> str:
    """Return what was measured in a line: performance and KPIs as served, bad slices, with n."""
    said = []
    for s in found:
        if s.version != SERVED or (s.kind == "realised" and s.name != settings.metric):
            continue
        sure = "" if s.low is None else f" [{s.low:.4f}, {s.high:.4f}]"
        value = "not measured" if s.value is None else f"{s.value:.4f}{sure}"
        said.append(f"{s.name} {value}, n {s.n}")
    sliced = slices.breach(settings.metric, found)
    return "; ".join([*said, *([sliced] if sliced else [])])


def standing(site: Site, model: str) -> set[str]:
    """Return the kinds of breach that stand: "drift", "slice", the metric's or a KPI's name."""
    return set(msgspec.json.decode(site.ledger.meta(f"breach:{model}") or "{}").get("kinds", []))


def _tell_breach(site: Site, model: str, said: list[str], measured: set[str]) -> None:
    """Tell a breach when it begins, grows or ends; remember since when it stands.

    A window without evidence ends nothing.
    """
    key = f"breach:{model}"
    before = msgspec.json.decode(site.ledger.meta(key) or "{}")
    if not said:
        if before and not set(before["kinds"]) - measured:
            site.tell("INFO", "monitor", model, "all within limits again")
            incidents.note(site, model, "engine", "evidence", "all within limits again")
            site.ledger.set_meta(key, "")
        return
    kinds = [text.split(" ")[0] for text in said]
    if set(kinds) - set(before.get("kinds", [])):
        level = "WARN" if kinds == ["drift"] else "CRIT"
        site.tell(level, "monitor", model, "; ".join(said))
        # Inputs that drift are no fault yet: they are evidence where an incident stands.
        if level == "CRIT":
            title = "; ".join(text for text in said if not text.startswith("drift "))
            incidents.opened(site, model, title, site.ledger.roles(model).champion)
    champion = site.ledger.roles(model).champion
    same = before.get("version") == champion
    since = before["since"] if same else iso(site.clock.now())
    now = {"kinds": kinds, "since": since, "text": "; ".join(said), "version": champion}
    site.ledger.set_meta(key, msgspec.json.encode(now).decode())
