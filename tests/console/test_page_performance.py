"""The page of performance: each metric over time, with what is ahead of it."""

import measured
import pytest
from page_desk import SIZES, golden, opened, said

from cdml_tui.effects import Ask
from cdml_tui.sheet import Subject


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_performance_page(width: int, height: int) -> None:
    golden(
        opened("performance", measured.performance(), width, height), "performance", own_ascii=True
    )


def test_it_asks_for_the_model_that_is_shown() -> None:
    assert opened("performance").effects[-1] == Ask(Subject("performance", "late"))


def test_each_number_says_its_kind_its_n_and_its_time() -> None:
    text = said(opened("performance", measured.performance()))
    assert "realised .472, [.452, .492], n 1993, 02-28..03-07, labels reach to 7d ago" in text
    assert "estimated .469, [.449, .489], n 2011" in text
    assert "persistence .472, the last realised value" in text
    assert "BREACH expected by 04-04" in text
    assert "BEYOND the limit .600" in text
    assert "never act .850, always act .720" in text


@pytest.mark.parametrize("size", SIZES)
def test_before_anything_is_measured_it_says_why_and_what_to_do(size: tuple[int, int]) -> None:
    text = said(opened("performance", measured.unmeasured(), *size))
    assert "labels have come" in text
    assert "cdml monitor" in text
