"""Three verdicts, and no evidence is never one of them that lets through."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.gates import (
    Verdict,
    holm,
    non_inferiority,
    not_shown_worse,
    overall,
    replaceable,
    superiority,
    within,
)

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


@pytest.mark.parametrize(
    ("low", "high", "higher", "verdict"),
    [
        (0.7, 0.8, True, PASS),
        (0.69, 0.8, True, OPEN),
        (0.5, 0.69, True, FAIL),
        (0.5, 0.7, False, PASS),
        (0.5, 0.71, False, OPEN),
        (0.71, 0.8, False, FAIL),
        (None, 0.1, False, OPEN),
    ],
)
def test_a_limit_holds_for_the_whole_interval(
    low: float | None, high: float | None, higher: bool, verdict: Verdict
) -> None:
    assert within(low, high, 0.7, higher_is_better=higher) is verdict


def test_a_guard_fails_only_what_is_surely_worse_and_needs_to_have_looked() -> None:
    assert not_shown_worse(-0.06, 0.05) is FAIL
    assert not_shown_worse(-0.05, 0.05) is PASS
    assert not_shown_worse(None, 0.05) is OPEN


@given(st.sampled_from(Verdict), st.sampled_from(Verdict))
def test_a_reason_replaces_only_by_what_was_shown_not_to_be_worse(
    better: Verdict, not_worse: Verdict
) -> None:
    assert replaceable(better, not_worse, None) is better
    found = replaceable(better, not_worse, "stale")
    assert (found is PASS) == (PASS in (better, not_worse))


def test_among_thirty_slices_without_a_difference_holm_errs_in_at_most_five_percent() -> None:
    draw = random.Random(7)
    families = 4000
    erred = sum(any(holm([draw.random() for _ in range(30)], 0.05)) for _ in range(families))
    naive = sum(min(draw.random() for _ in range(30)) <= 0.05 for _ in range(families))
    assert 0.035 <= erred / families <= 0.06
    assert 0.76 <= naive / families <= 0.82  # what it is for
