"""The page of a version, and that of two of them compared."""

from dataclasses import replace

import flights
import measured
import msgspec
import pytest
from desk import Desk
from page_desk import SIZES, answered, golden, opened, said

from cdml_tui import turning
from cdml_tui.effects import Ask
from cdml_tui.sheet import Subject


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_version_page(width: int, height: int) -> None:
    golden(opened("version", measured.version(), width, height), "version", own_ascii=True)


def test_enter_on_the_base_screen_opens_the_selected_version() -> None:
    desk = Desk().select("v4").press("enter")
    assert desk.effects[-1] == Ask(Subject("version", "late", "v4"))


def test_a_version_says_all_that_is_known_of_it() -> None:
    text = said(opened("version", measured.version()))
    for part in (
        "champion, answers 100%", "max_depth=4", "seed 1", "decides at .250", "19 features",
        "R roll back v3 → v1 READY", "FAILED 3 of 5", "judged against v1: pass",
        "children v4, v5", "2 of 3 batches", ".437 MiB in memory", "audit entry 14",
        "about 6351 needed, 2422 more", "limit 1e-09",
    ):  # fmt: skip
        assert part in text, part
    assert text.index("FAIL no slice worse") < text.index("ok not worse")
    assert "\x1b" not in text


def test_a_version_that_may_be_promoted_shows_what_p_would_do() -> None:
    desk = Desk().select("v4").press("v")
    assert "P promote v3 → v4 READY" in said(answered(desk, measured.version("v4")))


def test_without_lineage_or_report_it_says_why() -> None:
    bare = measured.version()
    page = msgspec.structs.replace(bare.page, report=None, manifest={})
    text = said(opened("version", replace(bare, page=page, lineage=None, why="no such file")))
    assert "It was not judged" in text
    assert "no such file" in text


# ---------------------------------------------------------------- two of them


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_compare_page(width: int, height: int) -> None:
    desk = Desk().select("v1")
    desk.screen = replace(desk.screen, width=width, height=height)
    golden(answered(desk.press("c"), measured.comparison()), "compare", own_ascii=True)


def test_the_champion_is_compared_with_the_selected_or_open_version() -> None:
    asked = Ask(Subject("compare", "late", "v3", "v4"))
    assert Desk().select("v4").press("c").effects[-1] == asked
    assert Desk().select("v4").press("v").press("c").effects[-1] == asked


def test_two_marked_versions_are_compared_whoever_is_selected() -> None:
    desk = Desk().select("v4")
    desk.screen = replace(desk.screen, marks=("v1", "v3"))
    assert desk.press("c").effects[-1] == Ask(Subject("compare", "late", "v3", "v1"))


def test_a_champion_is_not_compared_with_itself() -> None:
    desk = Desk().select("v3").press("c")
    assert not desk.screen.sheets
    assert "select" in desk.screen.message


def test_while_it_works_it_says_that_this_takes_seconds() -> None:
    assert "some seconds" in said(Desk().select("v1").press("c"))


def test_a_change_of_the_engine_does_not_measure_again() -> None:
    desk = answered(Desk().select("v1").press("c"), measured.comparison()).wait(60)
    assert turning.asked_again(desk.screen, soon=False)[1] == ()
    assert turning.asked_again(desk.screen)[1] != ()


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.0107, -0.001, "v1 is WORSE than v3"),
        (0.001, 0.0107, "v1 is better than v3"),
        (-0.004, 0.006, "v3 and v1 are not told apart: 0 lies within"),
    ],
)
def test_the_interval_decides_what_is_said(low: float, high: float, verdict: str) -> None:
    desk = answered(Desk().select("v1").press("c"), measured.comparison(low, high))
    assert verdict in said(desk)


def test_too_few_rows_say_what_is_missing() -> None:
    few = msgspec.structs.replace(measured.comparison(), lines=[], missing="12 rows of 100")
    assert "12 rows of 100" in said(answered(Desk().select("v1").press("c"), few))


def test_without_a_model_nothing_opens() -> None:
    empty = msgspec.structs.replace(flights.state(), models=[])
    for key in "vcdf":
        desk = Desk(empty).press(key)
        assert not desk.screen.sheets
        assert desk.screen.message
