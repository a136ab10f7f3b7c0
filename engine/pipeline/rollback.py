"""Rollback: champion back to last known good, canary and shadow stopped, a hold set.

Touches the ledger and serving only, so that it works while the metric store is busy or broken.
"""

from dataclasses import dataclass

import msgspec

from engine.clock import iso, parse_time
from engine.domain import roles as moves
from engine.domain import rollbacks
from engine.domain.lifecycle import Event, Fitness
from engine.domain.locks import HOLD, PIN
from engine.domain.roles import Roles
from engine.domain.rollbacks import NEVER
from engine.errors import RefusedError, UnavailableError
from engine.ledger.change import Actor, Change
from engine.pipeline import changes, locks, reserve, signs, taints, way_back
from engine.pipeline.site import Control
from engine.wire import Change as Asked
from engine.wire import ChangeAnswer, Lock


class Pending(msgspec.Struct, frozen=True):
    """A rollback whose effect is still to be seen, as it is remembered with the change."""

    left: str | None
    to: str
    at: str
    probed: bool = False
    verified: bool = False


def aftermath_of(model: str) -> str:
    """Return under which name the ledger remembers a model's pending rollback."""
    return f"aftermath:{model}"


def rollback(site: Control, model: str, actor: Actor, asked: Asked) -> ChangeAnswer:
    """Take the champion back; a second press while the first one's hold stands changes nothing."""
    if model not in site.ledger.models():
        site.model(model)  # says which there are
    reserve.release(site.workspace)
    while True:
        if (before := changes.answered(site, model, asked.idempotency_key)) is not None:
            return before
        roles = site.ledger.roles(model)
        changes.check_expected(site, model, roles, asked.expect)
        if (done := _already(site, model, asked)) is not None:
            return done
        # Before the transaction: reading files may take a while, and nothing else may wait for it.
        target = _target(site, model, actor, roles, asked)
        if (made := _moved(site, model, actor, asked, roles, target)) is not None:
            break
    said = f"{actor} rolled back {made.from_} -> {made.to}; hold set"
    site.tell("ACT", "rollback", model, f"{said}{'; ' + target.remark if target.remark else ''}")
    site.confirm(model)
    return made


def _moved(
    site: Control, model: str, actor: Actor, asked: Asked, roles: Roles, target: "Target"
) -> ChangeAnswer | None:
    """Move the roles in one transaction; None where they were moved since the target was chosen."""
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor, "rollback", model, now=now, wall=wall, reason=asked.reason, key=asked.idempotency_key
    ) as change:
        if change.roles != roles or change.fitness_of(target.version) != target.fitness:
            change.drop()
            return None
        what = f"Rolling back {model} from {roles.champion}"
        if locks.permit(site, change, model, actor, "rollback", what, asked.override, asked.reason):
            locks.lift(site, change, PIN)
        back = moves.rolled_back(roles, target.version)
        _leave(site, change, roles, actor, asked)
        change.set_roles(way_back.arranged(site, model, back))
        reason = asked.reason or f"rolled back from {roles.champion}"
        change.lock(Lock(HOLD, str(actor), reason, iso(wall)))
        said = f"rolled back from {roles.champion} to {target.version}; hold set"
        if target.remark:
            change.detail["remark"] = target.remark
            said = f"{said}. {target.remark}"
        if asked.attack and (span := signs.suspected(site, model)) is not None:
            said = f"{said}. Suspected rows: cdml taint {model} --from {span[0]} --to {span[1]}"
        pending = Pending(roles.champion, target.version, iso(now))
        site.ledger.set_meta(aftermath_of(model), msgspec.json.encode(pending).decode())
        undoable = roles.champion is not None
        return changes.answer(change, model, roles, said, wall, undoable=undoable)


