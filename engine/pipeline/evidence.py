"""The evidence of a running rollout: gathered at each look, its path kept, nothing decided.

Pairs, slow answers and routing are measured anew from the prediction log. Errors are counted by the
serving process, which forgets them: what they came to is kept in the ledger.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np

from engine.clock import iso, parse_time
from engine.domain import guardrails
from engine.domain.gates import Verdict
from engine.domain.guardrails import BLOCK, ERRORS, LATENCY, QUALITY, ROUTING, Finding
from engine.domain.roles import Roles
from engine.pipeline.site import Control, Site
from engine.quantities import duration
from engine.settings import RolloutSettings
from engine.stats import influence, outcomes
from engine.stats.sequential import RatioEvidence, mean_bounds, rate_interval
from engine.store import arms, predictions
from engine.wire import Guardrail, Look

LOOKS = 60
Counts = tuple[int, int]


class Kept(msgspec.Struct, frozen=True):
    """What outlives a look and a restart. Pairs count from `began`, the canary's rows from `step`.

    `counting` is when the warm-up was over; `heard` are serving's counts as last taken in; `errors`
    and `slow` are the logs of two e-values, `slow_before` those of the steps before this one.
    `refused` is why the last step could not be taken, so that it is told once.
    """

    version: str
    began: str
    step: str
    generation: int
    counting: str | None = None
    heard: dict[str, Counts] = {}
    errors: tuple[float, ...] = RatioEvidence().logs
    slow: tuple[float, ...] = RatioEvidence().logs
    slow_before: tuple[float, ...] = RatioEvidence().logs
    canary: Counts = (0, 0)
    champion: Counts = (0, 0)
    guardrails: list[Guardrail] = []
    decision: str = ""
    why: str = ""
    waiting: str = ""
    refused: str = ""
    ended: str = ""


def kept(site: Control, model: str) -> Kept | None:
    """Return the evidence of the rollout that runs, or of the last one."""
    text = site.ledger.meta(f"rollout:{model}")
    try:
        return msgspec.json.decode(text, type=Kept) if text else None
    except msgspec.DecodeError:
        return None  # an older cdml kept less: the evidence begins anew


def keep(site: Control, model: str, found: Kept) -> None:
    """Remember the evidence; inside a change it is part of its transaction."""
    site.ledger.set_meta(f"rollout:{model}", msgspec.json.encode(found).decode())


def replaced(site: Control, model: str, before: Kept, after: Kept) -> bool:
    """Remember a look unless the rollout was moved since; say whether it was remembered."""
    key = f"rollout:{model}"
    old, new = (msgspec.json.encode(k).decode() for k in (before, after))
    return site.ledger.swap_meta(key, old, new)


def closed(site: Control, model: str, roles: Roles) -> None:
    """Mark the evidence as that of a rollout that has ended."""
    found = kept(site, model)
    if found is not None and not found.ended:
        how = "promoted" if found.version == roles.champion else "stopped"
        ended = f"{how}, seen {site.moment()[:16]}Z"
        replaced(site, model, found, msgspec.structs.replace(found, ended=ended, waiting=""))


def begun(site: Control, model: str, version: str, generation: int) -> Kept:
    """Begin the evidence of a rollout anew and return it."""
    found = _stepped(site, model, Kept(version, site.moment(), site.moment(), generation))
    keep(site, model, found)
    return found


def stepped(site: Control, model: str, found: Kept, generation: int) -> None:
    """Go on with the evidence at another share: what was shown before still counts."""
    keep(site, model, _stepped(site, model, msgspec.structs.replace(found, generation=generation)))


def _stepped(site: Control, model: str, found: Kept) -> Kept:
    warm = duration(site.model(model).rollout.warm_up) > timedelta()
    return msgspec.structs.replace(
        found,
        step=site.moment(),
        counting=None if warm else iso(site.clock.wall()),
        heard={},
        slow_before=found.slow,
        decision="",
        why="",
        waiting="",
    )


def current(site: Control, model: str, roles: Roles) -> Kept:
    """Return the evidence of the rollout that runs; another version's is no evidence of it."""
    found = kept(site, model)
    version = roles.canary or roles.shadow or ""
    if found is None or found.version != version or found.ended:
        return begun(site, model, version, roles.generation)
    return found


def look(site: Site, model: str, roles: Roles, before: Kept) -> tuple[Kept, list[Finding], int]:
    """Measure every guardrail; return what to keep, what was found, and the phase's rows."""
    settings = site.model(model).rollout
    quality = _quality(site, model, roles, before)
    found, after, n = [quality], before, quality.n
    if roles.canary is not None:
        after = _counted(site, model, roles, before, settings)
        compared, after, n = _compared(site, model, roles, after, settings)
        found += compared
    found = [replace(f, acting=f.guardrail not in settings.observe) for f in found]
    drawn = [_drawn(after, f, site.moment()) for f in found]
    return msgspec.structs.replace(after, guardrails=drawn), found, n


