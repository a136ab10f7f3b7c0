"""Monitoring: drift of what clients send, performance, slices, KPI; alerts come of it."""

from datetime import timedelta

from engine.clock import parse_time
from engine.domain.lifecycle import Event, Fitness
from engine.ledger.change import ENGINE
from engine.pipeline import aftermath, alerts, realised
from engine.pipeline.look import look_at
from engine.pipeline.measures import measured
from engine.pipeline.realised import MIN_LABELS, SERVED
from engine.pipeline.rehearsal import rehearse
from engine.pipeline.restate import restate
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.settings import ModelSettings
from engine.store import looks, predictions, scores
from engine.store.scores import Score


def monitor(site: Site, model: str, *, restated: bool = True, rehearsed: bool = True) -> str:
    """Measure a model's current window, store it, alert where it is beyond; return a summary.

    Earlier looks are restated and the way back is rehearsed, unless nobody will ask for it.
    """
    settings = site.model(model)
    champion = site.ledger.roles(model).champion
    if champion is None:
        return "no champion yet"
    look = look_at(model, champion, settings, site.clock.now())
    arrived = looks.since_taken(site.store, model)
    if restated:
        restate(site, model, arrived, look.at)
    looks.record(site.store, model, look.at, champion)
    found = measured(site, look)
    scores.put_look(site.store, model, look.at, found)
    looks.taken(site.store, model, arrived)
    if rehearsed:
        back = rehearse(site, model, look.mature_since, look.mature_until)
        scores.put(site.store, back, look.at)
    alerts.judge(site, look, found)
    aftermath.assess(site, model)
    # After the alerts are known: what fails now has not proven itself.
    _prove(site, model, champion, settings)
    return _summary(settings, found)


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
    blamed = any(a.rule.blames for a in alerts.standing(site, model))
    if version.fitness is not Fitness.BLESSED or blamed:
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