def _already(site: Control, model: str, asked: Asked) -> ChangeAnswer | None:
    """Answer a repeated press: where nothing is named a standing rollback is not repeated."""
    roles = site.ledger.roles(model)
    if asked.to is not None and asked.to == roles.champion:
        return changes.unchanged(site, model, f"{asked.to} is the champion already")
    if asked.to is not None or asked.expect is not None or asked.before is not None:
        return None
    last = site.ledger.last_move(model)
    held = any(lock.kind == HOLD for lock in site.ledger.locks(model))
    if not held or last is None or last.action != "rollback":
        return None
    return changes.unchanged(
        site,
        model,
        f"already rolled back from {last.from_version} to {last.to_version} at "
        f"{last.wall[:19]}Z; to walk further back name the version with --to"
        + (
            f"; to taint it: cdml taint {model} --version {last.from_version}"
            if asked.attack
            else ""
        ),
    )


@dataclass(frozen=True, slots=True)
class Target:
    """Where to go: the version, its fitness as it was looked at, what a person should know."""

    version: str
    fitness: Fitness
    remark: str = ""


def _target(site: Control, model: str, actor: Actor, roles: Roles, asked: Asked) -> Target:
    if asked.to is not None:
        return _named(site, model, actor, roles, asked.to)
    before = parse_time(asked.before) if asked.before else None
    found, passed = way_back.target(site, model, roles, before)
    if found is None:
        limit = f" trained on rows before {asked.before} only" if asked.before else ""
        why = f"{passed[0].version} {passed[0].why}" if passed else "no other version could serve"
        raise RefusedError(
            f"Rolling back {model} from {roles.champion or 'nothing'}: no former champion{limit} "
            f"is fit to go back to ({why}). Nothing was changed. Name a version with --to, or "
            "train a new one with cdml train.",
            code="no_target",
        )
    remark = "; ".join(f"{p.version} was passed over: {p.why}" for p in passed)
    fitness = site.ledger.version(model, found.version).fitness
    if found.simple:
        simple = f"{found.version} is safe mode, the simple baseline: every answer is flagged"
        remark = "; ".join(filter(None, (simple, remark)))
    elif found.fitness is not Fitness.PROVEN:
        remark = "; ".join(filter(None, (f"{found.version} is unproven", remark)))
    return Target(found.version, fitness, remark)


def _named(site: Control, model: str, actor: Actor, roles: Roles, to: str) -> Target:
    """Return the version that was named; what a person may take in spite of all is remarked."""
    version = site.ledger.version(model, to)
    taints.check(site, version, "Roll back to")
    if not way_back.whole(site, model, to):
        raise UnavailableError(
            f"Rolling back {model} to {to}: its files are damaged or gone. Nothing was changed. "
            "Restore them from a backup, or name another version.",
            code="artifact_missing",
        )
    former = next((f for f in way_back.formers(site, model, roles) if f.version == to), None)
    remark = ""
    if former is None or not rollbacks.eligible(former):
        never = "was never champion" if version.fitness not in NEVER else "is"
        state = "" if version.fitness not in NEVER else f" {version.fitness.replace('_', ' ')}"
        remark = f"{to} {never}{state}: it would not be gone back to by itself"
    elif former.refuses_clients:
        remark = f"{to} {site.ready[model].taken[to].said}"
    if remark and actor.kind != "human":
        raise RefusedError(
            f"Rolling back {model} to {to}: {remark}. Nothing was changed; a person may do it "
            f"with cdml rollback {model} --to {to}.",
            code="not_eligible",
        )
    return Target(to, version.fitness, remark and f"Warning: {remark}")


def _leave(site: Control, change: Change, roles: Roles, actor: Actor, asked: Asked) -> None:
    """Mark what was left behind, and stop canary and shadow."""
    if asked.attack and roles.champion is not None:
        why = asked.reason or "rolled back as an attack"
        taints.mark_left(
            site, change, roles.champion, actor, why, signs.suspected(site, change.model or "")
        )
    for version, happened in (
        (None if asked.attack else roles.champion, Event.LEFT_BY_ROLLBACK),
        (roles.canary, Event.ABORTED),
        (roles.shadow, Event.ABORTED),
    ):
        if version is None:
            continue
        fitness = change.fitness_of(version)
        # A champion that a person forced past its gate keeps that mark; it is left all the same.
        if happened is Event.LEFT_BY_ROLLBACK and fitness not in (
            Fitness.BLESSED,
            Fitness.PROVEN,
        ):
            continue
        if happened is Event.ABORTED and fitness is not Fitness.BLESSED:
            continue
        change.happened(version, happened)
