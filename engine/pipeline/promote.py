"""Promotion: a version becomes champion, in one transaction, by a person or by its rollout."""

from dataclasses import replace

from engine.domain import roles as moves
from engine.domain.lifecycle import Fitness
from engine.domain.locks import HOLD
from engine.domain.roles import Roles
from engine.errors import ConflictError, InvalidError, RefusedError, UnavailableError
from engine.ledger.change import Actor, Change
from engine.ledger.ledger import Version
from engine.pipeline import changes, locks, taints, way_back
from engine.pipeline.site import Control
from engine.wire import Change as Asked
from engine.wire import ChangeAnswer

GREEN = (Fitness.BLESSED, Fitness.PROVEN)


def promote(
    site: Control,
    model: str,
    actor: Actor,
    asked: Asked,
    *,
    fence: int | None = None,
    action: str = "promote",
) -> ChangeAnswer:
    """Make the named version champion; `fence` is the generation that the decision was made at."""
    site.model(model)
    version = asked.to
    if version is None:
        raise InvalidError(
            f"Promoting a version of {model}: none was named. Name one of cdml versions.",
            code="no_version",
            field="to",
        )
    if (before := changes.answered(site, model, asked.idempotency_key)) is not None:
        return before
    person = actor.kind == "human"
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor, action, model, now=now, wall=wall, reason=asked.reason, key=asked.idempotency_key
    ) as change:
        roles = change.roles
        changes.check_expected(site, model, roles, asked.expect)
        if roles.champion == version:
            change.drop()
            return changes.unchanged(site, model, f"{version} is the champion already")
        if fence is not None and roles.generation != fence:
            raise ConflictError(
                f"Promoting {version} of {model}: the decision was made at generation {fence}, it "
                f"is {roles.generation} now. Nothing was changed; the rollout begins anew.",
                code="conflict",
            )
        if roles.champion is not None:
            what = f"Promoting {version} of {model}"
            locks.permit(site, change, model, actor, "promote", what, asked.override, asked.reason)
        found = site.ledger.version(model, version)
        taints.check(site, found, "Promote")
        check_promotable(found, roles, asked, may_override=person or roles.champion is None)
        _check_files(site, found, roles, asked)
        moved = moves.promoted(roles, version, by_person=person)
        trusted = [v for v in moved.standby if change.fitness_of(v) is not Fitness.TAINTED]
        moved = replace(moved, standby=tuple(trusted))
        change.set_roles(way_back.arranged(site, model, moved))
        if person and any(k.kind == HOLD for k in change.standing()):
            locks.lift(site, change, HOLD)
        _record_evidence(site, change, found, asked)
        made = changes.answer(
            change,
            model,
            roles,
            f"promoted {version}, was {roles.champion or 'none'}",
            wall,
            undoable=roles.champion is not None,
        )
    site.tell("ACT", "promote", model, f"{actor} promoted {version} (was {made.from_ or 'none'})")
    site.confirm(model)
    return made


def _record_evidence(site: Control, change: Change, found: Version, asked: Asked) -> None:
    """Write into the audit what spoke for the version, and what it was promoted in spite of."""
    judged = site.ledger.judged(found.model, found.version)
    change.detail["evidence"] = {
        "manifest": found.manifest,
        "verdict": found.verdict,
        "against": found.report.against if found.report else None,
        "judged": judged.seq if judged else None,
        "trained": [found.trained_from, found.trained_to],
    }
    spite = [o for o in asked.override if o == found.version]
    spite += ["no way back"] if asked.no_way_back else []
    if spite:
        change.detail.setdefault("overrides", []).extend(spite)


def _check_files(site: Control, found: Version, roles: Roles, asked: Asked) -> None:
    """Raise where the version could not be served, or the champion not be gone back to."""
    if not (found.manifest and site.artifacts.intact(found.manifest)):
        raise UnavailableError(
            f"Promoting {found.version} of {found.model}: its files are damaged or gone. Nothing "
            "was changed. Restore them from a backup, or promote another version.",
            code="artifact_missing",
        )
    if roles.champion is None or asked.no_way_back:
        return
    manifest = site.ledger.version(found.model, roles.champion).manifest
    if not (manifest and site.artifacts.intact(manifest)):
        raise RefusedError(
            f"Promoting {found.version} of {found.model}: the files of {roles.champion} are "
            "damaged or gone, so there would be no way back to it. Nothing was changed. Restore "
            "them, or say --no-way-back.",
            code="no_way_back",
        )


def green(found: Version, roles: Roles) -> bool:
    """Say whether evidence speaks for a version now: a former champion, or a fresh pass.

    A gate passed against another champion than the present one says nothing of this one.
    """
    former = found.version in roles.standby or found.fitness is Fitness.PROVEN
    against = found.report.against if found.report else None
    return found.fitness in GREEN and (former or against == roles.champion)


def check_promotable(found: Version, roles: Roles, asked: Asked, *, may_override: bool) -> None:
    """Raise RefusedError unless the gate passed or a person overrides it by name and reason."""
    if green(found, roles):
        return
    name = found.version
    if found.fitness in (Fitness.BUILDING, Fitness.FAILED, Fitness.PURGED) or not found.manifest:
        raise RefusedError(
            f"Promoting {name} of {found.model}: it is {found.fitness} and has nothing to serve. "
            "Promote another version.",
            code="not_loadable",
        )
    if may_override and name in asked.override and asked.reason.strip():
        return
    why = found.report.reasons[0] if found.report and found.report.reasons else "no gate passed"
    if found.fitness in GREEN and found.report is not None:
        why = f"judged against {found.report.against}, the champion is {roles.champion} now"
    if found.fitness is Fitness.ABORTED:
        why = "its rollout was stopped"
    raise RefusedError(
        f"Promoting {name} of {found.model}: it is {found.fitness.replace('_', ' ')} ({why}). "
        f"Nothing was changed. To override, name it and say why: cdml promote {found.model} "
        f"{name} --override {name} --reason TEXT.",
        code="gate_not_passed",
    )
