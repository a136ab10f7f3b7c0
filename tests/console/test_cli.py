"""The one-shot command line against a real HTTP server on a Unix socket."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cdml_tui import cli
from engine import wire
from tests.console.socket_engine import (
    JOB,
    STATUS,
    Fake,
    M,
    plan,
    state,
)

ROOT = Path(__file__).parents[2]
Output = pytest.CaptureFixture[str]


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `cdml` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cdml_tui.cli", *words],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
    )


def error(text: str) -> dict[str, object]:
    body = json.loads(text)
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message", "field"]
    return dict(body["error"])


def test_status_as_json_is_the_contract_and_nothing_else(fake: Fake) -> None:
    done = run("status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "engine": "ready",
        "serving": "up",
        "models": [
            {
                "model": "late",
                "champion": "v2",
                "generation": 2,
                "locks": [],
                "rollback": {"to": "v1", "ready": True, "why": "", "checks": [], "measured": ""},
                "incident": None,
                "rollout": "",
                "alerts": 0,
            }
        ],
        "wall": "",
        "untold": {},
        "stands_in": None,
        "lacking": "",
    }


def test_options_are_taken_before_and_after_the_verb(fake: Fake, capsys: Output) -> None:
    here = str(Path.cwd())
    answers = []
    for words in (
        ["-w", here, "--json", "status"],
        ["status", "-w", here, "--json"],
        ["--json", "status", f"--workspace={here}"],
    ):
        assert cli.main(words) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1] == answers[2]


def test_status_drags_in_nothing_heavy(fake: Fake) -> None:
    script = (
        "import sys; from cdml_tui import cli; code = cli.main(['status']); "
        "print([m for m in ('textual', 'rich', 'sklearn', 'duckdb', 'numpy', 'engine.settings') "
        "if m in sys.modules], code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=False,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines()[-1] == "[] 0"


def test_versions_have_the_contracts_keys_and_a_plain_table(fake: Fake, capsys: Output) -> None:
    assert cli.main(["versions", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert list(rows[0]) == [
        "version", "fitness", "roles", "share_pct", "verdict", "trained_from", "trained_to",
        "generation",
    ]  # fmt: skip
    assert cli.main(["versions", "late"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "[bold]x" in text
    heads, first, *_ = text.splitlines()
    assert heads.index("VERDICT") == first.index("pass")


def test_a_table_on_a_terminal_shows_brackets_as_they_are(fake: Fake) -> None:
    leader, follower = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "cdml_tui.cli", "versions"],
        stdout=follower,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "200"},
    )
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 4096):
            shown += part
    except OSError:
        pass  # the terminal's other end has gone: that is its end of file
    os.close(leader)
    assert done.wait(60) == 0
    assert b"[bold]x" in shown
    assert b"\x1b[2J" not in shown


def test_a_change_as_json_has_six_keys(fake: Fake, capsys: Output) -> None:
    words = ["rollback", "late", "--expect", "v2", "--reason", "hurts", "--attack", "--json"]
    assert cli.main(words) == 0
    assert json.loads(capsys.readouterr().out) == {
        "model": "late",
        "from": "v2",
        "to": "v1",
        "generation": 3,
        "audit_seq": 41,
        "changed": True,
    }
    sent = fake.sent(f"POST {M}/rollback")[0]
    assert (sent.expect, sent.reason, sent.attack, sent.to) == ("v2", "hurts", True, None)
    assert len(sent.idempotency_key.removeprefix("cdml.")) == 32


def test_a_second_rollback_says_so_and_is_done(fake: Fake, capsys: Output) -> None:
    said = "already rolled back from v2 to v1 at 03:04"
    again = wire.ChangeAnswer("late", "v2", "v1", 3, 41, False, said)
    fake.routes[f"POST {M}/rollback"] = (200, again)
    assert cli.main(["rollback", "late"]) == 0
    assert capsys.readouterr().out == said + "\n"


def test_promote_takes_the_one_version_that_is_ready(fake: Fake, capsys: Output) -> None:
    assert cli.main(["promote"]) == 0
    sent = fake.sent(f"POST {M}/promote")[0]
    assert (sent.to, sent.expect) == ("v3", "v2")
    fake.routes["GET /api/v1/state"] = (200, state({"v3": plan("v3", False)}))
    assert cli.main(["promote", "late"]) == 4
    assert "v3: its gate failed" in capsys.readouterr().err
    both = {"v3": plan("v3", True), "v4": plan("v4", True)}
    fake.routes["GET /api/v1/state"] = (200, state(both))
    assert cli.main(["promote", "late"]) == 2


@pytest.mark.parametrize("words", [["promote", "late", "v3"], ["promote", "v3"]])
def test_promote_understands_a_version_with_and_without_its_model(
    fake: Fake, words: list[str]
) -> None:
    assert cli.main(words) == 0
    assert fake.sent(f"POST {M}/promote")[0].to == "v3"


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [(409, "hold", 4), (409, "conflict", 5), (422, "bad", 2), (404, "unknown", 2),
     (403, "role", 4), (503, "unavailable", 3), (500, "corrupt", 1)],
)  # fmt: skip
def test_each_refusal_has_its_exit_code(
    fake: Fake, capsys: Output, status: int, code: str, exit_code: int
) -> None:
    body = wire.ErrorAnswer(wire.ErrorBody(code, "why and what next", "version"))
    fake.routes[f"POST {M}/rollback"] = (status, body)
    assert cli.main(["rollback", "late", "--json"]) == exit_code
    told = capsys.readouterr()
    assert told.out == ""
    assert error(told.err) == {"code": code, "message": "why and what next", "field": "version"}


def test_a_lost_answer_is_asked_again_with_the_same_key(fake: Fake, capsys: Output) -> None:
    fake.lose = 1
    assert cli.main(["rollback", "late", "--json"]) == 0
    keys = {change.idempotency_key for change in fake.sent(f"POST {M}/rollback")}
    assert (len(fake.bodies), len(keys)) == (2, 1)
    fake.lose = 2
    assert cli.main(["rollback", "late"]) == 3
    assert "UNKNOWN" in capsys.readouterr().err


def test_no_engine_is_exit_3_and_names_the_way_without_it(workspace: Path) -> None:
    done = run("rollback", "late", "--json")
    assert (done.returncode, done.stdout) == (3, "")
    assert "--offline" in str(error(done.stderr)["message"])


def test_ingest_sends_the_bytes_and_quarantine_is_exit_4(
    fake: Fake, workspace: Path, capsys: Output
) -> None:
    (workspace / "a.csv").write_bytes(b"x,y\n1,2\n")
    took = wire.UploadAnswer("late", "a.csv", "accepted", "d1", 1)
    fake.routes[f"POST {M}/ingest"] = (200, took)
    assert cli.main(["ingest", "a.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["verdict"] == "accepted"
    assert (f"POST {M}/ingest", b"x,y\n1,2\n") in fake.bodies
    aside = wire.UploadAnswer("late", "a.csv", "quarantined", None, 0, ["y is missing"])
    fake.routes[f"POST {M}/ingest"] = (200, aside)
    assert cli.main(["ingest", "late", "a.csv"]) == 4
    assert cli.main(["ingest", "late", "a.csv", "b.csv"]) == 2


def test_events_are_written_and_a_broken_chain_is_exit_1(fake: Fake, capsys: Output) -> None:
    assert cli.main(["events"]) == 0
    assert "v3 passed" in capsys.readouterr().out
    broken = wire.AuditAnswer([], False, "h", "entry 4 does not match its hash")
    fake.routes["GET /api/v1/audit"] = (200, broken)
    assert cli.main(["audit", "--verify"]) == 1
    assert "entry 4" in capsys.readouterr().out


def test_down_waits_until_nobody_answers(fake: Fake) -> None:
    fake.routes["POST /api/v1/stop"] = (200, {})
    done = run("down", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"stopped": True})
    assert run("down").returncode == 3


def test_the_model_must_be_named_where_there_are_two(fake: Fake, capsys: Output) -> None:
    two = [*STATUS.models, msgspec.structs.replace(STATUS.models[0], model="price")]
    fake.routes["GET /api/v1/status"] = (200, msgspec.structs.replace(STATUS, models=two))
    assert cli.main(["versions"]) == 2
    assert "late, price" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["statsu"], 'The nearest is "status"'),
        (["versions", "--jsn"], "--jsn"),
        (["-w"], "needs a folder"),
        (["promote", "--override", "gate"], "--reason"),
        (["show"], "VERSION"),
        (["-w", "/nowhere/at/all", "status"], "no such folder"),
        ([], "is not a terminal"),
    ],
)
def test_a_command_line_that_cannot_be_meant_is_exit_2(
    workspace: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115, PTH123
    assert cli.main(words) == 2
    assert said in capsys.readouterr().err
    sys.stdin.close()


def test_the_workspace_is_found_in_the_order_that_is_promised(
    fake: Fake, workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    deep = workspace / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert cli.main(["status"]) == 0
    monkeypatch.setenv("CDML_WORKSPACE", "/nowhere")
    assert cli.main(["status"]) == 2
    assert cli.main(["-w", str(workspace), "status"]) == 0
    monkeypatch.delenv("CDML_WORKSPACE")
    monkeypatch.chdir("/")
    assert cli.main(["status"]) == 2
    note = workspace / ".config" / "cdml" / "workspace"
    note.parent.mkdir(parents=True)
    note.write_text(f"{workspace}\n")
    assert cli.main(["status"]) == 0


def test_ctrl_c_leaves_quietly(fake: Fake) -> None:
    fake.routes[f"POST {M}/train"] = (200, JOB)
    fake.routes["GET /api/v1/jobs/r-1"] = (200, JOB)
    # Whoever started the tests may ignore the signal, and a child would inherit that.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from cdml_tui.cli import main; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "train", "--wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stderr is not None
    process.stderr.readline()  # it has told the run's state, so it is waiting
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def test_a_surprise_is_one_sentence_unless_debugging(fake: Fake) -> None:
    fake.routes["GET /api/v1/status"] = (200, ["not", "a", "status"])
    done = run("status")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "different versions" in done.stderr


def test_keys_print_the_table_of_actions(capsys: Output, workspace: Path) -> None:
    assert cli.main(["keys", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"name": "rollback", "keys": ["R"]}.items() <= rows[0].items()
    assert cli.main(["keys"]) == 0
    assert "cdml rollback MODEL" in capsys.readouterr().out


def test_a_verb_without_engine_becomes_the_engines_command(tmp_path: Path) -> None:
    done = run("check", "-w", str(tmp_path), "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert error(done.stderr)["code"] == "no_workspace"
    done = run("check", "--keys", "--json")
    assert done.returncode == 0
    assert "models.NAME.train.every" in {row["key"] for row in json.loads(done.stdout)}
