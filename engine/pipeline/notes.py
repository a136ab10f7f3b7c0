"""Saying afterwards why the last change of a model was made: an audit entry that moves nothing."""

from engine.errors import InvalidError
from engine.ledger.change import Actor
from engine.pipeline import changes
from engine.pipeline.site import Control
from engine.wire import Change as Asked
from engine.wire import ChangeAnswer


def note(site: Control, model: str, actor: Actor, asked: Asked) -> ChangeAnswer:
    """Write down a reason; the model's open incident gathers it too."""
    site.model(model)
    if (before := changes.answered(site, model, asked.idempotency_key)) is not None:
        return before
    said = " ".join(asked.reason.split())
    if not said:
        raise InvalidError(
            f"Noting why on the last change of {model}: the note is empty. Say why with "
            "--reason TEXT.",
            code="empty_note",
            field="reason",
        )
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor, "note", model, now=now, wall=wall, reason=said, key=asked.idempotency_key
    ) as change:
        last = site.ledger.last_change(model)
        about = f"{last.action} of audit {last.seq}" if last else "no change yet"
        if last is not None:
            change.detail["about"] = last.seq
        roles = change.roles
        change.answer = ChangeAnswer(
            model=model,
            from_=roles.champion,
            to=roles.champion,
            generation=roles.generation,
            audit_seq=change.seq,
            changed=False,
            message=f"noted on {about}",
        )
    site.tell("ACT", "note", model, f"{actor} noted on {about}: {said[:200]}")
    return change.answer  # type: ignore[no-any-return]
