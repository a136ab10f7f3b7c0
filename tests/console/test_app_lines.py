"""The command line, the clipboard and an operator's own keys in the application, under Pilot."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import flights
import msgspec
import pytest
from test_app import Night, night
from textual import events

from cdml_tui import actions
from cdml_tui.arguments import verb_rows
from cdml_tui.client import ConsoleError, EngineLost
from cdml_tui.effects import Ran
from cdml_tui.keymap import mapped
from cdml_tui.prompt import Prompt
from cdml_tui.request_key import GivenKey, new_key
from cdml_tui.state import Asking, Confirm, Window


class Shell:
    """Carries lines out for a test, and can lose an answer."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, ...]] = []
        self.keys: list[str] = []
        self.lose = 0
        self.keyed = True

    def __call__(self, path: str, words: tuple[str, ...], key: GivenKey) -> Ran:
        self.lines.append(words)
        self.keys.append(key.value)
        key.used = self.keyed
        if words[0] == "show":
            raise ConsoleError("unknown_version", 'there is no version "v99".', "version", 404)
        if self.lose:
            self.lose -= 1
            raise EngineLost("Asking the engine: the line broke.", sent=True)
        return Ran(0, f"{' '.join(words)} was done on {path}\n")


@asynccontextmanager
async def shell(tmp_path: Path) -> AsyncIterator[tuple[Night, Shell]]:
    async with night(tmp_path) as here:
        ran = Shell()
        here.console._run_words = ran
        here.console.state = replace(here.console.state, verbs=verb_rows())
        yield here, ran


async def line(here: Night, text: str) -> None:
    for key in (":", *text, "enter"):
        await here.press({" ": "space", "-": "minus"}.get(key, key), 0.2)


async def test_a_line_that_looks_shows_what_the_verb_wrote(tmp_path: Path) -> None:
    async with shell(tmp_path) as (here, ran):
        await line(here, "versions late")
        await here.until(lambda: "versions late was done on /srv/flights" in here.text)
        assert ran.lines == [("versions", "late")]
        await here.press("r")
        await here.until(lambda: len(ran.lines) == 2)
        await here.press("q")
        assert not here.console.state.sheets


async def test_a_refused_look_says_why_on_its_page(tmp_path: Path) -> None:
    async with shell(tmp_path) as (here, _):
        await line(here, "show v99")
        await here.until(lambda: 'there is no version "v99".' in here.text)


async def test_a_line_that_changes_is_carried_out_after_y(tmp_path: Path) -> None:
    async with shell(tmp_path) as (here, ran):
        await line(here, "hold late")
        assert isinstance(here.console.state.bar, Confirm)
        assert not ran.lines
        await here.press("y")
        await here.until(lambda: "DONE: hold late was done" in here.text)


async def test_a_lost_answer_of_a_line_is_asked_again_by_the_same_key(tmp_path: Path) -> None:
    async with shell(tmp_path) as (here, ran):
        ran.lose = 1
        await line(here, "hold late")
        await here.press("y")
        await here.until(lambda: getattr(here.console.state.bar, "retry", None) is not None)
        assert isinstance(here.console.state.bar, Asking)
        assert "UNKNOWN" in here.text
        await here.tick(2.0)
        await here.until(lambda: here.console.state.outcome is not None)
        assert "DONE" in here.text
        assert len(set(ran.keys)) == 1


async def test_what_has_no_key_is_not_asked_again(tmp_path: Path) -> None:
    async with shell(tmp_path) as (here, ran):
        ran.lose, ran.keyed = 1, False
        await line(here, "reload")
        await here.press("y")
        await here.until(lambda: here.console.state.outcome is not None)
        assert "UNKNOWN whether cdml reload happened" in here.text
        assert len(ran.lines) == 1


async def test_a_paste_goes_into_the_line_and_no_further(tmp_path: Path) -> None:
    async with shell(tmp_path) as (here, ran):
        await here.press(":")
        here.console.screen.post_message(events.Paste("down\nlate\n"))
        await here.pilot.pause()
        bar = here.console.state.bar
        assert isinstance(bar, Prompt)
        assert bar.text == "down"
        await here.tick(3.0)
        assert not ran.lines


async def test_y_puts_the_command_on_the_clipboard(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        await here.press("y")
        assert here.console.clipboard == "cdml show late v3"
        assert "copied: cdml show late v3" in here.text


async def test_a_key_of_ones_own_rolls_back_and_the_usual_one_no_longer_does(
    tmp_path: Path,
) -> None:
    async with night(tmp_path) as here:
        keys = actions.key_rows(mapped({"rollback": ["f9", "B"]})[0])
        here.console.state = replace(here.console.state, keys=keys)
        await here.press("R")
        assert here.console.state.bar is None
        await here.press("f9")
        assert isinstance(here.console.state.bar, Window)
        await here.tick(0.85)
        await here.until(lambda: bool(here.engine.changes))


async def test_u_takes_back_what_another_console_did(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        changed = msgspec.structs.replace(
            flights.model(), champion="v1", undo_until=flights.ahead(seconds=50), undo_of="rollback"
        )
        here.engine.set_model(changed)
        await here.until(lambda: "u = undo rollback" in here.text)
        await here.tick(1.5)
        await here.until_fresh()
        await here.press("u")
        await here.tick(0.85)
        await here.until(lambda: bool(here.engine.changes))
        assert here.engine.changes[0][0] == "undo"


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_what_a_role_may_is_what_its_keys_do(tmp_path: Path, role: str) -> None:
    async with night(tmp_path) as here:
        here.engine.set_model(flights.model(), role=role)
        await here.until(lambda: here.console.state.snapshot.role == role)
        await here.tick(1.5)
        await here.until_fresh()
        await here.press("R")
        assert isinstance(here.console.state.bar, Window) == (role == "operator")
        if role == "viewer":
            assert "viewer: looks only" in here.text
            await here.tick(2.0)
            assert not here.engine.changes


def test_without_a_key_given_every_request_has_its_own() -> None:
    assert new_key() != new_key()