def _quality(site: Site, model: str, roles: Roles, before: Kept) -> Finding:
    """Compare challenger and champion on mature live pairs."""
    settings = site.model(model)
    since = parse_time(before.began)
    until = site.clock.now() - duration(settings.label_maturity)
    pairs = predictions.pairs(site.store, model, roles.champion or "", before.version, since, until)
    manifest = site.artifacts.manifest(site.ledger.version(model, before.version).manifest or "")
    labels = outcomes.codes(settings.task, manifest.classes, outcomes.texts(pairs.labels))
    usable = ~np.isnan(labels)
    gained: Any = influence.improvement(
        settings.metric,
        settings.task,
        labels[usable],
        pairs.champion[usable],
        pairs.shadow[usable],
    )
    alpha, n = settings.rollout.alpha, int(usable.sum())
    bounds, value = None, 0.0
    if gained is not None:
        best_at = max(settings.rollout.shadow.rows, guardrails.MIN_PAIRS)
        bounds = mean_bounds(gained, best_at, alpha, guardrails.level(QUALITY, alpha))
        value = float(np.mean(gained))
    margin = settings.gate.non_inferiority
    return guardrails.quality(settings.metric, n, bounds, value, margin)


def _counted(site: Site, model: str, roles: Roles, before: Kept, settings: RolloutSettings) -> Kept:
    """Take in what serving counted since the last look, once the warm-up is over."""
    tallies = {v: (n, bad) for v, (n, bad) in site.serving.tallies(model).items()}
    if before.counting is None:
        if site.clock.now() - parse_time(before.step) < duration(settings.warm_up):
            return before
        return msgspec.structs.replace(before, counting=iso(site.clock.wall()), heard=tallies)
    canary = since_heard(before.heard, tallies, roles.canary)
    champion = since_heard(before.heard, tallies, roles.champion)
    if canary[0] + champion[0] < BLOCK:
        return before
    return msgspec.structs.replace(
        before,
        heard=tallies,
        errors=RatioEvidence(before.errors).after_rows(canary, champion).logs,
        canary=_sum(before.canary, canary),
        champion=_sum(before.champion, champion),
    )


def since_heard(heard: dict[str, Counts], now: dict[str, Counts], version: str | None) -> Counts:
    """Return rows asked of a version and those it failed, since they were last taken in.

    Counts that went down are those of a serving process that began anew.
    """
    answered, failed = now.get(version or "", (0, 0))
    before = heard.get(version or "", (0, 0))
    if answered < before[0] or failed < before[1]:
        before = (0, 0)
    new = failed - before[1]
    return answered - before[0] + new, new


def _compared(
    site: Site, model: str, roles: Roles, after: Kept, settings: RolloutSettings
) -> tuple[list[Finding], Kept, int]:
    """Judge errors, latency and routing of the two arms; return also the canary's rows."""
    if after.counting is None:
        warming = [
            Finding(name, Verdict.INCONCLUSIVE, 0, f"{name}: warming up, {settings.warm_up}")
            for name in (ERRORS, LATENCY, ROUTING)
        ]
        return warming, after, 0
    window = arms.Window(
        model,
        roles.champion or "",
        roles.canary or "",
        after.generation,
        parse_time(after.counting),
    )
    seen = arms.read(site.store, window, settings.unit, settings.slow_ms, BLOCK)
    slow = RatioEvidence(after.slow_before)
    for canary, champion in seen.blocks:
        slow = slow.after_rows(canary, champion)
    after = msgspec.structs.replace(after, slow=slow.logs)
    alpha = settings.alpha
    interval = rate_interval(seen.canary_units, seen.units, guardrails.level(ROUTING, alpha))
    errors = RatioEvidence(after.errors).log_e
    found = [
        guardrails.compared(ERRORS, errors, after.canary, after.champion, alpha),
        guardrails.compared(
            LATENCY,
            slow.log_e,
            _total(b[0] for b in seen.blocks),
            _total(b[1] for b in seen.blocks),
            alpha,
        ),
        guardrails.routing(seen.units, seen.canary_units, interval, roles.canary_share_pct / 100.0),
    ]
    return found, after, seen.rows


def _drawn(before: Kept, found: Finding, time: str) -> Guardrail:
    """Add a look to a guardrail's path, where there was anything new to see."""
    looks = next((g.looks for g in before.guardrails if g.name == found.guardrail), [])
    if found.value is not None and (not looks or looks[-1].n != found.n):
        looks = [*looks, Look(time, found.n, found.value, found.low, found.high)]
    if len(looks) > LOOKS:
        looks = [*looks[:-1:2], looks[-1]]
    return Guardrail(
        found.guardrail,  # type: ignore[arg-type]
        found.acting,
        found.verdict.value,
        found.n,
        found.text,
        found.value,
        found.low,
        found.high,
        found.boundary,
        looks,
    )


def _sum(a: Counts, b: Counts) -> Counts:
    return a[0] + b[0], a[1] + b[1]


def _total(counts: Any) -> Counts:
    total = (0, 0)
    for one in counts:
        total = _sum(total, one)
    return total
