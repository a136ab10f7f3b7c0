"""The Textual application under Pilot, against a real engine on a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import flights
import msgspec
import pytest
from fake_engine import Engine, Running
from textual import events
from textual.pilot import Pilot

from cdml_tui.app import Console
from cdml_tui.client import Client
from cdml_tui.panes.line import text_of
from cdml_tui.screens.frame import shown
from cdml_tui.state import (
    Asking,
    Confirm,
    Explain,
    Glyphs,
    Proving,
    Screen,
    Typing,
    Window,
    link_of,
)


class Clock:
    """Monotonic time that moves when told."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Night:
    """One operator, one console, one engine."""

    pilot: Pilot[int]
    console: Console
    clock: Clock
    running: Running

    @property
    def engine(self) -> Engine:
        return self.running.engine

    @property
    def text(self) -> str:
        return "\n".join(text_of(one) for one in shown(self.console.state, 80, 24))

    async def press(self, key: str, after: float = 0.5) -> None:
        self.clock.at += after
        await self.pilot.press(key)
        await self.pilot.pause()

    async def tick(self, seconds: float) -> None:
        self.clock.at += seconds
        self.console.tick()
        await self.pilot.pause()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110 - the screen changes from several threads
                await asyncio.sleep(0.01)

    async def until_fresh(self) -> None:
        """Wait for a sign of life at the present moment of the clock."""
        at = self.clock.at
        self.engine.set_model(self.engine.model())
        await self.until(lambda: (self.console.state.heard or 0.0) >= at)


@asynccontextmanager
async def night(tmp_path: Path, glyphs: Glyphs = "unicode") -> AsyncIterator[Night]:
    running, clock = Running(tmp_path / "engine.sock"), Clock()
    client = Client(running.path)
    console = Console(client, Screen(path="/srv/flights", glyphs=glyphs), monotonic=clock)
    try:
        async with console.run_test(size=(80, 24)) as pilot:
            here = Night(pilot, console, clock, running)
            await here.until(lambda: console.state.snapshot is not None)
            await here.tick(2.0)
            await here.until_fresh()
            yield here
    finally:
        running.close()
        client.close()


