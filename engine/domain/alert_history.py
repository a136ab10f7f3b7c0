"""Rules tried on the past: the alerts they would have raised, and what their warnings were worth.

A warning is early when a realised number or KPI crossed its limit while it stood or soon after,
late when that had happened already, false when nothing followed, open when it is too soon to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from engine.domain.alerts import RULES, Alert, Finding, judged

Outcome = Literal["breach", "early", "late", "false", "open"]
# What is foretold of one number is no warning of another; anything else warns of all.
_OF_ONE_NUMBER = ("estimated", "forecast")


@dataclass(frozen=True, slots=True)
class Looked:
    """One look of the past: when, who led, what was found."""

    at: datetime
    version: str
    findings: Sequence[Finding]


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert that would have been, what it was worth, and how early a warning came."""

    alert: Alert
    outcome: Outcome
    lead: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Worth:
    """What the alerts of one kind were worth; `lead` is the mean of the early ones.

    People are `told` once of all that only explains. `stood` is the share of looks with any of
    them: what always stands is early every time and warns of nothing.
    """

    kind: str
    raised: int
    told: int
    stood: float
    early: int
    late: int
    false: int
    lead: timedelta | None


def replayed(looks: Sequence[Looked], grace: timedelta) -> list[Raised]:
    """Return the alerts that looks, oldest first, would have raised, oldest first.

    `grace` is how long after its end a warning may still have come true.
    """
    alerts: dict[int, Alert] = {}
    for look in looks:
        standing = [a for a in alerts.values() if a.ended is None]
        for step in judged(standing, look.findings, look.at, look.version):
            number = step.before.number if step.before and step.before.number else len(alerts) + 1
            if step.after is None:
                # Its number stays taken: only what began is returned.
                alerts[number] = replace(alerts[number], ended=look.at)
            else:
                alerts[number] = replace(step.after, number=number)
    begun = [a for a in alerts.values() if a.opened is not None]
    breaches = [a for a in begun if a.rule.fact]
    last = looks[-1].at if looks else None
    return [_worth_of(a, breaches, grace, last) for a in sorted(begun, key=lambda a: a.number)]


def worth(raised: Sequence[Raised], looks: Sequence[Looked]) -> list[Worth]:
    """Add up what was raised in looks by kind, in the order of the rules."""
    found = []
    for kind, rule in RULES.items():
        those = [r for r in raised if r.alert.finding.kind == kind]
        leads = [r.lead for r in those if r.lead is not None]
        if those:
            early, late, false = (
                sum(r.outcome == outcome for r in those) for outcome in ("early", "late", "false")
            )
            mean = sum(leads, timedelta()) / len(leads) if leads else None
            alerts = [r.alert for r in those]
            told = _episodes(alerts) if rule.explains else len(those)
            stood = sum(any(_stood(a, look.at) for a in alerts) for look in looks)
            share = stood / len(looks)
            found.append(Worth(kind, len(those), told, share, early, late, false, mean))
    return found


def _episodes(alerts: Sequence[Alert]) -> int:
    """Count the moments at which one began while none stood."""
    begins = {a.opened for a in alerts if a.opened is not None}
    before = {b: any(_stood(a, b) and a.opened != b for a in alerts) for b in begins}
    return sum(not stood for stood in before.values())


def _stood(alert: Alert, at: datetime) -> bool:
    began = alert.opened or alert.since
    return began <= at and (alert.ended is None or at < alert.ended)


def _worth_of(
    warning: Alert, breaches: Sequence[Alert], grace: timedelta, last: datetime | None
) -> Raised:
    kind, name = warning.key
    if warning.rule.blames:
        return Raised(warning, "breach")
    opened = warning.opened or warning.since
    about = [b for b in breaches if kind not in _OF_ONE_NUMBER or b.key[1] == name]
    if any(b.since <= opened and (b.ended is None or b.ended > opened) for b in about):
        return Raised(warning, "late")
    until = None if warning.ended is None else warning.ended + grace
    after = [b.since for b in about if b.since > opened and (until is None or b.since <= until)]
    if after:
        return Raised(warning, "early", min(after) - opened)
    return Raised(warning, "false" if until and last and until < last else "open")
