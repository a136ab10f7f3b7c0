"""Alerts: what a look found begins, raises and ends them; a person quiets them. One table of rules.

An alert begins on effect, evidence and patience together: the number is beyond its limit, surely,
so many looks in a row. It ends when the number is surely within its limit again, or for two looks
in a row, or when nobody watches it any more. A look without evidence begins nothing, ends nothing.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum, StrEnum

Key = tuple[str, str]  # kind and name


class Severity(IntEnum):
    """How loud an alert is; CRIT opens an incident."""

    WARN = 1
    CRIT = 2


class State(StrEnum):
    """What an alert is now. Pending is not an alert yet: patience runs."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    MUTED = "muted"
    ENDED = "ended"


class Standing(StrEnum):
    """What one look says of a number. Unsure is beyond the limit, but not surely."""

    BEYOND = "beyond"
    UNSURE = "unsure"
    WITHIN = "within"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rule:
    """How findings of a kind become an alert.

    `fact` is what was realised: true of its window, sure or not, so that evidence decides only how
    loud it is. `outlives` is of all answers that clients got: a new champion does not end it. What
    only `explains` is told once for all of its kind.
    """

    severity: Severity = Severity.WARN
    patience: int = 1
    fact: bool = False
    outlives: bool = False
    explains: bool = False

    @property
    def blames(self) -> bool:
        """Say whether the version itself is at fault: what it is told of has not proven itself."""
        return self.severity is Severity.CRIT


