"""Monitoring: drift of what clients send, performance, slices, KPI; breaches told once."""

from datetime import timedelta

import msgspec

from engine.clock import iso, parse_time
from engine.domain.lifecycle import Event, Fitness
from engine.ledger.change import ENGINE
from engine.pipeline import aftermath, drifting, estimating, incidents, realised, slices
from engine.pipeline.look import Look, look_at
from engine.pipeline.realised import MIN_LABELS, SERVED
from engine.pipeline.rehearsal import rehearse
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.settings import ModelSettings
from engine.stats import performance
from engine.store import predictions, scores
from engine.store.scores import Score

MEASURES = (
    drifting.measured,
    realised.measured,
    realised.business,
    slices.measured,
    estimating.measured,
)


def monitor(site: Site, model: str) -> str:
    """Measure a model's current window, store it, tell what crossed a limit; return a summary."""
    settings = site.model(model)
    champion = site.ledger.roles(model).champion
    if champion is None:
        return "no champion yet"
    look = look_at(model, champion, settings, site.clock.now())
    found = measured(site, look)
    scores.put(site.store, [*found, *rehearse(site, model, look.mature_since, look.mature_until)])
    incidents.note(site, model, "engine", "evidence", _evidence(settings, found))
    _tell_breach(site, model, breaches(settings, found), _measured(settings, found))
    aftermath.assess(site, model)
    # After the breach is known: what fails now has not proven itself.
    _prove(site, model, champion, settings)
    return _summary(settings, found)


def measured(site: Site, look: Look) -> list[Score]:
    """Measure everything of a look that raw rows alone decide."""
    return [score for measure in MEASURES for score in measure(site, look)]


def _summary(settings: ModelSettings, found: list[Score]) -> str:
    served = next(
        (
            s
            for s in found
            if s.kind == "realised" and (s.version, s.name) == (SERVED, settings.metric)
        ),
        None,
    )
    number = f"{served.n if served else 0} mature labels, {MIN_LABELS} are needed"
    if served is not None and served.value is not None:
        number = f"{settings.metric} {served.value:.4f}"
    psis = (s.value for s in found if s.kind == "drift" and s.value is not None)
    worst = max(psis, default=None)
    drifted = f"worst psi {'--' if worst is None else f'{worst:.2f}'}"
    return "; ".join([f"{number}, {drifted}", *realised.faults(found)])


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
