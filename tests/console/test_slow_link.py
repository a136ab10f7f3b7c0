"""A slow line: what counts as slow, and a console on one whose keys do not wait behind paint."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_engine import Running
from pseudo_terminal import PseudoTerminal

from cdml_tui.widgets.driver import QUESTION, Pace, TimedFile

ANSWER = "\x1b[?2026;2$y"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    here = Running(tmp_path / "engine.sock")
    yield here
    here.close()


def test_one_slow_flush_is_slow_and_three_quick_ones_are_fast_again() -> None:
    pace = Pace()
    assert [pace.took(s) for s in (0.3, 0.31, 0.1, 0.2, 0.4, 0.1, 0.1, 0.1)] == [
        *(False, True, True, True),
        *(True, True, True, False),
    ]


class Tty:
    """A terminal whose flush takes its time, or which is gone."""

    def __init__(self, clock: "Clock", seconds: float, *, gone: bool = False) -> None:
        self.clock, self.seconds, self.gone = clock, seconds, gone

    def write(self, text: str) -> int:
        if self.gone:
            raise OSError(5, "gone")
        return len(text)

    def flush(self) -> None:
        self.write("")
        self.clock.at += self.seconds


class Clock:
    at = 10.0

    def __call__(self) -> float:
        return self.at


def test_a_frame_is_timed_from_its_first_byte_until_it_is_taken() -> None:
    clock, told = Clock(), []
    file = TimedFile(Tty(clock, 0.5), told.append, clock)  # type: ignore[arg-type]
    file.write("one")
    clock.at += 0.25
    file.write("two")
    assert file.on_its_way_s() == 0.25
    file.flush()
    assert (told, file.on_its_way_s()) == ([0.75], 0.0)
    file.flush()
    assert told == [0.75]


def test_a_terminal_that_is_gone_breaks_nothing() -> None:
    clock, told = Clock(), []
    file = TimedFile(Tty(clock, 0.0, gone=True), told.append, clock)  # type: ignore[arg-type]
    assert file.write("one") == 3
    file.flush()
    assert told == [0.0]


def asked(terminal: PseudoTerminal) -> int:
    return terminal.raw.count(QUESTION.encode())


def until_asked(terminal: PseudoTerminal, times: int) -> None:
    start = time.monotonic()
    while asked(terminal) < times:
        assert time.monotonic() - start < 5, terminal.text
        terminal.read(0.05)


def test_a_late_answer_is_a_slow_link_and_the_newest_state_is_drawn_after_it(
    running: Running,
) -> None:
    with PseudoTerminal(running.path) as terminal:
        terminal.until("READY for rollback")
        terminal.press(ANSWER)  # to the question asked at the start: this terminal answers
        terminal.press("a")
        until_asked(terminal, 2)
        late = time.monotonic() + 0.5
        while time.monotonic() < late:
            terminal.read(0.05)
        owed = len(terminal.raw)
        terminal.press("j")
        terminal.press("j")
        terminal.read(0.3)
        assert len(terminal.raw) == owed, "no frame is sent after one that has not arrived"
        terminal.press(ANSWER)
        until_asked(terminal, 3)
        assert "slow link" in terminal.text
        for times, key in enumerate("kjk", 4):
            terminal.press(ANSWER)
            terminal.press(key)
            until_asked(terminal, times)
        terminal.press(ANSWER)
        start = time.monotonic()
        while "slow link" in terminal.text:
            assert time.monotonic() - start < 5, terminal.text
            terminal.read(0.05)


def test_a_terminal_that_answers_nothing_is_asked_nothing(running: Running) -> None:
    with PseudoTerminal(running.path) as terminal:
        terminal.until("READY for rollback")
        terminal.press("j")
        terminal.until("> v1")
        assert asked(terminal) == 1, "the one at the start"


def test_a_line_that_goes_without_a_word_ends_the_console(running: Running) -> None:
    with PseudoTerminal(running.path) as terminal:
        terminal.until("READY for rollback")
        terminal.hang_up()
        assert terminal.child.wait(5) == 129


def test_a_terminal_that_falls_silent_is_drawn_on_again(running: Running) -> None:
    with PseudoTerminal(running.path) as terminal:
        terminal.until("READY for rollback")
        terminal.press(ANSWER)
        terminal.press("j")
        until_asked(terminal, 2)
        terminal.press("j")
        terminal.until("> v4", 15.0)
        terminal.press("j")
        terminal.until("> v5", 2.0)
        assert asked(terminal) == 2
