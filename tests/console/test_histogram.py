"""Bars of a column: shares side by side, few bars in a narrow terminal, nothing lost."""

from typing import Literal

import measured
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdml_tui.panes.histogram import histogram
from cdml_tui.panes.line import text_of
from engine import wire


def drawn(shape: wire.ColumnShape, width: int = 80, height: int = 12) -> list[str]:
    return [text_of(one) for one in histogram(shape, width, height, "unicode")]


def shape(before: list[int], after: list[int]) -> wire.ColumnShape:
    edges = [float(i) for i in range(len(before) - 1)]
    return msgspec.structs.replace(measured.numbers(), edges=edges, reference=before, current=after)


def test_shares_are_compared_not_counts() -> None:
    lines = drawn(shape([1000, 3000], [1, 3]), 40)
    pairs = [(line.count("▒"), line.count("█")) for line in lines if "│" in line]
    assert all(old == new for old, new in pairs)
    assert any(old for old, _ in pairs)


def test_a_share_however_small_is_seen_and_none_is_not() -> None:
    bottom = next(
        line for line in reversed(drawn(shape([9999, 1, 0], [0, 1, 9999]))) if "│" in line
    )
    assert bottom.split("│")[1] == "▒▒▒     ▁▁▁▁▁▁     ███  "


def test_a_peak_that_would_flatten_the_other_side_is_said_in_words() -> None:
    lines = drawn(shape([25, 25, 25, 25], [1, 1, 1, 97]))
    assert "▲" in next(line for line in lines if "│" in line)
    assert lines[-1].strip() == "▲ 97% now from 2.00 on"


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=23),
    st.integers(10, 170),
    st.integers(1, 30),
    st.sampled_from(["unicode", "ascii"]),
)
def test_any_counts_have_a_picture_or_a_reason(
    counts: list[tuple[int, int]], width: int, height: int, glyphs: Literal["unicode", "ascii"]
) -> None:
    found = shape([a for a, _ in counts], [b for _, b in counts])
    lines = histogram(found, width, height, glyphs)
    assert lines
    assert glyphs == "unicode" or all(text_of(one).isascii() for one in lines)


@pytest.mark.parametrize("width", [20, 40, 80, 160])
def test_bars_fit_their_place(width: int) -> None:
    bars = [line for line in drawn(measured.numbers(), width) if "│" in line]
    assert all(len(line) <= width for line in bars)
