"""The console in a real pseudo-terminal: one key rolls back, the terminal is always put back."""

import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from fake_engine import Running
from pseudo_terminal import CONSOLE, PseudoTerminal

from cdml_tui.state import Theme
from cdml_tui.terminal import Terminal

SGR = re.compile(rb"\x1b\[([0-9;]*)m")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    here = Running(tmp_path / "engine.sock")
    yield here
    here.close()


def restored(terminal: PseudoTerminal) -> bool:
    return terminal.settings_put_back() and not terminal.modes_not_put_back()


def test_one_key_rolls_back_at_80x24(running: Running) -> None:
    with PseudoTerminal(running.path) as terminal:
        terminal.until("R = roll back to v1 (READY)")
        shown = time.monotonic()
        # The second of looking is the rule under test; it cannot be injected into a real process.
        while time.monotonic() - shown < 1.2:
            terminal.read(0.05)
        assert len(terminal.raw) <= 12 * 1024, "the first screen is a small one"
        painted = len(terminal.raw)
        terminal.read(1.1)
        assert len(terminal.raw) == painted, "nothing changed, so nothing was written"
        terminal.press("R")
        terminal.until("any key = cancel")
        assert not running.engine.changes
        took = terminal.until("v1 serving: 37 predictions by v1")
        assert 0.5 < took < 3.0
        assert [verb for verb, _ in running.engine.changes] == ["rollback"]
        terminal.press("q")
        terminal.until("press q again")
        terminal.press("q")
        assert terminal.leave() == 0
        assert restored(terminal)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_put_back_after_a_signal(running: Running, sign: signal.Signals) -> None:
    with PseudoTerminal(running.path) as terminal:
        terminal.until("READY for rollback")
        terminal.signal(sign)
        assert terminal.leave() == 128 + sign
        assert restored(terminal)


def test_pasted_text_changes_nothing(running: Running) -> None:
    with PseudoTerminal(running.path) as terminal:
        terminal.until("READY for rollback")
        terminal.press("\x1b[200~R\x1b[201~")
        terminal.until("paste ignored")
        terminal.press("make R; P; T y")
        terminal.until("ignored")
        assert not running.engine.changes


def test_a_plain_locale_and_no_colour_draw_in_ascii(running: Running) -> None:
    with PseudoTerminal(running.path, LC_ALL="C", NO_COLOR="1") as terminal:
        terminal.until("READY for rollback")
        assert terminal.raw.isascii()
        codes = {c for sgr in SGR.findall(terminal.raw) for c in sgr.split(b";")}
        assert not {c for c in codes if c[:1] in b"349" and len(c) == 2} - {b"39", b"49"}
        terminal.signal(signal.SIGTERM)
        assert terminal.leave() == 143


@pytest.mark.parametrize("theme", [t for t in get_args(Theme) if t != "ansi-dark"])
def test_no_theme_draws_a_colour_where_none_is_wanted(running: Running, theme: str) -> None:
    with PseudoTerminal(running.path, NO_COLOR="1", CDML_THEME=theme) as terminal:
        terminal.until("READY for rollback")
        codes = {c for sgr in SGR.findall(terminal.raw) for c in sgr.split(b";")}
        assert not {c for c in codes if c[:1] in b"349" and len(c) == 2} - {b"39", b"49"}
        terminal.signal(signal.SIGTERM)
        assert terminal.leave() == 143


def test_twenty_four_bits_are_used_only_where_asked_for(running: Running) -> None:
    for theme, used in (("truecolor", True), ("colour-blind", False)):
        with PseudoTerminal(running.path, COLORTERM="truecolor", CDML_THEME=theme) as terminal:
            terminal.until("READY for rollback")
            assert any(b"38;2;" in sgr for sgr in SGR.findall(terminal.raw)) is used
            terminal.signal(signal.SIGTERM)
            terminal.leave()


def test_a_crash_puts_the_terminal_back_and_says_so_in_a_sentence(running: Running) -> None:
    crash = "from cdml_tui.app import Console; Console.tick = lambda self: 1 / 0\n" + CONSOLE
    command = [sys.executable, "-c", crash, str(running.path)]
    with PseudoTerminal(running.path, command=command) as terminal:
        assert terminal.leave() == 1
        assert restored(terminal)
        assert "Traceback" not in terminal.text
        assert "CDML_DEBUG=1" in terminal.text, terminal.text


def test_a_terminal_that_takes_nothing_cannot_keep_the_console(running: Running) -> None:
    with PseudoTerminal(running.path) as terminal:
        terminal.until("READY for rollback")
        terminal.hold()
        terminal.press("a")
        terminal.signal(signal.SIGTERM)
        assert terminal.child.wait(15) == 143


@pytest.mark.parametrize("term", ["xterm", "screen", "tmux-256color", "linux", "nonsense"])
def test_any_terminal_type_is_drawn_on(running: Running, term: str) -> None:
    with PseudoTerminal(running.path, TERM=term) as terminal:
        terminal.until("READY for rollback")
        terminal.signal(signal.SIGTERM)
        assert terminal.leave() == 143


def test_without_an_engine_it_opens_and_waits(running: Running) -> None:
    running.close()
    with PseudoTerminal(running.path) as terminal:
        terminal.until("NO ENGINE")
        again = Running(running.path)
        try:
            terminal.until("READY for rollback")
        finally:
            again.close()
        terminal.until("rollback late --offline")
        terminal.signal(signal.SIGTERM)
        assert terminal.leave() == 143


@pytest.mark.parametrize(
    ("env", "glyphs"),
    [
        ({"LANG": "en_US.UTF-8", "TERM": "xterm"}, "unicode"),
        ({"LANG": "en_US.UTF-8", "TERM": "linux"}, "ascii"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C", "TERM": "xterm"}, "ascii"),
        ({"TERM": "xterm"}, "ascii"),
    ],
)
def test_signs_follow_the_locale(env: dict[str, str], glyphs: str) -> None:
    assert Terminal(env).glyphs() == glyphs


@pytest.mark.parametrize(
    ("env", "theme"),
    [
        ({}, "ansi-dark"),
        ({"COLORFGBG": "15;0"}, "ansi-dark"),
        ({"COLORFGBG": "0;15"}, "ansi-light"),
        ({"COLORFGBG": "0;15", "CDML_THEME": "high-contrast"}, "high-contrast"),
        ({"CDML_THEME": "pink"}, "ansi-dark"),
    ],
)
def test_colours_follow_the_background_unless_a_theme_is_named(
    env: dict[str, str], theme: str
) -> None:
    assert Terminal(env).theme() == theme
