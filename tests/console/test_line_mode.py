"""The line mode in real processes: what is said, what is not said twice, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import flights
import msgspec
import pytest
from fake_engine import Running
from pseudo_terminal import PseudoTerminal

from engine import wire

ROOT = Path(__file__).parents[2]
CDML = [sys.executable, "-P", "-m", "cdml_tui.cli"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
ANNA = wire.Onlooker("anna", "operator", flights.ago())
BEN = wire.Onlooker("ben", "viewer", flights.ago())
STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ ")


@pytest.fixture
def running(workspace: Path) -> Iterator[Running]:
    here = Running(workspace / "run" / "engine.sock")
    yield here
    here.close()


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CDML, *words], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


class Following:
    """A `cdml watch --plain` whose lines are read as they come."""

    def __init__(self, *words: str) -> None:
        self.child = subprocess.Popen(
            [*CDML, "watch", "--plain", *words], env=ENVIRONMENT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lines: list[str] = []
        # A line that never comes must not hold up the tests.
        self.patience = threading.Timer(20, self.child.kill)
        self.patience.start()

    def until(self, wanted: str) -> str:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.lines.append(line)
            if wanted in line:
                return line
        raise AssertionError(f"no {wanted!r} in {self.lines}")


@contextmanager
def following(*words: str) -> Iterator[Following]:
    here = Following(*words)
    try:
        yield here
    finally:
        here.patience.cancel()
        here.child.kill()
        here.child.wait()
        for stream in (here.child.stdin, here.child.stdout):
            assert stream is not None
            stream.close()


def test_it_says_everything_once_then_every_change(running: Running) -> None:
    with following() as here:
        here.until("late: v3 serves, logloss .472 realised n 1993; BREACH 4m")
        psi = msgspec.structs.replace(
            flights.signals()[2], last=0.19, breached=False, times=[flights.ago()], values=[0.19]
        )
        running.engine.set_model(flights.model(signals=[*flights.signals()[:2], psi]))
        assert "late: psi max .190 temp_f, live, n 2011, within its limit .200" in here.until("psi")
        running.engine.set_model(running.engine.model())
        job = flights.jobs()[0]
        done = msgspec.structs.replace(job, state="done", verdict="pass")
        running.engine.set_model(running.engine.model(), jobs=[done])
        here.until("late: validate r-31 is done: v5 pass")
        assert all(STAMP.match(line) for line in here.lines)
        assert len(set(here.lines)) == len(here.lines) == 4


def test_a_lost_engine_is_said_once_and_its_return_too(running: Running) -> None:
    with following() as here:
        here.until("late: v3 serves")
        running.close()
        here.until("CRIT link lost: ")
        again = Running(running.path)
        try:
            here.until("the engine answers again after")
            fine = msgspec.structs.replace(flights.signals()[0], last=0.4, breached=False)
            again.engine.set_model(flights.model(signals=[fine]), onlookers=[ANNA])
            here.until("logloss .400")
            again.engine.set_model(again.engine.model(), onlookers=[ANNA, BEN])
            here.until("ben (viewer) looks too")
        finally:
            again.close()
        assert sum("link lost" in line for line in here.lines) == 1


def test_json_is_the_same_a_line_each(running: Running) -> None:
    with following("--json") as here:
        first = json.loads(here.until('"kind":"state"'))
        assert set(first) == {"time", "level", "kind", "model", "text"}
        assert json.loads(here.until('"kind":"model"'))["level"] == "CRIT"


def end_of_input(child: "subprocess.Popen[str]") -> None:
    assert child.stdin is not None
    child.stdin.close()


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (end_of_input, 0),
        (lambda child: child.send_signal(signal.SIGTERM), 143),
        (lambda child: child.send_signal(signal.SIGHUP), 129),
        (lambda child: child.send_signal(signal.SIGINT), 130),
    ],
    ids=["EOF", "TERM", "HUP", "INT"],
)
def test_it_ends(
    running: Running, end: "Callable[[subprocess.Popen[str]], None]", code: int
) -> None:
    with following() as here:
        here.until("late: v3 serves")
        end(here.child)
        assert here.child.wait(5) == code


def test_it_ends_when_nobody_reads_any_more(running: Running) -> None:
    with following() as here:
        here.until("late: v3 serves")
        assert here.child.stdout is not None
        here.child.stdout.close()
        assert here.child.wait(5) == 0


def calm() -> wire.ModelState:
    fine = [msgspec.structs.replace(s, breached=False) for s in flights.signals()]
    return flights.model(breach=None, signals=fine)


def test_once_has_an_exit_code_for_cron(running: Running) -> None:
    assert run("watch", "--once").returncode == 6
    running.engine.set_model(calm())
    fine = run("watch", "--once")
    assert fine.returncode == 0
    assert "late: v3 serves, logloss .472 realised n 1993; all 5 signals within" in fine.stdout
    assert json.loads(run("watch", "--once", "--json").stdout)["within_limits"] is True
    running.engine.set_model(msgspec.structs.replace(calm(), incident=42))
    assert run("watch", "--once").returncode == 6
    running.close()
    assert run("watch", "--once").returncode == 3


def test_the_banner_names_what_is_open_and_the_key(running: Running) -> None:
    running.engine.set_model(flights.model(incident=42, alerts=[flights.alert()]))
    told = run("motd")
    assert told.returncode == 0
    said = "INC-42 late v3 KPI cost 4m, R = v1 (cdml, or cdml rollback late)\n"
    assert told.stdout == said
    running.engine.set_model(calm())
    assert run("motd").stdout.startswith("cdml late v3, logloss .472 realised n 1993; all 5 sig")


def test_the_banner_never_keeps_a_login_waiting(running: Running, workspace: Path) -> None:
    running.engine.silent = True
    began = time.monotonic()
    told = run("motd")
    assert (told.returncode, told.stderr) == (0, "")
    assert "does not answer in time" in told.stdout
    assert time.monotonic() - began < 5.0, "it gave up long before the engine's own patience"
    running.engine.silent = False
    running.close()
    told = run("motd")
    assert (told.returncode, told.stderr) == (0, "")
    assert "the engine is down; cdml up -w" in told.stdout


def test_the_banner_is_silent_where_there_is_no_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    told = subprocess.run(
        [*CDML, "motd"], env={**ENVIRONMENT, "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_watch_without_a_terminal_says_what_to_do_instead(running: Running) -> None:
    refused = run("watch")
    assert refused.returncode == 2
    assert "cdml watch --plain" in refused.stderr


def test_a_dumb_terminal_gets_lines_and_says_why(running: Running) -> None:
    with PseudoTerminal(running.path, command=CDML, TERM="dumb") as terminal:
        terminal.until("late: v3 serves")
        assert b"TERM is 'dumb'" in terminal.raw
        assert b"\x1b" not in terminal.raw
        terminal.press("\x04")
        assert terminal.leave() == 0


def test_a_redirected_stderr_is_said_and_not_drawn_on(running: Running) -> None:
    words = ["sh", "-c", 'exec "$@" 2>log', "sh", *CDML]
    with PseudoTerminal(running.path, command=words) as terminal:
        assert terminal.leave() == 2
    assert "stderr is not a terminal" in Path("log").read_text(encoding="utf-8")


def test_a_line_mode_whose_terminal_is_gone_ends(running: Running) -> None:
    with PseudoTerminal(running.path, command=[*CDML, "watch", "--plain"]) as terminal:
        terminal.until("late: v3 serves")
        terminal.hang_up()
        assert terminal.child.wait(5) in (0, 1, 129)


def test_under_nohup_it_outlives_a_hup(running: Running) -> None:
    nohup = 'trap "" HUP; exec "$@"'
    command = ["sh", "-c", nohup, "sh", *CDML, "watch", "--plain"]
    with PseudoTerminal(running.path, command=command) as terminal:
        terminal.until("late: v3 serves")
        terminal.signal(signal.SIGHUP)
        job = msgspec.structs.replace(flights.jobs()[0], state="done")
        running.engine.set_model(running.engine.model(), jobs=[job])
        terminal.until("is done")
        terminal.press("\x04")
        assert terminal.leave() == 0
