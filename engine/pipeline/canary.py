"""Canaries by hand: begun or given more, stopped, or promoted at once because the champion is sick.

Four verbs, never mixed: abort stops canary and shadow, rollback takes the champion back,
roll-through promotes the canary, undo takes back the last change.
"""

import msgspec

from engine.errors import ConflictError, InvalidError, RefusedError, UnavailableError
from engine.ledger.change import Actor
from engine.pipeline import changes, rollout, taints
from engine.pipeline.promote import GREEN, promote
from engine.pipeline.site import Site
from engine.settings import RolloutSettings
from engine.settings_rules import between
from engine.wire import Change as Asked
from engine.wire import ChangeAnswer

FIRST_PCT = 10.0


def canary(site: Site, model: str, actor: Actor, asked: Asked) -> ChangeAnswer:
    """Have a version answer a share: the one named, or the next step of the policy."""
    settings = site.model(model).rollout
    if (before := changes.answered(site, model, asked.idempotency_key)) is not None:
        return before
    version = _named(asked, f"Beginning a canary of {model}")
    roles = site.ledger.roles(model)
    changes.check_expected(site, model, roles, asked.expect)
    _check(site, model, version)
    running = roles.canary or roles.shadow
    if running not in (None, version):
        raise ConflictError(
            f"Beginning a canary of {version} of {model}: {running} is being brought in. Nothing "
            f"was changed. Stop it first with cdml abort {model}.",
            code="conflict",
        )
    share = asked.share_pct
    if share is None:
        share = _next_share(settings, roles.canary_share_pct)
    between("share", share, 1, 99)
    if (roles.canary, roles.canary_share_pct) == (version, share):
        return changes.unchanged(site, model, f"{version} answers {share:g} % already")
    found = msgspec.structs.replace(asked, share_pct=share, reason=asked.reason or "by hand")
    return rollout.share(site, model, actor, found, fence=roles.generation)


def _named(asked: Asked, what: str) -> str:
    if asked.to is None:
        raise InvalidError(
            f"{what}: no version was named. Name one of cdml versions.", code="no_version",
            field="to",
        )  # fmt: skip
    return asked.to


def _check(site: Site, model: str, version: str) -> None:
    """Raise unless clients may be given this version's answers beside those of a champion."""
    what = f"Beginning a canary of {version} of {model}"
    champion = site.ledger.roles(model).champion
    found = site.ledger.version(model, version)
    if champion is None or champion == version:
        stands = "there is no champion" if champion is None else "it is the champion"
        raise RefusedError(
            f"{what}: {stands}, so there are no two to compare. Nothing was changed. Use cdml "
            f"promote {model} VERSION, or name another version.",
            code="nothing_to_compare",
        )
    taints.check(site, found, "Take")
    if found.fitness not in GREEN:
        why = found.report.reasons[0] if found.report and found.report.reasons else "no gate passed"
        raise RefusedError(
            f"{what}: it is {found.fitness.replace('_', ' ')} ({why}). Nothing was changed. Take a "
            f"version that passed its gate: cdml versions {model}.",
            code="gate_not_passed",
        )
    if not (found.manifest and site.artifacts.intact(found.manifest)):
        raise UnavailableError(
            f"{what}: its files are damaged or gone. Nothing was changed. Restore them from a "
            "backup, or take another version.",
            code="artifact_missing",
        )


def _next_share(settings: RolloutSettings, now: float) -> float:
    return next((s for s in settings.canary if s > now), max(now, FIRST_PCT))


def abort(site: Site, model: str, actor: Actor, asked: Asked) -> ChangeAnswer:
    """Stop canary and shadow, in every state and under every lock; the champion stays."""
    site.model(model)
    if (before := changes.answered(site, model, asked.idempotency_key)) is not None:
        return before
    roles = site.ledger.roles(model)
    changes.check_expected(site, model, roles, asked.expect)
    running = roles.canary or roles.shadow
    if running is not None and asked.to not in (None, running):
        raise ConflictError(
            f"Stopping {asked.to} of {model}: {running} runs, not that one. Nothing was changed. "
            "Look again and repeat if you still want it.",
            code="conflict",
        )
    reason = asked.reason or f"by {actor}"
    made = rollout.stop(site, model, actor, reason, key=asked.idempotency_key)
    return made or changes.unchanged(site, model, "no canary and no shadow runs")


def roll_through(site: Site, model: str, actor: Actor, asked: Asked) -> ChangeAnswer:
    """Promote the canary now, before its evidence is in, because the champion is sick."""
    site.model(model)
    if (before := changes.answered(site, model, asked.idempotency_key)) is not None:
        return before
    what = f"Rolling {model} through to its canary"
    if not asked.reason.strip():
        raise InvalidError(
            f"{what}: the reason is missing, and this skips the rest of its evidence. Say why with "
            "--reason TEXT.",
            code="no_reason",
            field="reason",
        )
    roles = site.ledger.roles(model)
    if roles.canary is None:
        raise RefusedError(
            f"{what}: there is none. Nothing was changed. Use cdml rollback {model} to go back, or "
            f"cdml promote {model} VERSION.",
            code="no_canary",
        )
    spite = [*asked.override, roles.canary]
    found = msgspec.structs.replace(asked, to=roles.canary, override=spite)
    return promote(site, model, actor, found, fence=roles.generation, action="roll-through")
