"""The pages of drift: all columns, and one of them then and now."""

import measured
import msgspec
import pytest
from page_desk import SIZES, answered, golden, opened, said

from cdml_tui.effects import Ask
from cdml_tui.screens.drift import Answer
from cdml_tui.sheet import Subject


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_drift_page(width: int, height: int) -> None:
    golden(opened("drift", measured.drift_page(), width, height), "drift", own_ascii=True)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_page_of_one_column(width: int, height: int) -> None:
    desk = opened("drift", measured.drift_page(), width, height).press("enter")
    assert desk.effects[-1] == Ask(Subject("drift", "late", id="feature/temp_f"))
    golden(answered(desk, measured.drift_page(measured.numbers())), "column", own_ascii=True)


def test_categories_are_drawn_by_name_and_new_ones_are_named() -> None:
    desk = opened("drift", measured.drift_page()).press("j").press("j").press("enter")
    golden(answered(desk, measured.drift_page(measured.names())), "categories", own_ascii=True)


def test_back_from_a_column_is_the_list_on_the_same_row() -> None:
    desk = opened("drift", measured.drift_page()).press("j").press("enter").press("escape")
    assert [(s.subject.id, s.cursor) for s in desk.screen.sheets] == [("", 1)]


def test_a_column_says_where_it_stands_against_each_reference() -> None:
    desk = opened("drift", measured.drift_page()).press("enter")
    text = said(answered(desk, measured.drift_page(measured.numbers())))
    assert "It DRIFTS: psi .312, limit .200, n 2011 now, 16k then" in text
    assert "training .312 .230 .180 4.10 16k" in text
    assert "not enough values a year before" in text
    assert "9.1e+04 of 560 needed, grows since 2026-03-09" in text


def test_a_column_that_is_gone_or_has_no_bars_says_so() -> None:
    desk = opened("drift", measured.drift_page()).press("enter")
    gone = msgspec.structs.replace(measured.drift(), columns=[], beside=[])
    assert "no such column" in said(answered(desk, Answer(gone, measured.numbers())))
    bare = msgspec.structs.replace(measured.numbers(), missing="not measured yet", edges=[])
    assert "not measured yet" in said(answered(desk, Answer(measured.drift(), bare)))
    empty = msgspec.structs.replace(measured.numbers(), reference=[0] * 23, current=[0] * 23)
    assert "no value" in said(answered(desk, Answer(measured.drift(), empty)))


def test_without_columns_it_says_why() -> None:
    nothing = msgspec.structs.replace(
        measured.drift(), columns=[], beside=[], missing="not measured yet: cdml monitor"
    )
    assert "cdml monitor" in said(opened("drift", Answer(nothing)))
