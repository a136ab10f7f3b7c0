"""What promote, rollback, undo and the locks share: idempotency, expectation, the answer."""

from datetime import datetime, timedelta

import msgspec

from engine.clock import iso
from engine.domain.roles import Roles
from engine.errors import ConflictError
from engine.ledger.change import Change
from engine.pipeline.site import Control
from engine.wire import ChangeAnswer

UNDO_FOR = timedelta(seconds=60)


def answered(site: Control, model: str, key: str | None) -> ChangeAnswer | None:
    """Return the answer an idempotency key was given before, once serving confirms it."""
    found = site.ledger.answered(key) if key else None
    if found is None:
        return None
    site.confirm(model)
    return msgspec.convert(found, type=ChangeAnswer)


def check_expected(site: Control, model: str, roles: Roles, expect: str | None) -> None:
    """Raise ConflictError where the champion is not the one the caller believes in."""
    if expect is None or expect == roles.champion:
        return
    last = site.ledger.last_move(model)
    who = f", by {last.actor} ({last.action} at {last.wall[:19]}Z)" if last else ""
    raise ConflictError(
        f"Changing {model}: you expected champion {expect}, it is {roles.champion or 'none'}"
        f"{who}. Nothing was changed. Look again and repeat if you still want it.",
        code="conflict",
        field="expect",
    )


def answer(
    change: Change, model: str, before: Roles, message: str, wall: datetime, *, undoable: bool
) -> ChangeAnswer:
    """Make the answer of a change that happened, and keep it for whoever asks again."""
    made = ChangeAnswer(
        model=model,
        from_=before.champion,
        to=change.roles.champion,
        generation=change.roles.generation,
        audit_seq=change.seq,
        changed=True,
        message=message,
        undo_until=iso(wall + UNDO_FOR) if undoable else None,
    )
    change.answer = made
    change.detail["undoable"] = undoable
    return made


def unchanged(site: Control, model: str, message: str) -> ChangeAnswer:
    """Make the answer where the world was so already."""
    roles = site.ledger.roles(model)
    last = site.ledger.last_change(model)
    return ChangeAnswer(
        model=model,
        from_=roles.champion,
        to=roles.champion,
        generation=roles.generation,
        audit_seq=last.seq if last else 0,
        changed=False,
        message=message,
    )
