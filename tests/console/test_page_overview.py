"""The page of all models."""

import measured
import pytest
from page_desk import SIZES, golden, opened, said

from cdml_tui.effects import Ask
from cdml_tui.sheet import Subject


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_overview_page(width: int, height: int) -> None:
    desk = opened("overview", measured.overview(), width, height, measured.models())
    golden(desk, "overview", own_ascii=True)


def test_enter_shows_the_model() -> None:
    desk = opened("overview", measured.overview(), state=measured.models()).press("j")
    desk.press("enter")
    assert (desk.screen.model, desk.screen.sheets) == ("delay_min", ())


def test_the_next_model_is_shown_on_the_page_that_is_open() -> None:
    desk = opened("drift", measured.drift_page(), state=measured.models()).press("m")
    assert desk.effects[-1] == Ask(Subject("drift", "delay_min"))
    assert [s.subject.model for s in desk.screen.sheets] == ["delay_min"]


def test_a_row_says_what_threatens_and_what_happens_next() -> None:
    text = said(opened("overview", measured.overview(), 160, 48, measured.models()))
    late = text[text.index("▸late") : text.index("delay_min")]
    for part in ("BREACH", "v3", "logloss .472!", ".450", ".312", "04-04 logloss", "INC 42"):
        assert part in late, part
    assert "v4 canary 10 %" in text
    assert "nobody" in text
