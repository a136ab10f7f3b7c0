"""How far a taint spreads: by version, batch and interval, and what was left out."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.taints import Lineage, Mark, Span, reaches


def day(number: float) -> datetime:
    return datetime(2013, 8, 1, tzinfo=UTC) + timedelta(days=number)


def made(*without: tuple[float, float]) -> Lineage:
    """A version trained on rows of the days 10 to 20."""
    spans = tuple(Span(day(a), day(b)) for a, b in without)
    return Lineage("v1", frozenset({"b1"}), day(10), day(20), spans)


@pytest.mark.parametrize(
    ("since", "until", "reached"),
    [(0, 10, False), (0, 10.1, True), (15, 16, True), (20, 21, True), (20.1, 30, False)],
)
def test_rows_reach_who_was_trained_on_them(since: float, until: float, reached: bool) -> None:
    assert reaches(Mark(span=Span(day(since), day(until))), made()) is reached


def test_a_batch_reaches_only_who_was_trained_on_its_rows() -> None:
    rows = Span(day(12), day(13))
    assert reaches(Mark(batch="b1", span=rows), made())
    assert not reaches(Mark(batch="b2", span=rows), made())
    assert not reaches(Mark(batch="b1", span=Span(day(1), day(2))), made())
    assert reaches(Mark(batch="b1"), made())


def test_a_version_reaches_itself_only() -> None:
    assert reaches(Mark(version="v1"), made())
    assert not reaches(Mark(version="v2"), made())


def test_who_left_the_rows_out_is_not_reached() -> None:
    mark = Mark(span=Span(day(12), day(14)))
    assert not reaches(mark, made((12, 14)))
    assert not reaches(mark, made((11, 13), (13, 15)))
    assert reaches(mark, made((12, 13)))
    assert reaches(mark, made((12, 13), (13.1, 14)))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=4))
def test_leaving_out_what_is_tainted_is_always_enough(spans: list[tuple[int, int]]) -> None:
    marks = [Span(day(min(s)), day(max(s) + 1)) for s in spans]
    own = Lineage("v1", frozenset(), day(10), day(20), tuple(marks))
    assert not any(reaches(Mark(span=m), own) for m in marks)