# In the order in which they are told: what harms first, then what warns of it, then what explains.
RULES: dict[str, Rule] = {
    "realised": Rule(Severity.CRIT, fact=True, outlives=True),
    "kpi": Rule(Severity.CRIT, fact=True, outlives=True),
    "slice": Rule(Severity.CRIT, patience=2),  # one bad day of a small slice wakes nobody
    "errors": Rule(Severity.CRIT, outlives=True),
    "losses": Rule(Severity.CRIT),  # row by row, before the next look at a window
    "attack": Rule(Severity.CRIT, outlives=True),
    "latency": Rule(outlives=True),
    "calibration": Rule(),
    "estimated": Rule(),
    "forecast": Rule(),  # a prophecy is no outage: it never opens an incident
    "detector": Rule(),
    "score drift": Rule(),
    "label drift": Rule(),
    "drift": Rule(explains=True),
    "slice drift": Rule(patience=2, explains=True),
    "quality": Rule(),
    "quarantine": Rule(outlives=True),
    "stale": Rule(),
}
WITHIN = "within its limit again"
# Looks in a row within the limit that end what is not surely within it.
CALM = 2
_ORDER = {kind: place for place, kind in enumerate(RULES)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One watched number of one look against its limit, and what explains it.

    `above` says on which side of the limit it is bad. Evidence is an e-value and the boundary it
    must reach, the interval low to high, or `judged`, a test's own verdict; with none of them the
    effect alone decides.
    """

    kind: str
    name: str
    value: float | None
    limit: float
    n: int
    text: str
    above: bool = True
    low: float | None = None
    high: float | None = None
    evidence: float | None = None
    boundary: float | None = None
    judged: bool | None = None
    cost: str = ""
    because: str = ""

    @property
    def key(self) -> Key:
        """Return what it is about."""
        return self.kind, self.name

    @property
    def rule(self) -> Rule:
        """Return the rule of its kind; KeyError for a kind that nobody declared."""
        return RULES[self.kind]

    @property
    def sure(self) -> bool:
        """Say whether it is surely beyond the limit, as far as anything was measured."""
        if self.judged is not None:
            return self.judged
        if self.boundary is not None:
            return self.evidence is not None and self.evidence >= self.boundary
        near = self.low if self.above else self.high
        return near is None or self._beyond(near)

    @property
    def surely_within(self) -> bool:
        """Say whether all of its interval is within the limit."""
        far = self.high if self.above else self.low
        return far is not None and not self._beyond(far)

    @property
    def standing(self) -> Standing:
        """Return what it says of its number."""
        if self.value is None or math.isnan(self.value):
            return Standing.UNKNOWN
        if not self._beyond(self.value):
            return Standing.WITHIN
        return Standing.BEYOND if self.sure or self.rule.fact else Standing.UNSURE

    @property
    def excess(self) -> float:
        """Return how far beyond its limit it is, in limits; for ranking only."""
        if self.standing in (Standing.UNKNOWN, Standing.WITHIN) or self.value is None:
            return 0.0
        return abs(self.value - self.limit) / max(abs(self.limit), 1e-12)

    def _beyond(self, value: float) -> bool:
        return value > self.limit if self.above else value < self.limit


@dataclass(frozen=True, slots=True)
class Quiet:
    """Who quieted an alert, when and why; a mute ends by its time."""

    by: str
    at: datetime
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a model: what was last found, since when, how often; 0 has no number yet.

    `since` is the first look beyond the limit, `opened` the one that made it an alert, `seen` the
    last one that had a number. `calm` counts the looks within the limit since the last one beyond,
    `told` is the severity that people know of.
    """

    version: str
    severity: Severity
    since: datetime
    seen: datetime
    looks: int
    finding: Finding
    number: int = 0
    opened: datetime | None = None
    ended: datetime | None = None
    why_ended: str = ""
    told: Severity | None = None
    acked: Quiet | None = None
    muted: Quiet | None = None
    calm: int = 0

    @property
    def key(self) -> Key:
        """Return what it is about."""
        return self.finding.key

    @property
    def rule(self) -> Rule:
        """Return the rule of its kind."""
        return self.finding.rule

    def state(self, now: datetime) -> State:
        """Return what it is at a moment; a mute is stronger than an acknowledgement."""
        if self.ended is not None:
            return State.ENDED
        if self.opened is None:
            return State.PENDING
        if self.muted is not None and self.muted.until is not None and now < self.muted.until:
            return State.MUTED
        return State.ACKNOWLEDGED if self.acked is not None else State.FIRING

    def untold(self, now: datetime) -> bool:
        """Say whether people are to be told: of its beginning, or that it grew worse."""
        return self.state(now) is State.FIRING and (self.told is None or self.severity > self.told)


@dataclass(frozen=True, slots=True)
class Step:
    """How one alert changed in a look; without `after` it never became one and is forgotten."""

    before: Alert | None
    after: Alert | None

    @property
    def ended(self) -> bool:
        """Say whether an alert that had begun is over."""
        return self.after is not None and self.after.ended is not None


def judged(
    standing: Iterable[Alert],
    findings: Iterable[Finding],
    at: datetime,
    version: str,
    mutes: Mapping[Key, Quiet] | None = None,
) -> list[Step]:
    """Return what a look changes of the alerts that stand.

    `mutes` are those of ended alerts whose time is not over: they hold for a successor as well.
    """
    found = {finding.key: finding for finding in findings}
    steps: list[Step] = []
    kept: dict[Key, Alert] = {}
    for alert in standing:
        if alert.version == version or alert.rule.outlives:
            kept[alert.key] = alert
        else:
            steps.append(Step(alert, ended(alert, at, f"{alert.version} no longer leads")))
    for key, finding in found.items():
        step = _step(kept.get(key), finding, at, version, (mutes or {}).get(key))
        if step is not None:
            kept.pop(key, None)
            steps.append(step)
    # What was neither found again nor ended goes on with whoever leads now.
    return steps + [
        Step(alert, replace(alert, version=version))
        for alert in kept.values()
        if alert.version != version
    ]


def _step(
    before: Alert | None, finding: Finding, at: datetime, version: str, mute: Quiet | None
) -> Step | None:
    says = finding.standing
    if says is Standing.BEYOND:
        return Step(before, _beyond(before, finding, at, version, mute))
    if before is None or says is Standing.UNKNOWN:
        return None
    if before.opened is None:
        return Step(before, None)  # in a row means surely in a row
    # The same look once more is no second look.
    calm = before.calm + (at > before.seen) if says is Standing.WITHIN else 0
    if says is Standing.WITHIN and (finding.surely_within or calm >= CALM):
        return Step(before, ended(before, at, WITHIN))
    return Step(before, replace(before, version=version, calm=calm, seen=max(at, before.seen)))


def _beyond(
    before: Alert | None, finding: Finding, at: datetime, version: str, mute: Quiet | None
) -> Alert:
    rule = finding.rule
    if before is None:
        before = Alert(version, Severity.WARN, at, at, 0, finding, muted=mute)
    looks = before.looks + 1 if at > before.seen or not before.looks else before.looks
    loud = rule.severity if finding.sure or looks > rule.patience else Severity.WARN
    severity = max(loud, before.severity) if before.opened else loud
    opened = before.opened or (at if looks >= rule.patience else None)
    return replace(
        before,
        version=version,
        severity=severity,
        seen=max(at, before.seen),
        looks=looks,
        finding=finding,
        opened=opened,
        calm=0,
        acked=None if severity > before.severity else before.acked,
    )


def ended(alert: Alert, at: datetime, why: str) -> Alert | None:
    """Return an alert as it is over; None for one that never began."""
    return None if alert.opened is None else replace(alert, ended=at, why_ended=why)


def worst_first(alerts: Iterable[Alert]) -> list[Alert]:
    """Sort alerts: loudest, then what harms most, then what is furthest beyond its limit."""
    return sorted(
        alerts, key=lambda a: (-a.severity, _ORDER[a.finding.kind], -a.finding.excess, a.key)
    )
