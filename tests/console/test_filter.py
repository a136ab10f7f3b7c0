"""Filtering rows by a pattern, on the base screen and on pages."""

import flights
import pytest
from desk import Desk
from test_pages import many, opened, texts

from cdml_tui import turning
from cdml_tui.prompt import Prompt
from cdml_tui.sheet import Subject
from engine import wire


def filtered(desk: Desk, pattern: str) -> Desk:
    return desk.press("/").type(pattern).press("enter")


def rows(desk: Desk) -> list[str]:
    return [text.strip() for text in texts(desk) if " INFO ingest    row " in text]


def test_only_matching_versions_are_left_but_who_serves_and_the_way_back_always() -> None:
    desk = filtered(Desk(), "v4")
    said = "\n".join(texts(desk))
    assert "/v4" in said
    assert [v in said for v in ("v1   ", "v2   ", "v3   ", "v4   ")] == [True, False, True, True]
    assert desk.press("j").press("j").screen.selected == "v4"
    assert "v2   " in "\n".join(texts(desk.press("escape")))


def test_a_pattern_with_a_bang_shows_the_others() -> None:
    said = "\n".join(texts(filtered(Desk(), "!v4")))
    assert "v4   " not in said
    assert "v2   " in said


def test_a_bad_pattern_says_so_and_stays_to_be_mended() -> None:
    desk = filtered(Desk(), "v(4")
    assert isinstance(desk.screen.bar, Prompt)
    assert "no such pattern" in desk.screen.bar.said
    assert "no such pattern" in "\n".join(texts(desk))
    assert not desk.screen.filters


def test_an_empty_pattern_ends_the_filter_and_slash_shows_the_one_that_holds() -> None:
    desk = filtered(Desk(), "v4").press("/")
    assert isinstance(desk.screen.bar, Prompt)
    assert desk.screen.bar.text == "v4"
    assert not desk.press("ctrl+u").press("enter").screen.filters


def test_the_events_pane_is_filtered_where_it_has_the_focus() -> None:
    desk = filtered(Desk().press("tab").press("tab").press("tab"), "crit")
    assert desk.screen.focus == "events"
    assert [f.place for f in desk.screen.filters] == ["events"]
    events = "\n".join(texts(desk)).partition("Events")[2]
    assert "CRIT" in events
    assert "INFO" not in events


def test_rows_of_a_page_are_filtered_and_n_goes_through_them() -> None:
    desk = filtered(opened("events", many(100)), "row .*7$")
    assert len(rows(desk)) == 10
    assert "10 rows" in "\n".join(texts(desk))
    desk.screen = turning.came(desk.screen, Subject("events"), many(200), desk.at)
    assert "20 rows" in "\n".join(texts(desk)), "what comes is filtered too"
    assert not all(text.endswith("7") for text in rows(desk.press("escape")))


def test_n_and_capital_n_wrap_around_among_the_rows_that_match() -> None:
    desk = filtered(Desk(), "v[24]")
    seen = [desk.press("n").screen.selected for _ in range(5)]
    assert seen == ["v1", "v4", "v2", "v3", "v1"]
    assert desk.press("N").screen.selected == "v3"


def test_without_a_filter_capital_n_says_what_is_missing() -> None:
    assert "no rows are filtered here" in Desk().press("N").screen.message


def test_a_filter_that_lets_nothing_through_says_so_and_enter_opens_nothing() -> None:
    desk = filtered(opened("events", many(5)), "nowhere")
    assert "no row here has that" in "\n".join(texts(desk))
    assert "nothing more to open" in desk.press("enter").screen.message


def test_a_filter_survives_another_size() -> None:
    desk = filtered(opened("events", many(100)), "row 9")
    desk.screen = turning.resized(desk.screen, 40, 10)
    assert desk.screen.sheets[0].hits == (*range(10), 90)


@pytest.mark.parametrize("pattern", ["[A-Z", "*", "(?P<", "\\", "!("])
def test_no_pattern_breaks_the_console(pattern: str) -> None:
    desk = filtered(Desk(), pattern)
    assert isinstance(desk.screen.bar, Prompt)
    texts(desk)


def test_a_filter_never_hides_what_a_rollback_would_do() -> None:
    canary = flights.state(flights.model(versions=flights.rollout()))
    for pattern in ("nothing at all", "!."):
        said = "\n".join(texts(filtered(Desk(canary), pattern)))
        assert all(name in said for name in ("v1   ", "v3   ", "v4   "))


def event(text: str) -> wire.EventRow:
    return wire.EventRow(1, flights.ago(seconds=1), "INFO", "ingest", "late", text)


def test_capitals_count_only_where_the_pattern_has_some() -> None:
    page = [event("row Alpha"), event("row alpha")]
    assert len(rows(filtered(opened("events", page), "alpha"))) == 2
    assert len(rows(filtered(opened("events", page), "Alpha"))) == 1
