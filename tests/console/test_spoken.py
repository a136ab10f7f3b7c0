"""The console in sentences: who looks, what changed, and what the login banner says."""

from dataclasses import replace

import flights
import msgspec
import pytest
from desk import Desk

from cdml_tui.panes.header import header
from cdml_tui.panes.line import text_of
from cdml_tui.panes.spoken import banner, changes, sentence, stands_beyond, summary
from engine import wire

ANNA = wire.Onlooker("anna", "operator", flights.ago(hours=1))
BEN = wire.Onlooker("ben", "viewer", flights.ago(minutes=1))


def texts(before: wire.State, after: wire.State) -> list[str]:
    return [said.text for said in changes(before, after)]


def test_a_wide_header_names_who_looks_besides() -> None:
    screen = Desk(flights.state(consoles=2, onlookers=[ANNA, BEN])).screen
    assert "2 consoles: anna, ben ro" in text_of(header(screen, 160))
    twice = Desk(flights.state(consoles=2, onlookers=[ANNA, ANNA])).screen
    assert "2 consoles: anna x2" in text_of(header(twice, 160))
    assert "slow link" in text_of(header(replace(screen, slow=True), 80))


def test_whoever_is_not_told_what_happens_is_seen_and_said() -> None:
    state = flights.state(untold={"pager": "it ended with exit code 1", "ops\x1b[2J": "no"})
    shown = text_of(header(Desk(state).screen, 120))
    assert "not told: pager, ops" in shown
    assert "\x1b" not in shown
    texts = [said.text for said in summary(state)]
    assert "pager is not told what happens: it ended with exit code 1" in texts


def test_nothing_changed_is_nothing_said() -> None:
    assert changes(flights.state(), flights.state()) == []


def test_who_comes_and_goes_is_said() -> None:
    one, two = flights.state(onlookers=[ANNA]), flights.state(onlookers=[ANNA, BEN])
    assert texts(one, two) == ["ben (viewer) looks too"]
    assert texts(two, one) == ["ben (viewer) looks no longer"]


def test_serving_that_fails_and_a_new_model_are_said() -> None:
    up = flights.state()
    down = flights.state(serving=msgspec.structs.replace(up.serving, up=False))
    assert texts(up, down) == ["SERVING IS DOWN: nobody gets predictions"]
    assert stands_beyond(down)
    more = flights.state(models=[flights.model(), flights.model(model="rain")])
    assert texts(up, more) == ["is a model of this workspace now"]


def test_what_stands_in_data_is_shown_and_not_obeyed() -> None:
    evil = flights.model(breach="\x1b[2Jgone\nsecond")
    assert all(sentence(said).isprintable() for said in summary(flights.state(evil)))
    assert all(line.isprintable() for line in banner(flights.state(evil)))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            {
                "incident": 7,
                "breach": None,
                "breach_since": None,
                "incident_opened": flights.ago(hours=3),
            },
            "INC-7 late v3 OPEN 3h, R = v1",
        ),
        ({"rollback": msgspec.structs.replace(flights.ROLLBACK, ready=False)}, "R is not ready"),
        ({"champion": None, "breach": None}, "cdml late; no version serves yet"),
    ],
)
def test_the_banner_says_how_a_model_is(model: dict[str, object], said: str) -> None:
    assert said in banner(flights.state(flights.model(**model)))[0]


def test_the_banner_is_short_however_many_models_there_are() -> None:
    many = [flights.model(model=f"m{at}") for at in range(9)]
    lines = banner(flights.state(models=many))
    assert len(lines) == 4
    assert lines[-1] == "and 6 more; cdml status"
    assert banner(flights.state(models=[])) == ["cdml box1: no model yet"]
