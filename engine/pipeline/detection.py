"""How long a canary would hide a fault: told before it starts, because a thin one sees nothing."""

import math

from engine.domain import guardrails, rollouts
from engine.pipeline.site import Site
from engine.stats.sequential import rows_to_detect
from engine.store import arms
from engine.wire import RolloutStep


def steps(site: Site, model: str, now_pct: float) -> list[RolloutStep]:
    """Return the plan of a rollout, each canary step with its time to detect."""
    settings = site.model(model).rollout
    shares = [*settings.canary, now_pct]
    plan = rollouts.phases(settings.shadow.rows, shares, settings.step_rows)
    return [step(site, model, phase.share_pct, phase.rows) for phase in plan]


def step(site: Site, model: str, share_pct: float, rows: int) -> RolloutStep:
    """Return a step with the rows, and the minutes at the last day's pace, that show more errors.

    None for the shadow, whose answers nobody gets; no minutes while nobody asks.
    """
    if share_pct == 0.0:
        return RolloutStep(share_pct, rows, None, None)
    level = guardrails.level(guardrails.ERRORS, site.model(model).rollout.alpha)
    needed = math.ceil(rows_to_detect(share_pct / 100.0, *guardrails.NOTABLE, level))
    pace = arms.rows_per_minute(site.store, model, site.clock.now())
    return RolloutStep(share_pct, rows, needed, round(needed / pace, 1) if pace else None)


def said(found: RolloutStep) -> str:
    """Say a canary step's time to detect in words."""
    before, after = (f"{100 * rate:g} %" for rate in guardrails.NOTABLE)
    when = "nobody asks at present"
    if found.detect_minutes is not None:
        when = f"{found.detect_minutes:,.0f} minutes at the pace of the last day"
    return (
        f"at {found.share_pct:g} % errors that rise from {before} to {after} show after about "
        f"{found.detect_rows or 0:,} rows ({when})"
    )