async def test_r_rolls_back_and_is_done_when_served(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        here.engine.prove_after = 3
        await here.press("R")
        assert isinstance(here.console.state.bar, Window)
        assert "any key = cancel" in here.text
        assert not here.engine.changes
        await here.tick(0.85)
        await here.until(lambda: isinstance(here.console.state.bar, Proving))
        for _ in range(2):
            await here.until(lambda: getattr(here.console.state.bar, "retry", None) is not None)
            await here.tick(0.3)
        await here.until(lambda: here.console.state.outcome is not None)
        assert "v1 serving: 37 predictions by v1, 0 by v3 since" in here.text
        verb, change = here.engine.changes[0]
        assert (verb, change.expect, change.to) == ("rollback", "v3", "v1")
        await here.until(lambda: "u = undo" in here.text)


async def test_any_key_cancels(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        await here.press("R")
        await here.press("space")
        await here.tick(3.0)
        assert not here.engine.changes


async def test_a_paste_never_acts(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        here.console.screen.post_message(events.Paste("R"))
        await here.pilot.pause()
        assert "pasted text never acts" in here.text
        await here.press("R")
        here.console.screen.post_message(events.Paste("y"))
        await here.pilot.pause()
        await here.tick(3.0)
        assert not here.engine.changes


async def test_p_promotes_the_selected_version(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        await here.press("j")
        await here.press("j")
        assert here.console.state.selected == "v4"
        await here.tick(1.5)
        await here.until_fresh()
        await here.press("P")
        await here.tick(0.85)
        await here.until(lambda: here.console.state.outcome is not None)
        verb, change = here.engine.changes[0]
        assert (verb, change.to) == ("promote", "v4")


async def test_an_override_is_typed(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        for _ in range(3):
            await here.press("j")
        await here.press("P")
        assert isinstance(here.console.state.bar, Typing)
        for key in ("v", "5", "enter", *"fog", "enter"):
            await here.press(key)
        await here.until(lambda: bool(here.engine.changes))
        _, change = here.engine.changes[0]
        assert (change.override, change.reason) == (["gate_inconclusive"], "fog")


async def test_u_takes_the_change_back(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        await here.press("u")
        assert isinstance(here.console.state.bar, Explain)
        await here.press("escape")
        await here.press("R")
        await here.tick(0.85)
        await here.until(lambda: here.console.state.outcome is not None)
        await here.until(lambda: "u = undo" in here.text)
        await here.tick(1.5)
        await here.until_fresh()
        await here.press("u")
        assert isinstance(here.console.state.bar, Window)
        await here.tick(0.85)
        await here.until(lambda: len(here.engine.changes) == 2)
        assert here.engine.changes[1][0] == "undo"
        await here.until(lambda: here.engine.model().champion == "v3")


async def test_t_asks_for_y(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        await here.press("T")
        assert isinstance(here.console.state.bar, Confirm)
        await here.press("y")
        await here.until(lambda: bool(here.engine.changes))
        await here.until(lambda: "STARTED" in here.text)


async def test_the_worst_alert_is_acknowledged_by_one_key(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        here.engine.set_model(flights.model(alerts=[flights.alert(3)]))
        await here.until(lambda: bool(here.console.state.snapshot.models[0].alerts))
        await here.press("A")
        await here.tick(0.85)
        await here.until(lambda: bool(here.engine.changes))
        assert here.engine.changes[0][0] == "ack"
        await here.until(lambda: "DONE: alert ack done" in here.text)


async def test_help_lists_every_key_and_closes(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        await here.press("?")
        assert here.console.state.sheets[-1].subject.page == "help"
        await here.press("R")
        await here.press("q")
        assert not here.console.state.sheets
        assert not here.engine.changes


async def test_a_silent_engine_makes_r_ask(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        here.engine.silent = True
        await here.tick(7.0)
        assert link_of(here.console.state) == "stale"
        assert "nothing heard for" in here.text
        await here.press("R")
        assert isinstance(here.console.state.bar, Confirm)
        await here.press("y")
        await here.until(lambda: bool(here.engine.changes))


async def test_a_conflict_is_told_in_the_engines_words(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        here.engine.overtaken_by = "already on v1 by ben 4 s ago"
        await here.press("R")
        await here.tick(0.85)
        await here.until(lambda: "REFUSED: already on v1 by ben 4 s ago" in here.text)


async def test_a_lost_answer_is_unknown_until_the_same_key_is_answered(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        here.engine.lose_answers = 2
        await here.press("R")
        await here.tick(0.85)
        for tries in (1, 2):
            await here.until(lambda: getattr(here.console.state.bar, "retry", None) is not None)
            bar = here.console.state.bar
            assert isinstance(bar, Asking)
            assert bar.tries == tries
            assert "UNKNOWN" in here.text
            await here.tick(2.0)
        await here.until(lambda: here.console.state.outcome is not None)
        assert "DONE" in here.text
        keys = {change.idempotency_key for _, change in here.engine.changes}
        assert (len(here.engine.changes), len(keys)) == (3, 1)
        assert here.engine.model().generation == 5, "it happened once"


async def test_the_console_outlives_the_engine_and_finds_the_next_one(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        here.running.close()
        await here.until(lambda: link_of(here.console.state) == "lost")
        await here.tick(3.0)
        assert "cdml -w /srv/flights rollback late --offline" in here.text
        assert "v3   champion" in here.text, "what was known stays"
        await here.press("R")
        await here.press("y")
        # Without an engine the key runs the offline command; here there is no workspace behind it.
        await here.until(lambda: "REFUSED" in here.text and "cdml.toml" in here.text)
        here.running = Running(here.running.path)
        other = msgspec.structs.replace(flights.model(), champion="v1")
        here.engine.set_model(other)
        await here.until(lambda: link_of(here.console.state) == "live")
        await here.until(lambda: here.console.state.snapshot.models[0].champion == "v1")


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20, 5), (40, 10), (160, 48)])
async def test_any_size_is_drawn(tmp_path: Path, width: int, height: int) -> None:
    async with night(tmp_path, "ascii") as here:
        await here.pilot.resize_terminal(width, height)
        await here.pilot.pause()
        await here.press("R")
        assert isinstance(here.console.state.bar, Window)


async def test_q_q_leaves(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        await here.press("q")
        assert "press q again to leave" in here.text
        await here.press("q")
        assert here.console.return_value == 0
