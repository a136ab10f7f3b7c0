"""Rollout: a version that passed its gate becomes shadow, canary, champion, one step at a time.

Whether it goes on is decided in domain.rollouts; who takes the step is the policy's word: the
engine, the engine once a person approves, or a person.
"""

from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from engine.domain import roles as moves
from engine.domain import rollouts
from engine.domain.gates import Verdict
from engine.domain.guardrails import ROUTING
from engine.domain.lifecycle import Event, Fitness
from engine.domain.roles import Roles
from engine.domain.rollouts import Decision, Next
from engine.errors import ConflictError, RefusedError
from engine.ledger.change import ENGINE, Actor
from engine.pipeline import changes, detection, evidence, limits, locks
from engine.pipeline.evidence import Kept
from engine.pipeline.promote import GREEN, promote
from engine.pipeline.site import Site
from engine.wire import Change as Asked
from engine.wire import ChangeAnswer

ROLLOUT = Actor("guardrail", "rollout")


@dataclass(frozen=True, slots=True)
class Looked:
    """One look at a rollout: with which roles, the evidence before and after, what follows.

    `share_pct` is the next step's; 0 means that the version would become champion.
    """

    roles: Roles
    before: Kept
    after: Kept
    decision: Decision
    share_pct: float


def begin(site: Site, model: str, version: str, *, fence: int | None = None) -> bool:
    """Make a blessed version the shadow, unless a lock or the policy says no.

    `fence` is the generation that its training began with: of a champion made since then it knows
    nothing.
    """
    settings = site.model(model)
    seen = _seen(site, model, version)
    if version in (seen[0].canary, seen[0].shadow):
        return True
    if settings.rollout.mode == "manual":
        site.tell("INFO", "rollout", model, f"{version} waits: rollout mode is manual")
        return False
    if locks.stops(site, model, "shadow", f"shadow {version}"):
        return False
    if (why := _outdated(site, model, version, fence)) is not None:
        said = f"{version} waits: {why}. Train again, or promote it by hand"
        site.tell("WARN", "rollout", model, said)
        return False
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(ENGINE, "shadow", model, now=now, wall=wall) as change:
        if _seen(site, model, version) != seen:
            change.drop()
        else:
            former = change.roles.canary or change.roles.shadow
            if former is not None and change.fitness_of(former) is Fitness.BLESSED:
                change.happened(former, Event.ABORTED)
                change.detail["replaced"] = former
            change.set_roles(moves.shadowing(moves.cleared(change.roles), version))
            evidence.begun(site, model, version, change.roles.generation)
    if change.dropped:
        # Somebody moved a role, set a lock or tainted it since it was asked.
        return begin(site, model, version, fence=fence)
    rows = settings.rollout.shadow.rows
    site.tell("INFO", "rollout", model, f"{version} shadows the champion for {rows} mature rows")
    site.confirm(model)
    return True


def _seen(site: Site, model: str, version: str) -> tuple[Roles, list[str], Fitness]:
    """Return what a rollout is begun by: who serves, which locks stand, the version's fitness."""
    kinds = [lock.kind for lock in locks.standing(site, model)]
    return site.ledger.roles(model), kinds, site.ledger.version(model, version).fitness


def take_up(site: Site, model: str) -> bool:
    """Begin the rollout of the newest version that passed its gate and waits.

    A lock that kept it has been lifted, or the engine ended before it could begin.
    """
    roles = site.ledger.roles(model)
    running = roles.canary or roles.shadow
    if running or roles.champion is None or site.model(model).rollout.mode == "manual":
        return False
    for found in reversed(site.ledger.versions(model)):
        against = found.report.against if found.report else None
        waits = found.fitness is Fitness.BLESSED and against == roles.champion
        if not waits or roles.of(found.version):
            continue
        judged = site.ledger.judged(model, found.version)
        fence = judged.detail.get("fence") if judged else None
        if fence is not None and _outdated(site, model, found.version, fence) is None:
            return begin(site, model, found.version, fence=fence)
    return False


def _outdated(site: Site, model: str, version: str, fence: int | None) -> str | None:
    """Say why what a version was judged against no longer stands, or None."""
    found = site.ledger.version(model, version)
    if found.fitness not in GREEN:
        return f"it is {found.fitness.replace('_', ' ')}"
    judged = found.report
    champion = site.ledger.roles(model).champion
    if judged is None or judged.against != champion:
        against = (judged.against if judged else None) or "nothing"
        return f"it was judged against {against}, the champion is {champion or 'none'} now"
    move = site.ledger.last_move(model)
    made = move.generation_after if move else None
    if fence is not None and made is not None and made > fence:
        return f"its training began at generation {fence}, {champion} became champion at {made}"
    return None


def advance(site: Site, model: str) -> Next | None:
    """Look at the running rollout's evidence and take the step that it and the policy allow."""
    looked = look(site, model)
    if looked is None:
        return None
    step, mode, waiting = looked.decision.next, site.model(model).rollout.mode, ""
    if step in (Next.STEP, Next.PROMOTE):
        version = looked.after.version
        action = "promote" if step is Next.PROMOTE else "canary"
        waiting = _goal(looked) if mode == "approve" else ""
        if mode != "automatic" or locks.stops(site, model, action, f"{action} {version}"):
            step = Next.WAIT
    after = msgspec.structs.replace(looked.after, waiting=waiting)
    if not evidence.replaced(site, model, looked.before, after):
        return Next.WAIT  # somebody moved the rollout meanwhile: the next look sees the new one
    _tell_news(site, model, looked, waiting)
    if step is Next.ABORT:
        stop(site, model, ROLLOUT, looked.decision.why, fence=looked.roles.generation)
        limits.acted(site, model)
    elif step is not Next.WAIT:
        try:
            take(site, model, ROLLOUT, looked, f"rollout-{model}-{looked.roles.generation}")
        except RefusedError as e:
            if e.message != after.refused:
                site.tell("WARN", "rollout", model, e.message)
                refused = msgspec.structs.replace(after, refused=e.message)
                evidence.replaced(site, model, after, refused)
            return Next.WAIT
        limits.acted(site, model)
    return step


