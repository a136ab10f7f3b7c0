"""A check is beyond its limit or not; without a limit it is only shown."""

import pytest

from engine.domain.quality import CHECKS, excess, named


def test_a_limit_is_counted_from_what_is_expected() -> None:
    nulls = "nulls"
    assert excess(nulls, 0.50, 0.3) == pytest.approx(-0.05)
    assert excess(nulls, 0.50, None) == pytest.approx(0.25)


def test_a_floor_is_crossed_from_above() -> None:
    coverage = "label coverage"
    assert (excess(coverage, 0.7, None) or 0.0) > 0.0
    assert (excess(coverage, 0.9, None) or 0.0) < 0.0


def test_without_limit_or_value_there_is_no_excess() -> None:
    assert excess("range", 1.0, None) is None
    assert excess("nulls", None, 0.1) is None


def test_names_tell_check_and_column() -> None:
    assert named("label delay p50") == ("label delay p50", None)
    assert named("nulls wind mph") == ("nulls", "wind mph")
    assert named("far out x") == ("far out", "x")
    assert named("skew") == ("skew", None)
    assert named("skew skew") == ("skew", "skew")


def test_every_limit_has_a_next_step() -> None:
    assert all(c.next for c in CHECKS.values() if c.limit is not None)
