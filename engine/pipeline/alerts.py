"""Alerts of a model: what a look found settles them, and each change is told once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from engine.clock import parse_time
from engine.domain.alerts import (
    WITHIN,
    Alert,
    Finding,
    Key,
    Quiet,
    Severity,
    State,
    Step,
    ended,
    judged,
    worst_first,
)
from engine.pipeline import findings, incidents
from engine.pipeline.look import Look
from engine.pipeline.site import Control
from engine.store.scores import Score


def judge(site: Control, look: Look, scores: Sequence[Score]) -> None:
    """Settle the alerts of a model by what a look measured, and tell what is new."""
    settings = site.model(look.model)
    version = site.ledger.version(look.model, look.champion)
    trained_to = parse_time(version.trained_to) if version.trained_to else None
    promised = version.report.value if version.report else None
    cost = findings.cost(settings, scores, promised)
    because = findings.because(settings, scores)
    found = findings.found(settings, scores, trained_to, look.at)
    # A replay's answers are timed on whatever machine replays them.
    if not site.clock.simulated:
        rows, failed = site.serving.tallies(look.model).get(look.champion, (0, 0))
        p95_ms = site.serving.p95_ms(look.model).get(look.champion)
        found += findings.of_serving(settings, rows, failed, p95_ms)
    explained = [replace(f, cost=cost, because=because) for f in found]
    incidents.note(site, look.model, "engine", "evidence", findings.evidence(settings, scores))
    settle(site, look.model, explained, look.champion, look.at)


def settle(site: Control, model: str, found: Iterable[Finding], version: str, at: datetime) -> None:
    """Begin, raise and end alerts by what was found at a moment; tell each change once.

    What was not looked for stays as it is.
    """
    settings = site.model(model)

    def decide(standing: list[Alert], mutes: Mapping[Key, Quiet]) -> list[Step]:
        gone = [a for a in standing if not findings.watched(settings, *a.key)]
        kept = [a for a in standing if a not in gone]
        over = [Step(a, ended(a, at, "no longer watched")) for a in gone]
        return over + judged(kept, found, at, version, mutes)

    steps = site.ledger.alerts.settle(model, at, decide)
    _tell_new(site, model, version)
    _tell_over(site, model, version, [s.after for s in steps if s.after and s.after.ended])


def over(site: Control, model: str, key: Key, why: str) -> None:
    """End the alert of something that no look measures, because it no longer shows; say why."""
    at = site.clock.now()

    def decide(standing: list[Alert], _mutes: Mapping[Key, Quiet]) -> list[Step]:
        return [Step(a, ended(a, at, why)) for a in standing if a.key == key]

    steps = site.ledger.alerts.settle(model, at, decide)
    champion = site.ledger.roles(model).champion or ""
    _tell_over(site, model, champion, [s.after for s in steps if s.after])


def standing(site: Control, model: str) -> list[Alert]:
    """Return the alerts that have begun and are not over, worst first, quieted ones too."""
    return worst_first(a for a in site.ledger.alerts.standing(model) if a.opened is not None)


def said(alerts: Iterable[Alert]) -> str:
    """Say alerts in a line, worst first, of each kind the worst few."""
    kinds: dict[str, list[str]] = {}
    for alert in worst_first(alerts):
        kinds.setdefault(alert.finding.kind, []).append(alert.finding.text)
    parts = []
    for texts in kinds.values():
        more = len(texts) - findings.NAMED
        parts += texts[: findings.NAMED]
        parts[-1] += f" and {more} more" if more > 0 else ""
    return "; ".join(parts)


def _tell_new(site: Control, model: str, version: str) -> None:
    """Tell what people do not know yet; what is critical opens an incident or joins it.

    They count as told only afterwards: told twice is better than never.
    """
    now = site.clock.now()
    stands = standing(site, model)
    untold = [a for a in stands if a.untold(now)]
    known = {a.finding.kind for a in stands if a.told and a.state(now) is State.FIRING}
    fresh = [a for a in untold if not (a.rule.explains and a.finding.kind in known)]
    if fresh:
        _tell(site, model, version, fresh)
    site.ledger.alerts.told(a.number for a in untold)


def _tell(site: Control, model: str, version: str, fresh: Sequence[Alert]) -> None:
    loud = [a for a in fresh if a.severity is Severity.CRIT]
    quiet = [a for a in fresh if a.severity is not Severity.CRIT]
    why = fresh[0].finding.because if loud else ""
    level = Severity.CRIT if loud else Severity.WARN
    site.tell(level.name, "alert", model, said(fresh) + (f". Moved: {why}" if why else ""))
    if loud:
        incidents.opened(site, model, said(loud), version)
    if quiet:
        incidents.note(site, model, "engine", "alert", said(quiet))


def _tell_over(site: Control, model: str, version: str, over: Sequence[Alert]) -> None:
    now = site.clock.now()
    left = standing(site, model)
    kinds = {a.finding.kind for a in left}
    known = [
        a
        for a in over
        if a.told
        and a.version == version  # that another one leads was told already
        and replace(a, ended=None).state(now) is not State.MUTED
        and not (a.rule.explains and a.finding.kind in kinds)
    ]
    if not known:
        return
    whys = sorted({a.why_ended for a in known})
    text = "; ".join(f"{_listed(a for a in known if a.why_ended == why)}: {why}" for why in whys)
    if not left and whys == [WITHIN]:
        text = "all within limits again"
    site.tell("INFO", "alert", model, text)
    incidents.note(site, model, "engine", "evidence", text)


def _listed(those: Iterable[Alert]) -> str:
    names = [called(a) for a in those]
    more = len(names) - findings.NAMED
    return ", ".join(names[: findings.NAMED]) + (f" and {more} more" if more > 0 else "")


def called(alert: Alert) -> str:
    """Return what an alert is about in a few words: a metric or KPI by its name alone."""
    kind, name = alert.key
    plain = findings.plain(name)
    if kind in ("realised", "kpi"):
        return plain
    return kind if plain in kind else f"{kind} {plain}"
