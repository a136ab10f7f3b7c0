"""Locks set and lifted: hold, freeze, pin; what stands on a model, and what it has stopped.

What each of them stops is in domain.locks. A lock outlives a restart: only a person lifts it.
"""

from collections.abc import Sequence

import msgspec

from engine.clock import iso
from engine.domain.locks import EVERYWHERE, FREEZE, HOLD, PIN, may_confirm, stopped_by
from engine.errors import ConflictError, RefusedError
from engine.ledger.change import Actor, Change
from engine.pipeline.site import Control
from engine.wire import Lock, LockAnswer, LockRequest, Suppressed

LIFT = {HOLD: "resume", FREEZE: "thaw", PIN: "unpin"}
SAID = {HOLD: "held", FREEZE: "frozen", PIN: "pinned"}


def hold(site: Control, model: str, actor: Actor, asked: LockRequest) -> LockAnswer:
    """Forbid the automatic replacement of the champion until a person resumes."""
    site.model(model)
    return _set(site, model, actor, asked, HOLD)


def resume(site: Control, model: str, actor: Actor, asked: LockRequest) -> LockAnswer:
    """Lift the hold."""
    site.model(model)
    return _lifted(site, model, actor, asked, HOLD)


def freeze(site: Control, model: str, actor: Actor, asked: LockRequest) -> LockAnswer:
    """Forbid every automatic change of a model, or of the whole engine."""
    _model_or_all(site, model)
    return _set(site, model, actor, asked, FREEZE)


def thaw(site: Control, model: str, actor: Actor, asked: LockRequest) -> LockAnswer:
    """Lift the freeze; what it stopped of trainings is made up for by one run a model."""
    _model_or_all(site, model)
    return _lifted(site, model, actor, asked, FREEZE)


def pin(site: Control, model: str, actor: Actor, asked: LockRequest) -> LockAnswer:
    """Keep the champion even from being replaced by hand; `version` must be the champion."""
    site.model(model)
    return _set(site, model, actor, asked, PIN)


def unpin(site: Control, model: str, actor: Actor, asked: LockRequest) -> LockAnswer:
    """Lift the pin."""
    site.model(model)
    return _lifted(site, model, actor, asked, PIN)


# ---------------------------------------------------------------- what stands, what it stops


def standing(site: Control, model: str) -> list[Lock]:
    """Return the locks on a model, those of the whole engine too, with what they have stopped."""
    everywhere = [
        msgspec.structs.replace(lock, everywhere=True) for lock in site.ledger.locks(EVERYWHERE)
    ]
    own = site.ledger.locks(model) if model != EVERYWHERE else []
    return [
        msgspec.structs.replace(lock, suppressed=_stopped_so_far(site, model, lock))
        for lock in [*everywhere, *own]
    ]


def stops(site: Control, model: str, action: str, what: str, *, repeated: bool = False) -> bool:
    """Say whether a lock stops an automatic action, and count `what` it stopped.

    What comes again and again, like a schedule, counts every time; what waits counts once.
    """
    lock = stopped_by(standing(site, model), action, person=False)
    if lock is not None:
        suppressed(site, model, lock, what, repeated=repeated)
    return lock is not None


def suppressed(
    site: Control, model: str, lock: Lock, action: str, *, repeated: bool = False
) -> None:
    """Count what a lock has stopped, and tell it the first time."""
    known = {s.action for s in site.ledger.suppressed.by(model, lock.kind)}
    if repeated or action not in known:
        site.ledger.suppressed.count(model, lock.kind, action, site.moment())
    if action not in known:
        site.tell("INFO", lock.kind, None if model == EVERYWHERE else model, f"stopped: {action}")


