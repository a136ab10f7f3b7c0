"""What the engine must never do, seen from inside its processes and from the kernel."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.wire import Change, RunRequest
from tests.box import ROOT, Box, deliver, row
from tests.faults.intruder import SECRET, Bait, Both, corpus, lured
from tests.faults.kills import LATER
from tests.faults.scene import AGAIN, Inside, watched

NAMES = 8
STRANGE = "\x1b]0;owned\x07\x1b[2J[bold red]x[/]\u202e"


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


def whole_day(box: Box, folder: Path) -> None:
    """Have everything happen that usually does: rows, labels, a training, changes, a backup."""
    assert box.predict(row("day"))[0] == 200
    label = {"id": "day", "ts": "2024-02-01T09:00:00Z", "value": True}
    assert box.post("labels", json.dumps({"labels": [label]}).encode())[0] == 200
    box.control.ingest("late", deliver(folder / "day.csv", 11, LATER))
    box.ask("train", "late", "--wait")
    box.control.change("promote", "late", Change("p", to="v2", override=AGAIN, reason=STRANGE))
    box.control.change("rollback", "late", Change("r", reason="a test"))
    box.control.start("monitor", "late", RunRequest("m", reason=STRANGE))
    box.control.back_up()


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


def test_the_prediction_port_has_no_control(seen: tuple[Box, Inside, Bait]) -> None:
    box, _, _ = seen
    with Both(box) as both:
        for side, method, path in both.operations():
            if side == "control" and path != "/api/v1/openapi.json":
                target = path.replace("{model}", "late").replace("{version}", "v1")
                assert both.ask("port", method, target, b"")[0] == 404, path


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


def test_secrets_are_in_no_log_answer_or_metric(
    seen: tuple[Box, Inside, Bait], tmp_path: Path
) -> None:
    box, _, _ = seen
    made = box.run("token", "new", "tower").stdout.strip()
    guess = f"cdml_{secrets.token_urlsafe(32)}"
    said = []
    with Both(box) as both:
        for token in (made, guess):
            link = both._links["port"]
            for target in ("/metrics", "/v1/models/late/predict", "/nosuch", "/v2/models/late"):
                link.request("GET", target, headers={"authorization": f"Bearer {token}"})
                said.append(link.getresponse().read())
        looks = ("/api/v1/state", "/api/v1/events/recent", "/api/v1/audit")
        said += [both.ask("control", "GET", target, b"")[1] for target in looks]
    said += [p.read_bytes() for p in (box.path / "logs").rglob("*") if p.is_file()]
    said += [p.read_bytes() for p in (box.path / "backups").rglob("*.json")]
    said += [box.run("doctor", code=None).stdout.encode()]
    key = (box.path / "keys" / "private").read_bytes()
    for secret in (made.encode(), made.removeprefix("cdml_").encode(), guess.encode(), key,
                   key.hex().encode()):  # fmt: skip
        assert not [text[:100] for text in said if secret in text]
    for pid in box.processes():
        for file in ("cmdline", "environ"):
            assert made.encode() not in Path(f"/proc/{pid}/{file}").read_bytes()


def test_the_search_for_losses_needs_none_of_our_code() -> None:
    code = "import sys, tests.faults.lost; print([m for m in sys.modules if m.startswith(%r)])"
    for package in ("engine", "cdml_tui", "tests.box"):
        run = subprocess.run(
            [sys.executable, "-c", code % package], cwd=ROOT, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        assert run.stdout.strip() == "[]"
