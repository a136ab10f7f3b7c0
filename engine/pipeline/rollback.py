"""Rollback: champion back to last known good, canary and shadow stopped, a hold set.

Touches the ledger and serving only, so that it works while the metric store is busy or broken.
"""

import hashlib

from engine.clock import iso
from engine.domain import roles as moves
from engine.domain import rollbacks
from engine.domain.lifecycle import Event, Fitness
from engine.domain.locks import HOLD
from engine.domain.roles import Roles
from engine.domain.rollbacks import Former
from engine.errors import RefusedError, UnavailableError
from engine.ledger.change import Actor, Change
from engine.ledger.ledger import Ledger, Version
from engine.pipeline import changes
from engine.pipeline.site import Control
from engine.wire import Change as Asked
from engine.wire import ChangeAnswer, Lock, Plan, PlanCheck


def rollback(site: Control, model: str, actor: Actor, asked: Asked) -> ChangeAnswer:
    """Take the champion back; a second press while the first one's hold stands changes nothing."""
    if model not in site.ledger.models():
        site.model(model)  # says which there are
    if (before := changes.answered(site, model, asked.idempotency_key)) is not None:
        return before
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor,
        "rollback",
        model,
        now=now,
        wall=wall,
        reason=asked.reason,
        key=asked.idempotency_key,
    ) as change:
        roles = change.roles
        changes.check_expected(site, model, roles, asked.expect)
        if (done := _already(site, model, asked)) is not None:
            change.drop()
            return done
        target = _target(site, model, roles, asked.to)
        change.set_roles(moves.rolled_back(roles, target))
        _leave(change, roles, asked)
        reason = asked.reason or f"rolled back from {roles.champion}"
        change.lock(Lock(HOLD, str(actor), reason, iso(wall)))
        made = changes.answer(
            change,
            model,
            roles,
            f"rolled back from {roles.champion} to {target}; hold set",
            wall,
            undoable=True,
        )
    site.tell("ACT", "rollback", model, f"{actor} rolled back {made.from_} -> {made.to}; hold set")
    site.confirm(model)
    return made


def _already(site: Control, model: str, asked: Asked) -> ChangeAnswer | None:
    """Answer a repeated press: without --to or --expect a standing rollback is not repeated."""
    roles = site.ledger.roles(model)
    if asked.to is not None and asked.to == roles.champion:
        return changes.unchanged(site, model, f"{asked.to} is the champion already")
    if asked.to is not None or asked.expect is not None:
        return None
    last = site.ledger.last_move(model)
    held = any(lock.kind == HOLD for lock in site.ledger.locks(model))
    if not held or last is None or last.action != "rollback":
        return None
    return changes.unchanged(
        site,
        model,
        f"already rolled back from {last.from_version} to {last.to_version} at "
        f"{last.wall[:19]}Z; to walk further back name the version with --to",
    )


def _target(site: Control, model: str, roles: Roles, to: str | None) -> str:
    if to is None:
        found = rollbacks.target(formers(site, model, roles))
        if found is None:
            raise RefusedError(
                f"Rolling back {model} from {roles.champion or 'nothing'}: there is no former "
                "champion to go back to. Nothing was changed. Name a version with --to, or train "
                "a new one with cdml train.",
                code="no_target",
            )
        return found.version
    version = site.ledger.version(model, to)
    if not version.manifest or not site.artifacts.intact(version.manifest):
        raise UnavailableError(
            f"Rolling back {model} to {to}: its files are damaged or gone. Nothing was changed. "
            "Restore them from a backup, or name another version.",
            code="artifact_missing",
        )
    if version.fitness is Fitness.TAINTED:
        raise RefusedError(
            f"Rolling back {model} to {to}: it is tainted. Nothing was changed. Name another "
            "version.",
            code="tainted",
        )
    return to


def _leave(change: Change, roles: Roles, asked: Asked) -> None:
    """Mark what was left behind, and stop canary and shadow."""
    event = Event.TAINTED if asked.attack else Event.LEFT_BY_ROLLBACK
    for version, happened in (
        (roles.champion, event),
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


def formers(site: Control, model: str, roles: Roles) -> list[Former]:
    """Return the standby versions with their fitness and whether their files are whole."""
    return [_former(site, v) for v in _versions(site.ledger, model, roles.standby)]


def _former(site: Control, version: Version) -> Former:
    intact = bool(version.manifest) and site.artifacts.intact(version.manifest or "")
    return Former(version.version, version.fitness, intact, version.safe_mode)


def _versions(ledger: Ledger, model: str, names: tuple[str, ...]) -> list[Version]:
    return [ledger.version(model, name) for name in names]


def plan(site: Control, model: str) -> Plan:
    """Say what a rollback would do now and prove what can be proven before the key."""
    roles = site.ledger.roles(model)
    found = rollbacks.target(formers(site, model, roles))
    if found is None:
        why = "no champion yet" if roles.champion is None else "no former champion to go back to"
        last = site.ledger.last_move(model)
        if last is not None and last.action == "rollback":
            why = f"rolled back from {last.from_version} already; no older champion to go back to"
        return Plan("rollback", False, why, roles.champion, None, etag(roles, None))
    loaded = found.version in site.serving.loaded(model)
    proven = found.fitness is Fitness.PROVEN
    checks = [
        PlanCheck("files", found.intact, "digest and signature ok"),
        PlanCheck("loaded", loaded, "in memory" if loaded else "not in memory"),
        PlanCheck("proven", True, "served long enough without a breach" if proven else "unproven"),
    ]
    why = "" if loaded else f"{found.version} is not in the prediction service's memory"
    return Plan(
        "rollback",
        loaded,
        why,
        roles.champion,
        found.version,
        etag(roles, found.version),
        checks,
        same_as=f"cdml rollback {model} --to {found.version} --expect {roles.champion}",
    )


def etag(roles: Roles, target: str | None) -> str:
    """Return a mark that changes whenever what a key would do changes."""
    return hashlib.sha256(f"{roles}{target}".encode()).hexdigest()[:16]