def permit(
    site: Control,
    change: Change,
    model: str,
    actor: Actor,
    action: str,
    what: str,
    overrides: Sequence[str] = (),
    reason: str = "",
) -> Lock | None:
    """Raise where a lock stops an action; return the one that a person overrode with a reason.

    `what` begins the sentence, like "Promoting v3 of late". Overrides used go into the audit.
    """
    person = actor.kind == "human"
    left = standing(site, model)
    overridden = None
    while (lock := stopped_by(left, action, person=person)) is not None:
        confirmed = person and may_confirm(lock.kind, action)
        if not (confirmed and lock.kind in overrides and reason.strip()):
            raise _stopped(model, lock, what, person=person, confirmed=confirmed)
        change.detail.setdefault("overrides", []).append(lock.kind)
        overridden = overridden or lock
        left = [k for k in left if k.kind != lock.kind]
    return overridden


def check_reload(site: Control) -> None:
    """Raise RefusedError where a freeze stands anywhere: new settings would change what it kept."""
    for model in [EVERYWHERE, *site.settings.models]:
        lock = stopped_by(standing(site, model), "reload", person=True)
        if lock is not None:
            what = "Reading cdml.toml again"
            raise _stopped(model, lock, what, person=True, confirmed=False)


def lift(site: Control, change: Change, kind: str) -> list[Suppressed]:
    """Lift a lock of a change's model; return what it had stopped, which is forgotten.

    Trainings that a freeze stopped stay remembered until one run makes up for them.
    """
    model = change.model or EVERYWHERE
    change.unlock(kind)
    found: list[Suppressed] = []
    for name in _under(site, model, kind):
        stopped = site.ledger.suppressed.by(name, kind)
        found += stopped
        gone = [s.action for s in stopped if not (kind == FREEZE and is_training(s))]
        site.ledger.suppressed.forget(name, kind, gone)
    if found:
        change.detail["suppressed"] = [msgspec.to_builtins(s) for s in found]
    return found


def is_training(stopped: Suppressed) -> bool:
    """Say whether what was stopped is the launch of a training."""
    return stopped.action.startswith("train")


def said_of(lock: Lock) -> str:
    """Say who set a lock, when and why."""
    whole = "the whole engine is " if lock.everywhere else ""
    what = f"pinned to {lock.version}" if lock.kind == PIN else SAID[lock.kind]
    return f"{whole}{what} by {lock.owner} since {lock.since[:16]}Z ({lock.reason})"


# ---------------------------------------------------------------- plumbing


def _model_or_all(site: Control, model: str) -> None:
    if model != EVERYWHERE:
        site.model(model)


def _under(site: Control, model: str, kind: str) -> list[str]:
    """Return whose suppressed actions a lifted lock answered for: none that stays locked."""
    if model != EVERYWHERE:
        return [] if any(k.kind == kind for k in standing(site, model)) else [model]
    names = [EVERYWHERE, *site.settings.models]
    return [n for n in names if not any(k.kind == kind for k in site.ledger.locks(n))]


def _stopped_so_far(site: Control, model: str, lock: Lock) -> list[Suppressed]:
    names = [EVERYWHERE, *site.settings.models] if model == EVERYWHERE else [model]
    return [s for name in names for s in site.ledger.suppressed.by(name, lock.kind)]


def _stopped(model: str, lock: Lock, what: str, *, person: bool, confirmed: bool) -> RefusedError:
    where = "" if lock.everywhere else f" {model}"
    how = f"cdml {LIFT[lock.kind]}{where}"
    if not person:
        return ConflictError(
            f"{what}: a {lock.kind} stands: {said_of(lock)}. Nothing was changed; a person lifts "
            f"it with {how}.",
            code="conflict",
        )
    # The flag that promotes in spite of a freeze has a name of its own.
    flag = "--override-freeze" if lock.kind == FREEZE else f"--override {lock.kind}"
    spite = f", or go on in spite of it with {flag} --reason TEXT" if confirmed else ""
    name = "" if lock.everywhere else f"{model} is "
    return RefusedError(
        f"{what}: {name}{said_of(lock)}. Nothing was changed. Lift it with {how}{spite}.",
        code="locked",
    )


