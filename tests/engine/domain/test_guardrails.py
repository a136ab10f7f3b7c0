"""When a guardrail says stop, and when it says that it cannot know."""

import math

import pytest

from engine.domain.gates import Verdict
from engine.domain.guardrails import (
    ERRORS,
    LATENCY,
    PART,
    QUALITY,
    ROUTING,
    compared,
    level,
    quality,
    routing,
)


def test_the_false_alarms_of_all_that_abort_add_up_to_what_is_allowed() -> None:
    assert sum(level(name, 0.05) for name in PART if name != ROUTING) == pytest.approx(0.05)


@pytest.mark.parametrize("guardrail", [ERRORS, LATENCY])
def test_an_e_value_alarms_at_its_boundary(guardrail: str) -> None:
    boundary = 1.0 / level(guardrail, 0.05)
    below, at = math.log(boundary) - 1e-9, math.log(boundary) + 1e-9
    assert compared(guardrail, below, (10, 1), (90, 1), 0.05).verdict is Verdict.PASS
    found = compared(guardrail, at, (10, 1), (90, 1), 0.05)
    assert (found.verdict, found.boundary, found.n) == (Verdict.FAIL, boundary, 100)
    assert f"alarm at {boundary:g}" in found.text


@pytest.mark.parametrize("counts", [((0, 0), (90, 9)), ((10, 5), (0, 0))])
def test_one_arm_alone_is_no_comparison(counts: tuple[tuple[int, int], tuple[int, int]]) -> None:
    assert compared(ERRORS, 99.0, *counts, 0.05).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("bounds", "value", "verdict"),
    [
        ((-0.009, 0.05), 0.02, Verdict.PASS),
        ((-0.011, 0.05), 0.02, Verdict.INCONCLUSIVE),
        ((-0.005, 0.004), -0.001, Verdict.INCONCLUSIVE),
        ((0.0, 0.0), 0.0, Verdict.INCONCLUSIVE),
        ((-0.2, -0.001), -0.1, Verdict.FAIL),
    ],
)
def test_quality_is_harm_where_worse_is_shown_and_success_where_a_gain_is_safe(
    bounds: tuple[float, float], value: float, verdict: Verdict
) -> None:
    assert quality("log_loss", 500, bounds, value, 0.01).verdict is verdict


def test_quality_says_nothing_on_a_few_pairs_and_how_many_it_needs() -> None:
    few = quality("log_loss", 99, (-0.2, -0.1), -0.15, 0.01)
    assert (few.guardrail, few.verdict) == (QUALITY, Verdict.INCONCLUSIVE)
    assert "99 labelled pairs, 100 at least are needed" in few.text
    assert quality("log_loss", 0, None, 0.0, 0.01).verdict is Verdict.INCONCLUSIVE
    # Half as wide takes four times the rows: 0.04 below the value must become 0.02.
    found = quality("log_loss", 500, (-0.03, 0.05), 0.01, 0.01)
    assert "about 2000 are needed" in found.text


def test_routing_is_wrong_where_the_share_lies_outside_what_was_seen() -> None:
    assert routing(1000, 100, (0.08, 0.12), 0.10).verdict is Verdict.PASS
    wrong = routing(1000, 300, (0.26, 0.34), 0.10)
    assert wrong.verdict is Verdict.FAIL
    assert "300 of 1000 units met the canary, 30.0 % [26.0, 34.0], its share is 10 %" in wrong.text
    assert routing(0, 0, None, 0.10).verdict is Verdict.INCONCLUSIVE
