"""What the evidence of a phase allows next: alarms first, and no evidence is never success."""

import pytest

from engine.domain.gates import Verdict
from engine.domain.guardrails import ERRORS, LATENCY, QUALITY, ROUTING, Finding
from engine.domain.rollouts import Next, judged, phase_at, phases

PASS, FAIL, OPEN = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
PLAN = phases(500, [10, 50], 300)


def found(guardrail: str, verdict: Verdict, *, acting: bool = True) -> Finding:
    return Finding(guardrail, verdict, 0, f"{guardrail} says {verdict}", acting=acting)


def both_arms(
    errors: Verdict = PASS,
    latency: Verdict = PASS,
    quality: Verdict = OPEN,
    routing: Verdict = PASS,
) -> list[Finding]:
    return [
        found(ERRORS, errors),
        found(LATENCY, latency),
        found(QUALITY, quality),
        found(ROUTING, routing),
    ]


@pytest.mark.parametrize(
    ("n", "verdict", "step"),
    [
        (499, PASS, Next.WAIT),
        (499, OPEN, Next.WAIT),
        (499, FAIL, Next.ABORT),
        (500, PASS, Next.STEP),
        (500, FAIL, Next.ABORT),
        (1999, OPEN, Next.WAIT),
        (2000, OPEN, Next.ABORT),
    ],
)
def test_a_shadow_waits_for_its_rows_and_then_for_its_quality(
    n: int, verdict: Verdict, step: Next
) -> None:
    assert judged(PLAN, 0, n=n, findings=[found(QUALITY, verdict)]).next is step


def test_a_canary_steps_on_rows_of_its_own_and_no_alarm() -> None:
    assert judged(PLAN, 1, n=299, findings=both_arms()).next is Next.WAIT
    assert judged(PLAN, 1, n=300, findings=both_arms()).next is Next.STEP
    assert judged(PLAN, 2, n=300, findings=both_arms()).next is Next.PROMOTE
    assert judged(PLAN, 2, n=10_000, findings=both_arms(quality=OPEN)).next is Next.PROMOTE


@pytest.mark.parametrize("guardrail", [ERRORS, LATENCY, QUALITY])
def test_an_alarm_aborts_before_any_number_of_rows(guardrail: str) -> None:
    findings = [f for f in both_arms() if f.guardrail != guardrail] + [found(guardrail, FAIL)]
    decision = judged(PLAN, 1, n=0, findings=findings)
    assert (decision.next, decision.why) == (Next.ABORT, f"{guardrail} says fail")


@pytest.mark.parametrize("guardrail", [ERRORS, LATENCY, QUALITY])
def test_what_is_only_observed_neither_aborts_nor_is_waited_for(guardrail: str) -> None:
    for verdict in (FAIL, OPEN):
        seen = [found(guardrail, verdict, acting=False)]
        findings = [f for f in both_arms() if f.guardrail != guardrail] + seen
        assert judged(PLAN, 1, n=300, findings=findings).next is Next.STEP
    assert judged(PLAN, 0, n=500, findings=[found(QUALITY, OPEN, acting=False)]).next is Next.STEP


def test_without_traffic_or_without_one_arm_nothing_steps() -> None:
    decision = judged(PLAN, 1, n=0, findings=both_arms(errors=OPEN, latency=OPEN))
    assert decision.next is Next.WAIT
    assert "inconclusive: 0 of 300 rows" in decision.why
    silent = judged(PLAN, 1, n=300, findings=both_arms(errors=OPEN))
    assert (silent.next, silent.why) == (Next.WAIT, "inconclusive: errors says inconclusive")


def test_wrong_routing_makes_everything_inconclusive_and_aborts_nothing() -> None:
    decision = judged(PLAN, 2, n=10_000, findings=both_arms(routing=FAIL))
    assert decision.next is Next.WAIT
    assert decision.why.startswith("inconclusive, routing is wrong")
    harmed = judged(PLAN, 2, n=10_000, findings=both_arms(routing=FAIL, errors=FAIL))
    assert harmed.next is Next.ABORT


def test_a_shadow_of_no_rows_is_left_out_instead_of_given_up() -> None:
    nothing = [found(QUALITY, OPEN)]
    assert judged(phases(0, [], 300), 0, n=0, findings=nothing).next is Next.PROMOTE
    assert judged(phases(0, [10], 300), 0, n=0, findings=nothing).next is Next.STEP


def test_a_share_belongs_to_the_last_phase_it_has_reached() -> None:
    assert [phase_at(PLAN, share) for share in (0.0, 10.0, 49.0, 50.0)] == [0, 1, 1, 2]
    by_hand = phases(500, [10, 50, 30.0], 300)
    assert [p.share_pct for p in by_hand] == [0.0, 10, 30, 50]
    assert phases(500, [10, 0.0], 300) == phases(500, [10], 300)
