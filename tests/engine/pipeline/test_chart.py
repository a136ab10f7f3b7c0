"""Charts hold every value inside their axes, keep gaps, and draw no markup of anybody else's."""

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pipeline.chart import HEIGHT, WIDTH, Mark, Point, Series, line_chart, nice_ticks

START = datetime(2024, 3, 1, tzinfo=UTC)
NUMBER = st.floats(-1e9, 1e9, allow_nan=False)


def drawn(values: list[float | None], limit: float | None = None) -> str:
    points = [Point(START + timedelta(days=at), v, v, v) for at, v in enumerate(values)]
    return line_chart("m", [Series("m", "main", points)], START, points[-1].at, limit)


@given(st.lists(st.one_of(st.none(), NUMBER), min_size=2, max_size=8), st.one_of(st.none(), NUMBER))
def test_whatever_is_drawn_is_well_formed_and_on_the_paper(
    values: list[float | None], limit: float | None
) -> None:
    chart = drawn(values, limit)
    ElementTree.fromstring(f"<p>{chart}</p>")
    for place in re.findall(r'points="([^"]*)"', chart):
        for pair in place.split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT


@given(NUMBER, NUMBER)
def test_ticks_are_rising_and_enclose_the_range(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    ticks = nice_ticks(low, high)
    assert ticks == sorted(set(ticks))
    slack = 1e-9 * max(abs(low), abs(high), 1.0)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert len(ticks) <= 8


def test_a_gap_is_not_drawn_over() -> None:
    assert drawn([1.0, 2.0, None, 3.0, 4.0]).count("<polyline") == 2


def test_one_value_is_a_dot_and_none_says_so() -> None:
    assert "<circle" in drawn([1.0, None])
    assert "nothing was measured" in drawn([None, None])


@pytest.mark.parametrize("limit", [1.5, 100.0])
def test_a_limit_is_named_and_drawn_where_it_is_near(limit: float) -> None:
    chart = drawn([1.0, 2.0], limit)
    assert f"limit {limit:g}" in chart
    assert ('<line class="limit"' in chart) is (limit == 1.5)


def test_names_and_marks_are_no_markup() -> None:
    points = [Point(START, 1.0), Point(START + timedelta(days=1), 2.0)]
    evil = "<script>alert(1)</script>"
    marks = [Mark(START, evil)]
    chart = line_chart(evil, [Series(evil, "main", points)], START, points[-1].at, None, marks)
    assert "<script" not in chart
    assert chart.count("&lt;script&gt;") >= 3
