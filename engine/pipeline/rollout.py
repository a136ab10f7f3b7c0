"""Rollout: a version that passed its gate becomes shadow, canary, champion, one step at a time.

A step is decided on pairs: rows that champion and challenger both answered, with mature labels.
"""

from datetime import datetime
from hashlib import blake2b

import numpy as np

from engine.clock import parse_time
from engine.domain import gates, rollouts
from engine.domain import roles as moves
from engine.domain.gates import Verdict
from engine.domain.lifecycle import Event, Fitness
from engine.domain.locks import stopped_by
from engine.domain.roles import Roles
from engine.domain.rollouts import Next
from engine.errors import ConflictError
from engine.ledger.change import ENGINE, Actor
from engine.pipeline.promote import promote
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.settings import ModelSettings
from engine.stats import comparison, outcomes
from engine.stats.comparison import Estimate
from engine.store import predictions
from engine.wire import Change as Asked

ROLLOUT = Actor("guardrail", "rollout")


def begin(site: Site, model: str, version: str) -> bool:
    """Make a blessed version the shadow, unless a lock or the policy says no."""
    settings = site.model(model)
    if settings.rollout.mode != "automatic":
        site.tell("INFO", "rollout", model, f"{version} waits: rollout mode is by hand")
        return False
    lock = stopped_by(_kinds(site, model), "shadow")
    if lock is not None:
        site.tell("WARN", "rollout", model, f"{version} waits: {lock} stands. Lift it: cdml resume")
        return False
    judged = site.ledger.version(model, version).report
    champion = site.ledger.roles(model).champion
    if judged is None or judged.against != champion:
        against = judged.against if judged else None
        site.tell(
            "WARN",
            "rollout",
            model,
            f"{version} waits: it was judged against {against or 'nothing'}, the champion is "
            f"{champion or 'none'} now. Train again, or promote it by hand",
        )
        return False
    now, wall = site.clock.now(), site.clock.wall()
    # First, so that a shadow without it is never found after a crash.
    site.ledger.set_meta(f"rollout:{model}", site.moment())
    with site.ledger.change(ENGINE, "shadow", model, now=now, wall=wall) as change:
        former = change.roles.shadow or change.roles.canary
        if former is not None and change.fitness_of(former) is Fitness.BLESSED:
            change.happened(former, Event.ABORTED)
            change.detail["replaced"] = former
        change.set_roles(moves.shadowing(moves.cleared(change.roles), version))
    rows = settings.rollout.shadow.rows
    site.tell("INFO", "rollout", model, f"{version} shadows the champion for {rows} mature rows")
    site.confirm(model)
    return True


def advance(site: Site, model: str) -> Next | None:
    """Look at the running rollout's evidence and take the step it allows."""
    roles = site.ledger.roles(model)
    version = roles.shadow or roles.canary
    since = site.ledger.meta(f"rollout:{model}")
    if version is None or since is None or roles.champion is None:
        return None
    settings = site.model(model)
    plan = rollouts.phases(settings.rollout.shadow.rows, settings.rollout.canary)
    at = rollouts.phase_at(plan, roles.canary_share_pct)
    found = evidence(site, model, roles, parse_time(since))
    verdict = gates.non_inferiority(found.low, found.high, settings.gate.non_inferiority)
    if found.value is not None and found.n >= plan[at].rows and found.value <= 0.0:
        # The gate promised a gain: live rows that show none do not confirm it.
        verdict = Verdict.FAIL if verdict is Verdict.FAIL else Verdict.INCONCLUSIVE
    step = rollouts.judged(plan, at, n=found.n, verdict=verdict, harmful=False)
    if step is Next.WAIT:
        return step
    lock = stopped_by(_kinds(site, model), "promote")
    if lock is not None and step is not Next.ABORT:
        return Next.WAIT
    _act(site, model, version, roles, step, found, settings)
    return step


def evidence(site: Site, model: str, roles: Roles, since: datetime) -> Estimate:
    """Return the improvement of the shadow or canary over the champion on mature live pairs."""
    settings = site.model(model)
    until = site.clock.now() - duration(settings.label_maturity)
    version = roles.shadow or roles.canary or ""
    pairs = predictions.pairs(site.store, model, roles.champion or "", version, since, until)
    manifest = site.artifacts.manifest(site.ledger.version(model, version).manifest or "")
    labels = outcomes.codes(settings.task, manifest.classes, outcomes.texts(pairs.labels))
    usable = ~np.isnan(labels)
    rng = np.random.default_rng([site.seed, roles.generation])
    days = pairs.times[usable].astype("datetime64[D]").astype(np.int64)
    return comparison.paired(
        settings.metric,
        settings.task,
        labels[usable],
        pairs.champion[usable],
        pairs.shadow[usable],
        days,
        rng,
        level=1.0 - settings.rollout.alpha,
    )


def _act(
    site: Site,
    model: str,
    version: str,
    roles: Roles,
    step: Next,
    found: Estimate,
    settings: ModelSettings,
) -> None:
    low, high = found.low or 0.0, found.high or 0.0
    seen = f"{found.value or 0.0:+.4f} {settings.metric} [{low:+.4f}, {high:+.4f}], n {found.n}"
    if step is Next.ABORT:
        abort(site, model, ROLLOUT, f"live pairs: {seen}", fence=roles.generation)
    elif step is Next.STEP:
        _canary(site, model, version, roles, settings, seen)
    else:
        key = f"rollout-{model}-{version}-{roles.generation}"
        asked = Asked(key, to=version, reason=f"live pairs: {seen}")
        try:
            promote(site, model, ROLLOUT, asked, fence=roles.generation)
        except ConflictError as e:
            site.tell("WARN", "rollout", model, e.message)


def _canary(
    site: Site, model: str, version: str, roles: Roles, settings: ModelSettings, seen: str
) -> None:
    plan = rollouts.phases(settings.rollout.shadow.rows, settings.rollout.canary)
    share = plan[rollouts.phase_at(plan, roles.canary_share_pct) + 1].share_pct
    salt = blake2b(f"{site.seed}{model}{version}".encode(), digest_size=8).hexdigest()
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(ROLLOUT, "canary", model, now=now, wall=wall, reason=seen) as change:
        if change.roles.generation != roles.generation:
            change.drop()
            return
        change.set_roles(moves.canarying(change.roles, version, share, salt))
    site.ledger.set_meta(f"rollout:{model}", site.moment())
    site.tell("INFO", "rollout", model, f"{version} answers {share:g} %: {seen}")
    site.confirm(model)


def abort(site: Site, model: str, actor: Actor, reason: str, *, fence: int) -> None:
    """Stop canary and shadow; the champion stays. Nothing happens past the fence's generation."""
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(actor, "abort", model, now=now, wall=wall, reason=reason) as change:
        version = change.roles.shadow or change.roles.canary
        if version is None or change.roles.generation != fence:
            change.drop()
            return
        change.set_roles(moves.cleared(change.roles))
        if change.fitness_of(version) is Fitness.BLESSED:
            change.happened(version, Event.ABORTED)
    site.tell("WARN", "rollout", model, f"{version} aborted: {reason}")
    site.confirm(model)


def _kinds(site: Site, model: str) -> list[str]:
    return [lock.kind for lock in site.ledger.locks(model)]