def _set(site: Control, model: str, actor: Actor, asked: LockRequest, kind: str) -> LockAnswer:
    if (before := _before(site, asked)) is not None:
        return before
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor, kind, model, now=now, wall=wall, reason=asked.reason, key=asked.idempotency_key
    ) as change:
        version = _pinnable(model, change, asked) if kind == PIN else None
        stands = next((k for k in change.standing() if k.kind == kind), None)
        if stands is not None:
            change.drop()
            return _unchanged(site, model, change, f"already {said_of(stands)}")
        lock = Lock(kind, str(actor), asked.reason or f"{SAID[kind]} by hand", iso(wall), version)
        change.lock(lock)
        made = _answer(site, model, change, SAID[kind] if kind != PIN else f"pinned to {version}")
    _tell(site, kind, model, actor, made)
    return made


def _lifted(site: Control, model: str, actor: Actor, asked: LockRequest, kind: str) -> LockAnswer:
    if (before := _before(site, asked)) is not None:
        return before
    now, wall = site.clock.now(), site.clock.wall()
    verb = LIFT[kind]
    with site.ledger.change(
        actor, verb, model, now=now, wall=wall, reason=asked.reason, key=asked.idempotency_key
    ) as change:
        if not any(k.kind == kind for k in change.standing()):
            change.drop()
            return _unchanged(
                site, model, change, f"not {SAID[kind]}{_elsewhere(site, model, kind)}"
            )
        stopped = lift(site, change, kind)
        made = _answer(site, model, change, f"no longer {SAID[kind]}{_listed(stopped, kind)}")
    _tell(site, verb, model, actor, made)
    return made


def _pinnable(model: str, change: Change, asked: LockRequest) -> str:
    champion = change.roles.champion
    if champion is None or asked.version not in (None, champion):
        found = f"the champion is {champion}" if champion else "it has no champion yet"
        raise ConflictError(
            f"Pinning {model} to {asked.version or 'its champion'}: {found}. Nothing was changed. "
            f"Promote {asked.version or 'a version'} first, or pin the one that serves.",
            code="conflict",
            field="version",
        )
    return champion


def _elsewhere(site: Control, model: str, kind: str) -> str:
    """Name the lock that still stands where somebody lifts another one that does not."""
    if model == EVERYWHERE:
        locked = {n: site.ledger.locks(n) for n in site.settings.models}
        frozen = [n for n, found in locked.items() if any(k.kind == kind for k in found)]
        return f"; {', '.join(frozen)} still: cdml thaw {frozen[0]}" if frozen else ""
    whole = any(k.kind == kind for k in site.ledger.locks(EVERYWHERE))
    return "; the whole engine is: cdml thaw" if whole else ""


def _listed(stopped: list[Suppressed], kind: str) -> str:
    if not stopped:
        return "; it had stopped nothing"
    parts = [f"{s.action} ({s.count} times)" if s.count > 1 else s.action for s in stopped]
    after = ""
    if kind == FREEZE and any(is_training(s) for s in stopped):
        after = "; one training a model makes up for those"
    return f"; it had stopped: {', '.join(parts)}{after}"


def _before(site: Control, asked: LockRequest) -> LockAnswer | None:
    found = site.ledger.answered(asked.idempotency_key)
    return None if found is None else msgspec.convert(found, type=LockAnswer)


def _answer(site: Control, model: str, change: Change, said: str) -> LockAnswer:
    made = LockAnswer(model, standing(site, model), change.roles.generation, change.seq, True, said)
    change.answer = made
    return made


def _unchanged(site: Control, model: str, change: Change, said: str) -> LockAnswer:
    last = site.ledger.last_change(model)
    seq = last.seq if last else 0
    return LockAnswer(model, standing(site, model), change.roles.generation, seq, False, said)


def _tell(site: Control, verb: str, model: str, actor: Actor, made: LockAnswer) -> None:
    named = None if model == EVERYWHERE else model
    whole = "the whole engine " if named is None else ""
    site.tell("ACT", verb, named, f"{actor}: {whole}{made.message}")
