"""Pages: opening, moving, asking again, closing; and their golden text."""

from typing import Any

import flights
import measured
import pytest
from page_desk import SIZES, golden, opened, texts

from cdml_tui import actions, turning
from cdml_tui.effects import Ask
from cdml_tui.screens.table import PAGES
from cdml_tui.sheet import Subject
from engine import wire


def many(n: int) -> list[wire.EventRow]:
    return [
        wire.EventRow(i, flights.ago(seconds=n - i), "INFO", "ingest", "late", f"row {i}")
        for i in range(n)
    ]


def test_a_key_that_opens_a_page_only_looks() -> None:
    opening = [action for action in actions.ACTIONS if action.name in PAGES]
    assert len(opening) >= 2
    assert all(action.danger is actions.Danger.LOOK for action in opening)


def test_a_page_asks_once_and_says_so_until_the_answer_comes() -> None:
    desk = opened("events")
    assert desk.effects[-1] == Ask(Subject("events"))
    assert any("asking the engine" in text for text in texts(desk))


def test_its_own_key_closes_a_page() -> None:
    assert not opened("events").press("e").screen.sheets


def test_the_keys_of_a_page_are_shown_over_it() -> None:
    desk = opened("events").press("?")
    assert [s.subject.page for s in desk.screen.sheets] == ["events", "help"]
    assert "Keys of events" in "\n".join(texts(desk))
    assert [s.subject.page for s in desk.press("?").screen.sheets] == ["events"]


@pytest.mark.parametrize("key", ["q", "escape"])
def test_q_and_esc_go_back_and_do_not_leave(key: str) -> None:
    desk = opened("events").press(key)
    assert not desk.screen.sheets
    assert not desk.screen.quit_asked


def test_ten_thousand_rows_draw_only_what_is_seen() -> None:
    drawn = 0

    class Counted(list[wire.EventRow]):
        def __getitem__(self, at: Any) -> Any:
            nonlocal drawn
            drawn += 1
            return super().__getitem__(at)

    desk = opened("events", Counted(many(10_000)))
    drawn = 0
    assert "row 0 " in "\n".join(texts(desk.press("G")))
    assert drawn < 100


def test_the_event_stood_on_is_shown_whole_since_it_ends_with_what_to_do() -> None:
    long = "reading the file failed, " * 8 + "restore it from a backup"
    told = wire.EventRow(4, "2026-03-14T03:04:10Z", "CRIT", "files", "late", long)
    desk = opened("events", [told, *many(3)])
    assert "restore it from a backup" not in " ".join(texts(desk))
    shown = " ".join(text.strip() for text in texts(desk.press("G")))
    assert "restore it from a backup" in shown
    assert "CRIT files" in shown


def test_a_hint_asks_again_but_not_too_often() -> None:
    desk = opened("events", many(3))
    assert turning.asked_again(desk.screen, soon=False)[1] == ()
    desk.wait(turning.ASK_AGAIN_S)
    screen, effects = turning.asked_again(desk.screen, soon=False)
    assert effects == (Ask(Subject("events")),)
    assert turning.asked_again(screen, soon=False)[1] == ()


def test_a_page_that_costs_the_engine_more_is_asked_for_less_often() -> None:
    desk = opened("drift", measured.drift_page()).wait(turning.ASK_AGAIN_S)
    assert turning.asked_again(desk.screen, soon=False)[1] == ()
    assert turning.asked_again(desk.wait(8).screen, soon=False)[1] != ()


def test_what_cannot_be_asked_again_stays_and_says_how_old_it_is() -> None:
    desk = opened("events", many(3)).wait(9)
    desk.screen = turning.not_came(desk.screen, Subject("events"), "the line broke")
    said = "\n".join(texts(desk))
    assert "row 2" in said
    assert "9s old, could not be asked again" in said


def test_what_never_came_says_why() -> None:
    desk = opened("events")
    desk.screen = turning.not_came(desk.screen, Subject("events"), "nobody answers")
    assert any("nobody answers" in text for text in texts(desk))


def test_the_place_is_kept_when_the_answer_comes_anew() -> None:
    desk = opened("events", many(100)).press("pagedown")
    before = texts(desk)
    desk.screen = turning.came(desk.screen, Subject("events"), many(100), desk.at)
    assert texts(desk) == before


def test_an_answer_for_a_closed_page_is_dropped() -> None:
    desk = opened("events").press("escape")
    assert turning.came(desk.screen, Subject("events"), many(3), desk.at) == desk.screen


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_help_page(width: int, height: int) -> None:
    golden(opened("help", width=width, height=height), "help")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_events_page(width: int, height: int) -> None:
    golden(opened("events", flights.events(), width, height), "events")
