"""Signs of an attack that stand: told once, with an incident and a plan, until they end.

Nothing here acts: what to do is a person's to decide. Text of clients is made inert.
"""

import msgspec

from engine.domain.alerts import Finding
from engine.domain.attacks import Kind
from engine.ledger.incidents import inert
from engine.pipeline import alerts, incidents
from engine.pipeline.site import Control

# Of one kind: more at once are one event, and must not keep another kind from being told.
MOST = 20
NAMED = 64
# All clients that sent few rows, as one: a copier may take a new name for each request.
FEW = "\0few"


class Sign(msgspec.Struct, frozen=True):
    """One sign: what, of whom, rows of which interval, of how many rows, when last seen."""

    kind: Kind
    subject: str
    since: str
    until: str
    n: int
    said: str
    seen: str


def standing(site: Control, model: str) -> list[Sign]:
    """Return the signs that stand, oldest first."""
    known = site.ledger.meta(_key(model))
    return msgspec.json.decode(known, type=list[Sign]) if known else []


def keep(site: Control, model: str, sign: Sign, plan: str) -> None:
    """Remember a sign; when it begins it is an alert, with an incident that names the plan."""
    with site.signing:
        before = standing(site, model)
        others = [s for s in before if (s.kind, s.subject) != (sign.kind, sign.subject)]
        fresh = len(others) == len(before)
        if fresh and sum(s.kind is sign.kind for s in others) >= MOST:
            return
        if not fresh:
            since = next(s.since for s in before if s not in others)
            sign = msgspec.structs.replace(sign, since=min(since, sign.since))
        _put(site, model, [*others, sign])
    if fresh:
        found = Finding("attack", _name(sign.kind, sign.subject), 1.0, 0.0, sign.n, sign.said)
        champion = site.ledger.roles(model).champion or ""
        alerts.settle(site, model, [found], champion, site.clock.now())
        incidents.note(site, model, "engine", "evidence", f"Plan: {plan}")


def end(site: Control, model: str, kind: Kind, subject: str, why: str) -> None:
    """Forget a sign that no longer shows, and say so."""
    with site.signing:
        before = standing(site, model)
        left = [s for s in before if (s.kind, s.subject) != (kind, subject)]
        if len(left) == len(before):
            return
        _put(site, model, left)
    alerts.over(site, model, ("attack", _name(kind, subject)), f"no longer: {why}")


def _name(kind: Kind, subject: str) -> str:
    return f"{kind.value} by {shown(subject)}"


def suspected(site: Control, model: str) -> tuple[str, str] | None:
    """Return the interval of rows that standing signs cast doubt on, or None.

    Questions alone leave the rows as they are: those of skewed labels count.
    """
    found = [s for s in standing(site, model) if s.kind is Kind.LABELS]
    return (min(s.since for s in found), max(s.until for s in found)) if found else None


def shown(subject: str) -> str:
    """Return a client's own name for itself as it may be shown: one line, bounded, in quotes."""
    if subject == FEW:
        return "(all of few rows)"
    name = inert(subject)[:NAMED]
    return f'"{name}"' if name else "(none)"


def rollback_plan(model: str, since: str, until: str) -> str:
    """Return the commands that leave an attacked version and distrust its rows."""
    return (
        f"cdml rollback {model} --attack (the version left is tainted), then "
        f"cdml taint {model} --from {since} --to {until}"
    )


def _put(site: Control, model: str, found: list[Sign]) -> None:
    site.ledger.set_meta(_key(model), msgspec.json.encode(found).decode())


def _key(model: str) -> str:
    return f"signs:{model}"
