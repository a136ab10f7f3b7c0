"""Former versions looked at again: what was rejected or superseded may fit today's rows better.

A few at each validation, on the very rows that the candidate is judged on. What was left by a
rollback, stopped by a person or is tainted stays away until a person asks.
"""

from engine.clock import parse_time
from engine.domain.lifecycle import Fitness
from engine.ledger.ledger import Version
from engine.pipeline import taints
from engine.pipeline.measurement import ValidateResult
from engine.pipeline.scoring import ValidateInputs
from engine.pipeline.site import Site
from engine.store import scores
from engine.store.scores import Score

KIND = "recalled"
MOST = 6
BEST = 2
ELIGIBLE = {
    Fitness.REJECTED,
    Fitness.INCONCLUSIVE,
    Fitness.ABORTED,
    Fitness.BLESSED,
    Fitness.PROVEN,
}


def formers(site: Site, model: str, candidate: str) -> list[Version]:
    """Return the versions to look at again: the best when last seen, then those longest not seen.

    None while a rollout runs: it would have to give way to what nobody trained for today.
    """
    roles = site.ledger.roles(model)
    if roles.shadow or roles.canary:
        return []
    stopped = _stopped(site, model)
    found = [
        v
        for v in site.ledger.versions(model)
        if v.fitness in ELIGIBLE
        and not (v.fitness is Fitness.ABORTED and v.version in stopped)
        and v.manifest
        and v.version not in (candidate, roles.champion)
        and not v.safe_mode
        and taints.of_version(site, model, v.version) is None
    ]
    seen = {s.version: s for s in scores.latest(site.store, model, KIND)}

    def gain(version: Version) -> float:
        last = seen.get(version.version)
        return last.value if last and last.value is not None else float("-inf")

    def looked_at(version: Version) -> str:
        last = seen.get(version.version)
        return last.window_to.isoformat() if last else ""

    best = sorted((v for v in found if v.version in seen), key=gain, reverse=True)[:BEST]
    others = sorted((v for v in found if v not in best), key=looked_at)
    return [*best, *others][:MOST]


def _stopped(site: Site, model: str) -> set[str]:
    """Return the versions that a person, not a guardrail, was the last to stop."""
    by: dict[str, str] = {}
    for entry in site.ledger.entries():
        if entry.model == model:
            for version, (_, after) in entry.detail["fitness"].items():
                if after == Fitness.ABORTED.value:
                    by[version] = entry.detail["actor"]["kind"]
    return {version for version, kind in by.items() if kind == "human"}


def keep(site: Site, model: str, inputs: ValidateInputs, found: ValidateResult) -> None:
    """Store how each version that was looked at again did against the champion."""
    span = parse_time(inputs.since), parse_time(inputs.until)
    champion = site.ledger.roles(model).champion
    scores.put(
        site.store,
        [
            Score(model, name, KIND, inputs.metric, *span, c.value, c.n, c.low, c.high, champion)
            for name, c in found.recalled.items()
        ],
        site.clock.now(),
    )


def fitting(
    site: Site, model: str, inputs: ValidateInputs, found: ValidateResult
) -> tuple[str, str] | None:
    """Return the version that surely beats the champion today, and the reason, or None."""
    better = {n: c for n, c in found.recalled.items() if c.low is not None and c.low > 0.0}
    if not better:
        return None
    name = max(better, key=lambda n: better[n].value or 0.0)
    one, champion = better[name], site.ledger.roles(model).champion
    return name, (
        f"on rows of {inputs.since[:10]}..{inputs.until[:10]} it is better than {champion} by "
        f"{one.value:+.4f} {inputs.metric} [{one.low:+.4f}, {one.high:+.4f}], n {one.n}"
    )
