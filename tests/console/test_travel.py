"""Going back in time: which moment, what is drawn meanwhile, and that nothing acts there."""

from datetime import datetime, timedelta

import flights
import msgspec
import pytest
from desk import Desk

from cdml_tui import travel
from cdml_tui.effects import AskPast
from cdml_tui.panes.line import text_of
from cdml_tui.screens.frame import shown
from cdml_tui.state import moment
from engine import wire


def text(desk: Desk) -> str:
    return "\n".join(text_of(one) for one in shown(desk.screen, 80, 24))


def then(at: str) -> wire.State:
    """The snapshot of a past moment, in which v2 led."""
    rows = [
        msgspec.structs.replace(v, roles=["champion"] if v.version == "v1" else [])
        for v in flights.model().versions
    ]
    model = msgspec.structs.replace(flights.model(), champion="v1", versions=rows, breach=None)
    state = flights.state(model)
    engine = msgspec.structs.replace(state.engine, now=at, wall=at, simulated=True)
    down = msgspec.structs.replace(state.serving, up=False)
    return msgspec.structs.replace(state, engine=engine, serving=down, past=True)


def asked(desk: Desk) -> str:
    """The moment that was asked for last."""
    return [e.at for e in desk.effects if isinstance(e, AskPast)][-1]


def at(desk: Desk) -> datetime:
    found = moment(asked(desk))
    assert found is not None
    return found


def test_b_goes_to_the_last_moment_something_happened_and_on_from_there() -> None:
    desk = Desk().press("b")
    first = at(desk)
    rows = desk.screen.snapshot.events if desk.screen.snapshot else []
    notable = sorted({moment(e.time) for e in rows if e.level != "INFO"}, reverse=True)  # type: ignore[type-var]
    assert first == notable[0].replace(microsecond=0)  # type: ignore[union-attr]
    desk.screen = travel.came(desk.screen, asked(desk), then(asked(desk)))
    assert at(desk.press("b")) < first


@pytest.mark.parametrize(("key", "step"), [(",", -60), ("<", -60 * 24)])
def test_steps_go_by_the_hour_and_the_day(key: str, step: int) -> None:
    desk = Desk().press("b")
    before = at(desk)
    assert at(desk.press(key)) - before == timedelta(minutes=step)


def test_a_step_past_the_present_leaves_the_past() -> None:
    desk = Desk().press(",").press(".")
    assert desk.screen.past is None
    assert "this is the present" in desk.press(".").screen.message


def test_the_panes_are_drawn_from_then_and_say_so() -> None:
    desk = Desk().press("b")
    assert f"PAST {asked(desk)[:10]}" in text(desk)
    assert "asked for" in text(desk)
    desk.screen = travel.came(desk.screen, asked(desk), then(asked(desk)))
    drawn = text(desk)
    assert "asked for" not in drawn
    assert "Esc = the present" in drawn
    assert "serving DOWN" not in drawn
    assert any("v1" in row and "champion" in row for row in drawn.splitlines())
    assert "BREACH" not in drawn


def test_the_latest_question_alone_is_answered() -> None:
    desk = Desk().press("b")
    first = asked(desk)
    desk.press("<")
    before = desk.screen
    assert travel.came(desk.screen, first, then(first)) == before
    assert travel.not_came(desk.screen, first, "late") == before


def test_what_cannot_be_had_says_why_and_shows_the_present() -> None:
    desk = Desk().press("b")
    desk.screen = travel.not_came(desk.screen, asked(desk), "nobody answers")
    assert desk.screen.past is None
    assert desk.screen.message == "nobody answers"


@pytest.mark.parametrize("key", ["R", "P", "T", "S", "u", "A", "M"])
def test_no_key_acts_in_the_past(key: str) -> None:
    desk = Desk().press("b").press(key, 1.0)
    assert desk.screen.bar is None
    assert "past moment" in desk.screen.message
    assert not desk.sent


@pytest.mark.parametrize("key", ["escape", "q"])
def test_esc_and_q_return_to_the_present(key: str) -> None:
    desk = Desk().press("b").press(key)
    assert desk.screen.past is None
    assert not desk.screen.quit_asked


def test_pages_are_of_the_present() -> None:
    assert "present" in Desk().press("b").press("e").screen.message
    desk = Desk().press("e").press("b")
    assert desk.screen.past is None
    assert "close this page" in desk.screen.message
