"""The way back: which version a rollback takes, and what was proven of it before the key.

Needs ledger and artifacts only; what takes longer is looked at by readiness.py in the background.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from engine.clock import parse_time
from engine.domain import rollbacks
from engine.domain.lifecycle import Fitness
from engine.domain.locks import stopped_by
from engine.domain.roles import Roles, safe_mode_of
from engine.domain.rollbacks import Former
from engine.ledger.ledger import Version
from engine.pipeline import locks, taints
from engine.pipeline.site import Control
from engine.wire import Plan, PlanCheck

# So many of the newest are enough, and each takes a look into its manifest.
SAFE_MODES = 5


@dataclass(frozen=True, slots=True)
class Passed:
    """A better way back that is passed over, and why."""

    version: str
    why: str


def formers(site: Control, model: str, roles: Roles) -> list[Former]:
    """Return the versions one could go back to, most recent first; every safe mode at the end.

    From one safe mode to another is no way back.
    """
    known = {v.version: v for v in site.ledger.versions(model)}
    standby = [known[name] for name in roles.standby if name in known]
    simple = [
        v
        for v in reversed(known.values())
        if v.safe_mode and v.fitness is Fitness.REGISTERED and v.version not in roles.standby
    ][:SAFE_MODES]
    last = known.get(roles.champion or "")
    return [
        _former(site, v)
        for v in [*standby, *simple]
        if v.version != roles.champion and not (v.safe_mode and last is not None and last.safe_mode)
    ]


def _former(site: Control, version: Version) -> Former:
    ready = site.ready.get(version.model)
    taken = ready.taken.get(version.version) if ready else None
    tainted = taints.of_version(site, version.model, version.version) is not None
    return Former(
        version.version,
        Fitness.TAINTED if tainted else version.fitness,
        version.safe_mode,
        parse_time(version.trained_to) if version.trained_to else None,
        taken.share if taken else None,
    )


def target(
    site: Control, model: str, roles: Roles, before: datetime | None = None
) -> tuple[Former | None, list[Passed]]:
    """Return where a rollback goes now, and the better ways that are passed over."""
    passed: list[Passed] = []
    for former in rollbacks.ladder(formers(site, model, roles), before):
        if former.refuses_clients:
            passed.append(Passed(former.version, site.ready[model].taken[former.version].said))
        elif not whole(site, model, former.version):
            passed.append(Passed(former.version, "its files are damaged or gone"))
        else:
            return former, passed
    return None, passed


def whole(site: Control, model: str, version: str) -> bool:
    """Say whether a version's files are there and unchanged since they were last read."""
    manifest = site.ledger.version(model, version).manifest
    return bool(manifest) and site.artifacts.intact(manifest or "")


def arranged(site: Control, model: str, roles: Roles) -> Roles:
    """Return the roles with standby in the order of the ladder, the champion's safe mode last.

    Serving keeps the first ones in memory: those are the ones a rollback would take.
    """
    simple = [v.version for v in site.ledger.versions(model) if v.safe_mode]
    own = safe_mode_of(roles.champion or "")
    last = [own] if own in simple else [v for v in roles.standby if v in simple]
    names = [*(v for v in roles.standby if v not in simple), *last]
    order = [f.version for f in rollbacks.ladder(formers(site, model, roles))]
    names.sort(key=lambda v: order.index(v) if v in order else len(order))
    return replace(roles, standby=tuple(names))


def plan(site: Control, model: str) -> Plan:
    """Say what a rollback would do now and what was proven of it before the key."""
    roles = site.ledger.roles(model)
    found, passed = target(site, model, roles)
    skipped = [PlanCheck(f"{p.version} passed over", ok=False, found=p.why) for p in passed]
    if found is None:
        why = _nowhere(site, model, roles, passed)
        return Plan("rollback", False, why, roles.champion, None, skipped)
    loaded = found.version in site.serving.loaded(model)
    proven = found.fitness is Fitness.PROVEN
    said = "served long enough without a breach" if proven else "unproven"
    if found.simple:
        said = "safe mode: the simple baseline, every answer flagged"
    ready = site.ready.get(model)
    lock = stopped_by(locks.standing(site, model), "rollback", person=True)
    checks = [
        PlanCheck("files", ok=True, found="digest and signature ok"),
        PlanCheck("loaded", loaded, "in memory" if loaded else "not in memory"),
        PlanCheck("proven", ok=True, found=said),
        *(ready.checks if ready and ready.target == found.version else []),
        *skipped,
    ]
    why = "" if loaded else f"{found.version} is not in the prediction service's memory"
    if lock is not None:
        spite = f"cdml rollback {model} --override {lock.kind} --reason TEXT"
        why = f"{model} is {locks.said_of(lock)}; in spite of it: {spite}"
    spited = [lock.kind] if lock is not None and loaded else []
    return Plan(
        "rollback",
        loaded and lock is None,
        why,
        roles.champion,
        found.version,
        checks,
        same_as=f"cdml rollback {model} --to {found.version} --expect {roles.champion}",
        overrides=spited,
    )


def _nowhere(site: Control, model: str, roles: Roles, passed: list[Passed]) -> str:
    if roles.champion is None:
        return "no champion yet"
    if passed:
        return f"no way back is fit: {passed[0].version} {passed[0].why}"
    last = site.ledger.last_move(model)
    if last is not None and last.action == "rollback":
        return f"rolled back from {last.from_version} already; no older champion to go back to"
    return "no former champion to go back to"
