"""Three verdicts, and no evidence is never one of them that lets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.gates import Verdict, holm, non_inferiority, overall, superiority

PASS, FAIL, OPEN = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.004, 0.02, PASS),
        (-0.005, 0.02, OPEN),
        (-0.02, 0.02, OPEN),
        (-0.02, -0.006, FAIL),
        (None, None, OPEN),
        (None, 1.0, OPEN),
        (1.0, None, OPEN),
    ],
)
def test_not_worse_needs_the_whole_interval_above_the_margin(
    low: float | None, high: float | None, verdict: Verdict
) -> None:
    assert non_inferiority(low, high, 0.005) is verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.02, PASS),
        (0.0, 0.02, OPEN),
        (-0.001, 0.004, FAIL),
        (-0.02, -0.01, FAIL),
        (None, None, OPEN),
    ],
)
def test_better_needs_the_whole_interval_above_zero(
    low: float | None, high: float | None, verdict: Verdict
) -> None:
    assert superiority(low, high, 0.005) is verdict


@given(st.lists(st.sampled_from(Verdict)))
def test_one_fail_fails_and_nothing_is_no_pass(verdicts: list[Verdict]) -> None:
    found = overall(verdicts)
    assert (found is FAIL) == (FAIL in verdicts)
    assert (found is PASS) == (set(verdicts) == {PASS})


def test_holm_rejects_as_its_paper_does() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]
    assert holm([], 0.05) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_rejects_no_less_than_bonferroni_and_no_more_than_each_alone(
    p: list[float],
) -> None:
    found = holm(p, 0.05)
    for one, rejected in zip(p, found, strict=True):
        assert rejected or one > 0.05 / len(p)
        assert not rejected or one <= 0.05
