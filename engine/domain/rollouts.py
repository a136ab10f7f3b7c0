"""Bringing a challenger in: its phases, and what the evidence of a phase allows next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from engine.domain.gates import Verdict
from engine.domain.guardrails import ERRORS, LATENCY, MIN_PAIRS, QUALITY, ROUTING, Finding

PATIENCE = 4  # times its rows that a shadow may take to show something


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of a rollout; a share of 0 is the shadow.

    `rows` are the labelled pairs that a shadow is compared on, or the rows that the canary itself
    answers at this share.
    """

    share_pct: float
    rows: int


class Next(StrEnum):
    """What happens to a rollout now."""

    WAIT = "wait"
    STEP = "step"
    PROMOTE = "promote"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to a rollout now, and why, in words for people."""

    next: Next
    why: str


def phases(shadow_rows: int, canary: Iterable[float], step_rows: int) -> list[Phase]:
    """Return the phases in order of their shares, the shadow first."""
    shares = sorted({*canary} - {0.0})
    return [Phase(0.0, shadow_rows), *(Phase(share, step_rows) for share in shares)]


def phase_at(plan: Sequence[Phase], share_pct: float) -> int:
    """Return which phase a share belongs to."""
    return max(at for at, phase in enumerate(plan) if phase.share_pct <= share_pct)


def judged(plan: Sequence[Phase], at: int, *, n: int, findings: Sequence[Finding]) -> Decision:
    """Decide after `n` rows of a phase; a guardrail's alarm needs no n.

    No evidence is never success: without rows, or with units routed wrongly, it waits. A shadow
    that stays inconclusive for four times its rows is given up; fewer rows than any comparison
    needs give it no less time.
    """
    phase = plan[at]
    found = {f.guardrail: f for f in findings}
    acting = [f for f in findings if f.acting]
    alarms = [f for f in acting if f.verdict is Verdict.FAIL and f.guardrail != ROUTING]
    if alarms:
        return Decision(Next.ABORT, alarms[0].text)
    if ROUTING in found and found[ROUTING].verdict is Verdict.FAIL:
        return Decision(Next.WAIT, f"inconclusive, routing is wrong: {found[ROUTING].text}")
    if n < phase.rows:
        what = "labelled pairs" if phase.share_pct == 0.0 else "rows answered by the canary"
        return Decision(Next.WAIT, f"inconclusive: {n} of {phase.rows} {what}")
    if phase.share_pct == 0.0 and phase.rows:
        shown = found.get(QUALITY)
        if shown and shown.acting and shown.verdict is not Verdict.PASS:
            given_up = n >= PATIENCE * max(phase.rows, MIN_PAIRS)
            return Decision(Next.ABORT if given_up else Next.WAIT, f"inconclusive: {shown.text}")
    silent = [
        f for f in acting
        if f.guardrail in (ERRORS, LATENCY) and f.verdict is Verdict.INCONCLUSIVE
    ]  # fmt: skip
    if phase.share_pct and silent:
        return Decision(Next.WAIT, f"inconclusive: {silent[0].text}")
    return Decision(
        Next.PROMOTE if at == len(plan) - 1 else Next.STEP,
        "; ".join(f.text for f in acting) or "its gate is enough: no shadow and no canary is asked",
    )
