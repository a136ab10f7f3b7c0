"""What the engine must never do, seen from inside its processes and from the kernel."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.wire import Change
from tests.box import ROOT, Box, row
from tests.faults import hidden, reached
from tests.faults.day import STRANGE, whole_day
from tests.faults.intruder import SECRET, Bait, corpus, lured
from tests.faults.scene import AGAIN, Inside, watched

NAMES = 8


@pytest.fixture(scope="module")
def seen(
    stock: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Box, Inside, Bait]]:
    """Return a running workspace whose every open, call and unpickling is noted."""
    folder = tmp_path_factory.mktemp("seen")
    bait = Bait(folder / "bait.json")
    with watched(stock, folder, touched=True) as (box, inside):
        (box.path / "artifacts" / f"{'0' * 64}.json").symlink_to(bait.path)
        box.up()
        yield box, inside, bait
    bait.take_away()


def test_no_name_in_any_request_leads_to_a_file_elsewhere(
    seen: tuple[Box, Inside, Bait], tmp_path: Path
) -> None:
    box, inside, bait = seen
    whole_day(box, tmp_path)
    wrong, count = lured(box, corpus(bait.path, "0" * 64)[:NAMES])
    assert wrong == []
    assert count > 500
    assert not bait.opened()
    assert bait.path.read_text() == SECRET
    assert bait.opened()  # the watch would have told
    assert box.predict(row("after"))[0] == 200
    assert inside.noted("opened") == []


def test_nothing_is_called_unpickled_or_started_but_our_own_processes(
    seen: tuple[Box, Inside, Bait], tmp_path: Path
) -> None:
    box, inside, _ = seen
    assert box.predict(row("calls"))[0] == 200
    own = ("127.0.0.1", box.port)
    called = {words[1] for words in inside.noted("called")}
    assert called <= {str(own)}
    assert inside.noted("pickle.find_class") == []
    assert {words[1] for words in inside.noted("started")} <= {sys.executable}
    verbs = {words[0] for words in inside.noted("point")}
    assert {"run", "serve"} <= verbs  # they were looked at


def test_what_people_write_reaches_no_terminal_as_a_command(
    seen: tuple[Box, Inside, Bait],
) -> None:
    box, _, _ = seen
    box.control.change("promote", "late", Change("x", to="v2", override=AGAIN, reason=STRANGE))
    for words in (
        ["status"], ["events"], ["audit"], ["jobs"], ["versions", "late"], ["show", "late", "v2"],
        ["alerts"], ["incidents"],
    ):  # fmt: skip
        said = box.run(*words, code=None).stdout
        assert "\x1b]" not in said
        assert "\x1b[2J" not in said, words
        assert "\u202e" not in said, words


def test_it_listens_on_one_port_of_this_machine_and_two_sockets(
    seen: tuple[Box, Inside, Bait],
) -> None:
    box, _, _ = seen
    assert reached.listening(box) == reached.expected(box)


def test_secrets_are_in_no_log_answer_number_file_or_core(stopped: Box) -> None:
    known = hidden.planted(stopped)
    stopped.up()
    count, wrong = hidden.leaks(stopped, known)
    assert wrong == []
    assert count > 80


def test_the_search_for_losses_needs_none_of_our_code() -> None:
    code = "import sys, tests.faults.lost; print([m for m in sys.modules if m.startswith(%r)])"
    for package in ("engine", "cdml_tui", "tests.box"):
        run = subprocess.run(
            [sys.executable, "-c", code % package], cwd=ROOT, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        assert run.stdout.strip() == "[]"
