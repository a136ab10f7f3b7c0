"""Bringing a challenger in: its phases, and what the evidence of a phase allows next."""

from dataclasses import dataclass
from enum import StrEnum

from engine.domain.gates import Verdict


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of a rollout; a share of 0 is the shadow."""

    share_pct: float
    rows: int


class Next(StrEnum):
    """What happens to a rollout now."""

    WAIT = "wait"
    STEP = "step"
    PROMOTE = "promote"
    ABORT = "abort"


def phases(shadow_rows: int, canary: list[float]) -> list[Phase]:
    """Return the phases in order; each canary step asks for as many rows as the shadow."""
    return [Phase(0.0, shadow_rows), *(Phase(share, shadow_rows) for share in canary)]


def phase_at(plan: list[Phase], share_pct: float) -> int:
    """Return which phase a share belongs to."""
    return max(at for at, phase in enumerate(plan) if phase.share_pct <= share_pct)


def judged(plan: list[Phase], at: int, *, n: int, verdict: Verdict, harmful: bool) -> Next:
    """Decide after `n` rows of a phase; `harmful` is a guardrail's alarm and needs no n.

    A phase that stays inconclusive for four times its rows is given up: the version stays blessed
    evidence, but nothing shows that it may lead.
    """
    after = Next.PROMOTE if at == len(plan) - 1 else Next.STEP
    if harmful:
        return Next.ABORT
    if n < plan[at].rows:
        return Next.WAIT
    if verdict is Verdict.FAIL:
        return Next.ABORT
    if plan[at].rows == 0:
        return after  # the policy asks for no rows: the gate's word is enough
    if verdict is Verdict.INCONCLUSIVE:
        return Next.ABORT if n >= 4 * plan[at].rows else Next.WAIT
    return after
