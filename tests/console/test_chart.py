"""Charts: no peak is lost, a gap stays a gap, a limit is seen or said, ASCII stands on its own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdml_tui.panes import scale
from cdml_tui.panes.chart import Picture, Point, Series, chart, legend
from cdml_tui.panes.line import Line, text_of, width_of

START = datetime(2026, 2, 1, tzinfo=UTC)
ANY = st.one_of(st.floats(-1e9, 1e9), st.floats(-1e300, 1e300))
BOTH: tuple[Literal["unicode", "ascii"], ...] = ("unicode", "ascii")


def picture(values: list[float | None], **more: object) -> Picture:
    points = [Point(START + timedelta(days=i), v) for i, v in enumerate(values)]
    bare = Picture([Series("realised", "●", "o", points, joined=True)])
    return replace(bare, **more)  # type: ignore[arg-type]


def drawn(
    of: Picture, width: int = 60, height: int = 12, glyphs: Literal["unicode", "ascii"] = "unicode"
) -> list[str]:
    return [text_of(one) for one in chart(of, width, height, glyphs)]


def test_every_measured_point_stands_as_a_sign_and_is_joined() -> None:
    text = "\n".join(drawn(picture([1, 2, 3, 2])))
    assert text.count("●") == 4
    assert "╭" in text
    assert "╮" in text


def test_a_gap_is_not_bridged() -> None:
    lines = drawn(picture([5.0, 5.0, None, None, 5.0, 5.0]), 60)
    row = next(line for line in lines if "●" in line)
    assert row.count("●") == 4
    assert " " * 15 in row.strip()


def test_of_many_points_in_a_column_the_worst_is_drawn() -> None:
    values: list[float | None] = [1.0] * 400
    values[200] = 9.0
    text = "\n".join(drawn(picture(values, limit=5.0, bad="above"), 40))
    assert "!" in text.splitlines()[0] + text.splitlines()[1]
    values[200] = -9.0
    assert "!" in "\n".join(drawn(picture(values, limit=-5.0, bad="below"), 40))


def test_a_limit_that_is_near_is_in_the_picture_and_a_far_one_is_said() -> None:
    near, far = picture([1, 2, 3], limit=4.0), picture([1, 2, 3], limit=400.0)
    assert any("lim 4.00 ┤╌" in line for line in drawn(near))
    assert not any("╌" in line for line in drawn(far))
    assert "limit 400, far above" in text_of(legend(far, 80, "unicode")[0])


def test_now_divides_what_was_from_what_is_ahead() -> None:
    ahead = [Point(START + timedelta(days=d), 5.0, 4.0, 6.0) for d in (6, 8)]
    of = picture([5.0, 5.1, 5.2], now=START + timedelta(days=4))
    of = replace(of, series=[*of.series, Series("forecast", "○", "f", ahead)])
    lines = drawn(of)
    at = next(line.index("┊") for line in lines if "┊" in line)
    assert "now" in lines[-1][at - 2 : at + 3]
    assert all("░" not in line[:at] for line in lines)
    assert any("░" in line[at:] and "○" in line[at:] for line in lines)
    assert any("%" in line and "f" in line for line in drawn(of, glyphs="ascii"))


def test_a_breach_that_is_expected_is_marked_on_the_limit() -> None:
    of = picture([5.0, 5.1, 5.2], limit=5.5, breach=START + timedelta(days=6))
    assert any(line.startswith("lim 5.50 ┤") and "X" in line for line in drawn(of))


def test_the_legend_names_only_what_is_there_and_wraps() -> None:
    of = picture([1.0, 2.0], limit=1.5, bad="above")
    of = replace(of, series=[*of.series, Series("estimated", "~", "~", [])])
    assert "estimated" not in text_of(legend(of, 80, "unicode")[0])
    assert len(legend(of, 30, "unicode")) > 1
    assert all(width_of(text_of(one)) <= 32 for one in legend(of, 30, "ascii"))


@pytest.mark.parametrize("glyphs", BOTH)
@pytest.mark.parametrize("values", [[], [None, None]])
def test_without_a_value_nothing_is_drawn(
    values: list[float | None], glyphs: Literal["unicode", "ascii"]
) -> None:
    assert chart(picture(values), 60, 12, glyphs) == []


@given(
    st.lists(st.one_of(st.none(), ANY), max_size=40),
    st.one_of(st.none(), ANY),
    st.integers(1, 170),
    st.integers(1, 30),
    st.sampled_from(BOTH),
)
def test_it_fills_its_place_exactly_or_is_not_there(
    values: list[float | None],
    limit: float | None,
    width: int,
    height: int,
    glyphs: Literal["unicode", "ascii"],
) -> None:
    of = picture(values, limit=limit, bad="above", now=START, breach=START + timedelta(days=3))
    lines: list[Line] = chart(of, width, height, glyphs)
    assert len(lines) in (0, height)
    assert all(width_of(text_of(one)) == width for one in lines)
    assert glyphs == "unicode" or all(text_of(one).isascii() for one in lines)


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.integers(2, 12))
def test_ticks_are_few_rise_and_enclose(a: float, b: float, most: int) -> None:
    low, high = min(a, b), max(a, b)
    found = scale.ticks(low, high, most)
    assert found == sorted(set(found))
    room = (found[1] - found[0]) * 1e-6
    assert found[0] <= low + room
    assert found[-1] >= high - room
    assert 2 <= len(found) <= most + 2


def test_labels_of_an_axis_tell_its_steps_apart() -> None:
    for low, high in ((0.4312, 0.4318), (0, 1), (95, 105), (0, 5_000_000), (-0.02, 0.03)):
        found = scale.ticks(low, high, 5)
        names = [scale.label(v, found[1] - found[0]) for v in found]
        assert len(set(names)) == len(names)


def test_moments_are_round_and_few() -> None:
    for hours in (1, 5, 30, 24 * 9, 24 * 100, 24 * 2000):
        found = scale.moments(START + timedelta(minutes=7), START + timedelta(hours=hours), 8)
        assert len(found) <= 9
        assert all(at.minute == 0 for at, _ in found)
