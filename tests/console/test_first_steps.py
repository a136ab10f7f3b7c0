"""An empty workspace says what comes next, in every size of terminal."""

import flights
import msgspec
import pytest
from desk import Desk

from cdml_tui.panes.first_steps import next_step
from cdml_tui.panes.layout import watch
from cdml_tui.panes.line import text_of
from engine import wire


def empty(**values: object) -> wire.State:
    model = flights.model(
        versions=[], champion=None, breach=None, signals=[], promote={}, incident=None
    )
    nothing = {"models": [model], "jobs": [], "schedules": [], "events": []}
    return msgspec.structs.replace(flights.state(), **{**nothing, **values})


def arrived() -> wire.EventRow:
    return wire.EventRow(1, flights.ago(minutes=1), "INFO", "ingest", "late", "accepted")


def trained() -> wire.JobRow:
    then = flights.ago(minutes=1)
    return wire.JobRow("r-1", "late", "train", "failed", "operator", then, ended_at=then)


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (empty(models=[]), "cdml init writes one from a table"),
        (empty(), "cdml ingest late FILE"),
        (empty(events=[arrived()]), "T trains on them"),
        (empty(events=[arrived()], jobs=[trained()]), "a version that passes serves"),
    ],
)
def test_the_next_step_follows_what_was_done(state: wire.State, step: str) -> None:
    assert next_step(Desk(state).screen) == step


@pytest.mark.parametrize(("width", "height"), [(40, 10), (40, 12), (80, 24), (160, 48)])
def test_the_next_step_is_on_every_screen(width: int, height: int) -> None:
    screen = Desk(empty()).replaced(width=width, height=height)
    said = " ".join(text_of(one).strip() for one in watch(screen, width, height))
    assert "cdml ingest late FILE" in said
    no_model = Desk(empty(models=[])).replaced(width=width, height=height)
    said = " ".join(text_of(one).strip() for one in watch(no_model, width, height))
    assert "cdml.toml" in said


def test_a_done_step_is_marked() -> None:
    screen = Desk(empty(events=[arrived()])).screen
    lines = [text_of(one) for one in watch(screen, 80, 24)]
    assert any(one.startswith(" ok rows") for one in lines)
    assert any(one.startswith(" 2  training") for one in lines)


@pytest.mark.parametrize("key", ["R", "P", "S", "u"])
def test_keys_of_an_empty_workspace_say_why_they_cannot_work(key: str) -> None:
    desk = Desk(empty(models=[])).press(key, 2)
    assert "there is no model in this workspace yet" in desk.screen.message
    assert not desk.wait(6).sent
