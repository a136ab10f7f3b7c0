"""Requests and their idempotency keys: the same key is the same request, and no other."""

import msgspec

from engine.domain.locks import EVERYWHERE
from engine.errors import ConflictError, InvalidError
from engine.ledger.change import Actor
from engine.pipeline.site import Control
from engine.wire import JobRow, RunRequest

LONGEST = 200
# What a request may be written down as, where that is not its own name.
_DONE_AS = {"approve": ("canary", "promote")}


def check_key(site: Control, verb: str, model: str, key: str, to: str | None = None) -> None:
    """Raise where a key is none, or was used for another request than this one."""
    where = "the whole engine" if model == EVERYWHERE else model
    if not key.strip() or len(key) > LONGEST:
        raise InvalidError(
            f"Asking for {verb} of {where}: the idempotency key is "
            f"{'longer than 200 characters' if key.strip() else 'empty'}, so a repetition could "
            "not be recognised. Nothing was changed. Send a fresh one with each request.",
            code="no_key",
            field="idempotency_key",
        )
    first = site.ledger.first_use(key)
    if first is None:
        return
    same = first.model == model and first.action in _DONE_AS.get(verb, (verb,))
    moved = first.action in ("promote", "rollback")
    if not same or (moved and to is not None and first.to_version != to):
        went = f" {first.to_version}" if first.action == "promote" else ""
        raise ConflictError(
            f'Asking for {verb} of {where} by the key "{key}": it was used for another request, '
            f"{first.action}{went} of {first.model} by {first.actor} at {first.wall[:19]}Z (audit "
            f"{first.seq}). Nothing was changed. Send a fresh key with each request.",
            code="key_reused",
            field="idempotency_key",
        )


def run_of(site: Control, key: str) -> str | None:
    """Return the run that a key asked for before, or None."""
    found = site.ledger.answered(key)
    return None if found is None else msgspec.convert(found, type=JobRow).id


def record_run(site: Control, actor: Actor, asked: RunRequest, row: JobRow) -> None:
    """Write into the audit who asked for a run, and keep the run for whoever asks again."""
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor, row.job, row.model, now=now, wall=wall, reason=asked.reason,
        key=asked.idempotency_key,
    ) as change:  # fmt: skip
        change.answer = row
        change.detail["run"] = row.id