def look(site: Site, model: str) -> Looked | None:
    """Measure the running rollout and decide; nothing is done yet. None where none runs."""
    roles = site.ledger.roles(model)
    version = roles.canary or roles.shadow
    if version is None or roles.champion is None:
        evidence.closed(site, model, roles)
        return None
    settings = site.model(model).rollout
    before = evidence.current(site, model, roles)
    after, findings, n = evidence.look(site, model, roles, before)
    shares = [*settings.canary, roles.canary_share_pct]
    plan = rollouts.phases(settings.shadow.rows, shares, settings.step_rows)
    at = rollouts.phase_at(plan, roles.canary_share_pct)
    decision = rollouts.judged(plan, at, n=n, findings=findings)
    share = plan[at + 1].share_pct if decision.next is Next.STEP else 0.0
    after = msgspec.structs.replace(after, decision=decision.next.value, why=decision.why)
    return Looked(roles, before, after, decision, share)


def _goal(looked: Looked) -> str:
    """Name what a decided step leads to."""
    return f"to answer {looked.share_pct:g} %" if looked.share_pct else "to become champion"


def _tell_news(site: Site, model: str, looked: Looked, waiting: str) -> None:
    """Tell what a person has to know or do, when it begins."""
    version = looked.after.version
    if waiting and waiting != looked.before.waiting:
        said = (
            f"{version} waits for a person {waiting}: {looked.decision.why}. "
            f"cdml approve {model} {version}, or cdml reject {model} {version} --reason T"
        )
        site.tell("WARN", "rollout", model, said)
    if _misrouted(looked.after) and not _misrouted(looked.before):
        site.tell("WARN", "rollout", model, f"{version}: {looked.decision.why}")


def _misrouted(found: Kept) -> bool:
    return any(g.name == ROUTING and g.verdict == Verdict.FAIL.value for g in found.guardrails)


def take(
    site: Site, model: str, actor: Actor, looked: Looked, key: str, reason: str = ""
) -> ChangeAnswer:
    """Take the step that was decided; ConflictError where the roles have moved since the look."""
    version, generation = looked.after.version, looked.roles.generation
    why = "; ".join(part for part in (reason, looked.decision.why) if part)
    if looked.share_pct:
        asked = Asked(key, to=version, reason=why, share_pct=looked.share_pct)
        return share(site, model, actor, asked, fence=generation)
    return promote(site, model, actor, Asked(key, to=version, reason=why), fence=generation)


def share(site: Site, model: str, actor: Actor, asked: Asked, *, fence: int) -> ChangeAnswer:
    """Have a version answer a share as the canary; what it keeps hidden how long is told first."""
    version, percent = asked.to or "", asked.share_pct or 0.0
    step = detection.step(site, model, percent, site.model(model).rollout.step_rows)
    hidden = detection.said(step)
    site.tell("INFO", "rollout", model, f"{version} is to answer {percent:g} %: {hidden}")
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor, "canary", model, now=now, wall=wall, reason=asked.reason, key=asked.idempotency_key
    ) as change:
        before = change.roles
        if before.generation != fence:
            raise ConflictError(
                f"Giving {version} of {model} a share of {percent:g} %: that was decided at "
                f"generation {fence}, it is {before.generation} now. Nothing was changed. Look "
                f"again with cdml rollout {model}.",
                code="conflict",
            )
        what = f"Giving {version} of {model} a share"
        locks.permit(site, change, model, actor, "canary", what, asked.override, asked.reason)
        known = evidence.current(site, model, before) if before.shadow == version else None
        change.set_roles(
            moves.canarying(before, version, percent, _salt(site, model, version, fence))
        )
        if known is None:
            evidence.begun(site, model, version, change.roles.generation)
        else:
            evidence.stepped(site, model, known, change.roles.generation)
        said = f"{version} answers {percent:g} %; {hidden}"
        made = changes.answer(change, model, before, said, wall, undoable=False)
    site.tell("ACT", "rollout", model, f"{actor}: {version} answers {percent:g} %: {asked.reason}")
    site.confirm(model)
    return made


def _salt(site: Site, model: str, version: str, generation: int) -> str:
    """Return what a canary's units are drawn with: another one for each canary."""
    return blake2b(f"{site.seed}{model}{version}{generation}".encode(), digest_size=8).hexdigest()


def stop(
    site: Site,
    model: str,
    actor: Actor,
    reason: str,
    *,
    fence: int | None = None,
    key: str | None = None,
    action: str = "abort",
) -> ChangeAnswer | None:
    """Stop canary and shadow; the champion stays. None where nothing runs, or past the fence.

    No lock and no lack of evidence is in the way of it.
    """
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor, action, model, now=now, wall=wall, reason=reason, key=key
    ) as change:
        before = change.roles
        version = before.canary or before.shadow
        if version is None or fence not in (None, before.generation):
            change.drop()
            return None
        change.set_roles(moves.cleared(before))
        if change.fitness_of(version) is Fitness.BLESSED:
            change.happened(version, Event.ABORTED)
        said = f"{version} aborted: {reason}"
        made = changes.answer(change, model, before, said, wall, undoable=False)
    site.tell("WARN", "rollout", model, said)
    site.confirm(model)
    return made
