"""A rollout as people are shown it: the evidence against its boundaries, the decision, the plan."""

from engine.pipeline import detection, evidence
from engine.pipeline.site import Site
from engine.wire import RolloutPage


def page(site: Site, model: str) -> RolloutPage:
    """Return the rollout that runs, or how the last one ended."""
    settings = site.model(model).rollout
    roles = site.ledger.roles(model)
    running = roles.canary or roles.shadow
    kept = evidence.kept(site, model)
    if kept is not None and running is not None and kept.version != running:
        kept = None  # the first look at this one is still to come
    phase = "canary" if roles.canary else "shadow" if running else "none"
    ended = ""
    if kept is not None and running is None:
        ended = kept.ended or ("promoted" if kept.version == roles.champion else "stopped")
    return RolloutPage(
        model=model,
        mode=settings.mode,
        phase=phase,  # type: ignore[arg-type]
        version=running or (kept.version if kept else None),
        champion=roles.champion,
        share_pct=roles.canary_share_pct,
        since=kept.step if kept else None,
        decision=kept.decision if kept else "",
        why=kept.why if kept else "",
        waiting=kept.waiting if kept and running else "",
        ended=ended,
        guardrails=kept.guardrails if kept else [],
        plan=detection.steps(site, model, roles.canary_share_pct),
    )


def summary(site: Site, model: str) -> str:
    """Return the running rollout in half a line; empty where none runs."""
    roles = site.ledger.roles(model)
    version = roles.canary or roles.shadow
    if version is None:
        return ""
    share = f"canary {roles.canary_share_pct:g} %" if roles.canary else "shadow"
    return f"{version} {share}{waits(site, model, version)}"


def waits(site: Site, model: str, version: str) -> str:
    """Say that a version waits for a person, as it follows its state; empty where it does not."""
    kept = evidence.kept(site, model)
    waiting = kept is not None and kept.version == version and not kept.ended and kept.waiting
    return ", waits for approval" if waiting else ""
