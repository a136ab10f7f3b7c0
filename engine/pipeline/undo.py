"""Undo: take back the last promotion or rollback within a minute, as a transaction of its own."""

from dataclasses import replace
from datetime import timedelta

import msgspec

from engine.clock import iso, parse_time
from engine.domain.lifecycle import Fitness
from engine.domain.roles import Roles
from engine.errors import RefusedError
from engine.ledger.change import Actor
from engine.pipeline import changes, evidence, locks
from engine.pipeline.site import Control
from engine.wire import AuditEntry, ChangeAnswer, Lock
from engine.wire import Change as Asked


def undoable(site: Control, model: str) -> tuple[AuditEntry | None, str]:
    """Return the change that undo would take back, or None and why not."""
    last = site.ledger.last_change(model)
    if last is None:
        return None, "nothing was changed yet"
    if not last.detail.get("undoable"):
        first = last.action == "promote" and last.from_version is None
        what = "the first promotion" if first else last.action
        return None, f"the last change was {what}, which has no undo"
    age = site.clock.wall() - parse_time(last.wall)
    if age > changes.UNDO_FOR:
        return None, f"{last.action} was {age / timedelta(seconds=1):.0f} s ago, 60 s are allowed"
    return last, ""


def undo(site: Control, model: str, actor: Actor, asked: Asked) -> ChangeAnswer:
    """Restore roles, fitness and locks as they were before the last change."""
    site.model(model)
    if (before := changes.answered(site, model, asked.idempotency_key)) is not None:
        return before
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor, "undo", model, now=now, wall=wall, reason=asked.reason, key=asked.idempotency_key
    ) as change:
        last, why = undoable(site, model)
        if last is None:
            raise RefusedError(
                f"Undoing the last change of {model}: {why}. Nothing was changed. "
                "Use cdml promote or cdml rollback --to VERSION.",
                code="not_undoable",
            )
        changes.check_expected(site, model, change.roles, asked.expect)
        if last.action == "rollback":
            what = f"Undoing the rollback of {model}, which promotes {last.from_version} again"
            locks.permit(site, change, model, actor, "promote", what, asked.override, asked.reason)
        if (taint := last.detail.get("taint")) is not None:
            site.ledger.taints.lift(taint["number"], iso(wall))
        former = msgspec.convert(last.detail["roles_before"], type=Roles)
        generation = change.roles.generation + 1
        for version, (fitness, _) in last.detail["fitness"].items():
            change.restore_fitness(version, Fitness(fitness))
        for lock in change.standing():
            change.unlock(lock.kind)
        for lock in msgspec.convert(last.detail["locks_before"], type=list[Lock]):
            change.lock(lock)
        roles = change.roles
        if former.shadow or former.canary:
            # Its evidence has led to the change just undone: it has to be shown anew.
            evidence.begun(site, model, former.canary or former.shadow or "", generation)
        change.set_roles(replace(former, generation=generation))
        made = changes.answer(
            change,
            model,
            roles,
            f"undid {last.action}: champion is {former.champion} again",
            wall,
            undoable=False,
        )
    site.tell("ACT", "undo", model, f"{actor} undid {last.action}: {made.from_} -> {made.to}")
    site.confirm(model)
    return made
