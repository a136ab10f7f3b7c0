"""What the evidence of a phase allows next, and what locks stop."""

import pytest

from engine.domain.gates import Verdict
from engine.domain.locks import FREEZE, HOLD, stopped_by
from engine.domain.rollouts import Next, judged, phase_at, phases

PASS, FAIL, OPEN = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
PLAN = phases(500, [10, 50])


@pytest.mark.parametrize(
    ("at", "n", "verdict", "step"),
    [
        (0, 499, PASS, Next.WAIT),
        (0, 499, FAIL, Next.WAIT),
        (0, 500, PASS, Next.STEP),
        (0, 500, FAIL, Next.ABORT),
        (1, 500, PASS, Next.STEP),
        (2, 500, PASS, Next.PROMOTE),
        (0, 1999, OPEN, Next.WAIT),
        (0, 2000, OPEN, Next.ABORT),
    ],
)
def test_a_phase_waits_for_its_rows_and_then_obeys_the_verdict(
    at: int, n: int, verdict: Verdict, step: Next
) -> None:
    assert judged(PLAN, at, n=n, verdict=verdict, harmful=False) is step


def test_harm_aborts_before_any_number_of_rows() -> None:
    assert judged(PLAN, 0, n=0, verdict=PASS, harmful=True) is Next.ABORT
    assert judged(phases(0, []), 0, n=0, verdict=PASS, harmful=True) is Next.ABORT


def test_a_shadow_of_no_rows_is_left_out_instead_of_given_up() -> None:
    assert judged(phases(0, []), 0, n=0, verdict=OPEN, harmful=False) is Next.PROMOTE
    assert judged(phases(0, [10]), 0, n=0, verdict=OPEN, harmful=False) is Next.STEP


def test_a_share_belongs_to_the_last_phase_it_has_reached() -> None:
    assert [phase_at(PLAN, share) for share in (0.0, 10.0, 49.0, 50.0)] == [0, 1, 1, 2]


@pytest.mark.parametrize("action", ["promote", "shadow", "canary"])
@pytest.mark.parametrize("lock", [HOLD, FREEZE])
def test_hold_and_freeze_stop_what_automation_would_replace(lock: str, action: str) -> None:
    assert stopped_by([lock], action) == lock
    assert stopped_by([], action) is None


@pytest.mark.parametrize("action", ["rollback", "abort", "train", "monitor"])
def test_no_lock_stops_going_safer_or_looking(action: str) -> None:
    assert stopped_by([HOLD, FREEZE], action) is None
