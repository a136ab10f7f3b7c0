"""Hold and resume: whether automation may replace the champion."""

import msgspec

from engine.clock import iso
from engine.domain.locks import HOLD
from engine.ledger.change import Actor
from engine.pipeline.site import Control
from engine.wire import Lock, LockAnswer, LockRequest


def hold(site: Control, model: str, actor: Actor, asked: LockRequest) -> LockAnswer:
    """Forbid the automatic replacement of the champion until a person resumes."""
    return _set(site, model, actor, asked, held=True)


def resume(site: Control, model: str, actor: Actor, asked: LockRequest) -> LockAnswer:
    """Lift the hold."""
    return _set(site, model, actor, asked, held=False)


def _set(site: Control, model: str, actor: Actor, asked: LockRequest, *, held: bool) -> LockAnswer:
    site.model(model)
    if (before := site.ledger.answered(asked.idempotency_key)) is not None:
        return msgspec.convert(before, type=LockAnswer)
    now, wall = site.clock.now(), site.clock.wall()
    verb = "hold" if held else "resume"
    with site.ledger.change(
        actor, verb, model, now=now, wall=wall, reason=asked.reason, key=asked.idempotency_key
    ) as change:
        standing = change.standing()
        if any(lock.kind == HOLD for lock in standing) == held:
            change.drop()
            last = site.ledger.last_change(model)
            said = "held already" if held else "not held"
            seq = last.seq if last else 0
            return LockAnswer(model, standing, change.roles.generation, seq, False, said)
        if held:
            change.lock(Lock(HOLD, str(actor), asked.reason or "held by hand", iso(wall)))
        else:
            change.unlock(HOLD)
        made = LockAnswer(
            model,
            change.standing(),
            change.roles.generation,
            change.seq,
            True,
            "held" if held else "resumed: automation may replace the champion again",
        )
        change.answer = made
    site.tell("ACT", verb, model, f"{actor}: {made.message}")
    return made
