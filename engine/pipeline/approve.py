"""A person's yes or no to a version that the policy lets nobody else bring in."""

from engine.domain.lifecycle import Event, Fitness
from engine.domain.rollouts import Next
from engine.errors import InvalidError, RefusedError
from engine.ledger.change import Actor
from engine.pipeline import changes, rollout
from engine.pipeline.site import Site
from engine.wire import Change as Asked
from engine.wire import ChangeAnswer


def approve(site: Site, model: str, actor: Actor, asked: Asked) -> ChangeAnswer:
    """Take the step that waits; the evidence is looked at again first."""
    mode = site.model(model).rollout.mode
    if (before := changes.answered(site, model, asked.idempotency_key)) is not None:
        return before
    version = _named(model, asked, "Approving")
    changes.check_expected(site, model, site.ledger.roles(model), asked.expect)
    looked = rollout.look(site, model)
    why = None
    if looked is None or looked.after.version != version:
        running = looked.after.version if looked else "nothing"
        why = f"{running} is being brought in"
    elif mode != "approve":
        why = f'rollout mode is "{mode}", in which nothing waits for a person'
    elif looked.decision.next not in (Next.STEP, Next.PROMOTE):
        why = looked.decision.why
    if why is not None or looked is None:
        raise RefusedError(
            f"Approving {version} of {model}: {why}. Nothing was changed. Look with cdml rollout "
            f"{model}, or promote it by hand: cdml promote {model} {version}.",
            code="nothing_waits",
        )
    return rollout.take(site, model, actor, looked, asked.idempotency_key, asked.reason)


def reject(site: Site, model: str, actor: Actor, asked: Asked) -> ChangeAnswer:
    """Say no to a version: it is stopped, or will not begin; the reason is kept."""
    site.model(model)
    if (before := changes.answered(site, model, asked.idempotency_key)) is not None:
        return before
    version = _named(model, asked, "Rejecting")
    reason = asked.reason.strip()
    if not reason:
        raise InvalidError(
            f"Rejecting {version} of {model}: the reason is missing. Say why with --reason TEXT.",
            code="no_reason",
            field="reason",
        )
    roles, key = site.ledger.roles(model), asked.idempotency_key
    if version in (roles.canary, roles.shadow):
        made = rollout.stop(
            site, model, actor, reason, fence=roles.generation, key=key, action="reject"
        )
        if made is not None:
            return made
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor, "reject", model, now=now, wall=wall, reason=reason, key=key
    ) as change:
        fitness = site.ledger.version(model, version).fitness
        if fitness is not Fitness.BLESSED or change.roles.of(version):
            held = " and ".join(change.roles.of(version))
            raise RefusedError(
                f"Rejecting {version} of {model}: it is {held or fitness.replace('_', ' ')} and "
                f"does not wait to be brought in. Nothing was changed. Look with cdml versions "
                f"{model}.",
                code="nothing_waits",
            )
        change.happened(version, Event.ABORTED)
        said = f"{version} rejected: {reason}"
        made = changes.answer(change, model, change.roles, said, wall, undoable=False)
    site.tell("ACT", "rollout", model, f"{actor}: {said}")
    return made


def _named(model: str, asked: Asked, what: str) -> str:
    if asked.to is None:
        raise InvalidError(
            f"{what} a version of {model}: none was named. Name the one that waits: cdml rollout "
            f"{model}.",
            code="no_version",
            field="to",
        )
    return asked.to
