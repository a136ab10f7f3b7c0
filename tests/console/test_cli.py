"""The one-shot command line against a real HTTP server on a Unix socket."""

import json
import os
import pty
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from cdml_tui import cli
from engine import wire
from tests.console import flights

ROOT = Path(__file__).parents[2]
T0, T1 = "2013-01-01T00:00:00Z", "2013-03-01T00:00:00Z"


def version(name: str, roles: list[str]) -> wire.VersionRow:
    share = 100.0 if "champion" in roles else 0.0
    return wire.VersionRow(name, "blessed", roles, share, "pass", T0, T1, 2, state="[bold]x\x1b[2J")


def plan(to: str, ready: bool) -> wire.Plan:
    return wire.Plan("promote", ready, "" if ready else "its gate failed", "v2", to)


def model_state(promote: dict[str, wire.Plan]) -> wire.ModelState:
    return wire.ModelState(
        "late", "binary", "log_loss", False, "v2", 2, [], [], [], [], "7d",
        wire.Plan("rollback", True, "", "v2", "v1"), promote, None, None, None,
    )  # fmt: skip


def state(promote: dict[str, wire.Plan]) -> wire.State:
    return wire.State(
        "box1", "/w", "anna", "operator",
        wire.EngineState(1, "0.1.0", "b", T0, T0, T0, True, "ready"),
        wire.ServingState(True, 2, "127.0.0.1:8080", 0, 0, 0, 0, None, None, None),
        [model_state(promote)], [], [], [], 0,
    )  # fmt: skip


STATUS = wire.Status(
    "ready", "up", [wire.ModelStatus("late", "v2", 2, [], wire.RollbackReady("v1", True, ""))]
)
CHANGED = wire.ChangeAnswer("late", "v2", "v1", 3, 41, True)
EVENT = wire.EventRow(7, T0, "INFO", "gate", "late", "v3 passed")
M = "/api/v1/models/late"
JOB = wire.JobRow("r-1", "late", "train", "queued", "operator", T0)


class Fake(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers from a table of routes and keeps every body it was sent."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path) -> None:
        self.routes: dict[str, tuple[int, object]] = {
            "GET /api/v1/status": (200, STATUS),
            f"GET {M}/versions": (200, [version("v1", ["standby"]), version("v2", ["champion"])]),
            "GET /api/v1/state": (200, state({"v3": plan("v3", True)})),
            f"POST {M}/rollback": (200, CHANGED),
            f"POST {M}/promote": (200, CHANGED),
            "GET /api/v1/events/recent": (200, [EVENT]),
        }
        self.bodies: list[tuple[str, bytes]] = []
        self.lose = 0
        super().__init__(str(path), Handler)

    def sent(self, place: str) -> list[wire.Change]:
        bodies = [body for where, body in self.bodies if where == place]
        return [msgspec.json.decode(body, type=wire.Change) for body in bodies]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Fake

    def log_message(self, *args: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        place = f"{method} {urlsplit(self.path).path}"
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.bodies.append((place, body))
        if method == "POST" and self.server.lose > 0:
            self.server.lose -= 1
            self.close_connection = True
            return
        missing = wire.ErrorAnswer(wire.ErrorBody("unknown", f"no {place}", "model"))
        status, value = self.server.routes.get(place, (404, missing))
        if isinstance(value, list) and value and isinstance(value[0], wire.JobRow):
            value = value.pop(0) if len(value) > 1 else value[0]
        raw = msgspec.json.encode(value)
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
        if place.endswith("/stop"):
            self.close_connection = True
            Path(str(self.server.server_address)).unlink()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "cdml.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CDML_WORKSPACE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def fake(workspace: Path) -> Iterator[Fake]:
    with Fake(workspace / "run" / "engine.sock") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


Output = pytest.CaptureFixture[str]


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `cdml` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cdml_tui.cli", *words],
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
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
            }
        ],
        "wall": "",
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
    assert done.wait(10) == 0
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
    assert len(sent.idempotency_key) == 32


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


def test_clients_are_listed_with_their_signs(fake: Fake, capsys: Output) -> None:
    row = wire.ClientRow(
        '"mallory\x1b[2J"', 900, 300, T0, T1, 1.0, 0.9, 0.4, 0.1, 0.0, 60, 12.0, ["probing"], T0
    )
    fake.routes[f"GET {M}/clients"] = (200, wire.ClientsAnswer("late", [row]))
    assert cli.main(["clients", "late"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "probing" in text
    assert cli.main(["clients", "late", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clients"][0]["signs"] == ["probing"]
    fake.routes[f"GET {M}/clients"] = (200, wire.ClientsAnswer("late", [], "nothing was asked"))
    assert cli.main(["clients", "late"]) == 0
    assert "nothing was asked" in capsys.readouterr().out


def test_incidents_are_listed_shown_noted_and_written_as_a_report(
    fake: Fake, capsys: Output, tmp_path: Path
) -> None:
    row = wire.IncidentRow(3, "late", "v2", "cost [bold]", "2024-03-01T00:00:00Z", None, 7)
    notes = [wire.IncidentNote("2024-03-01T00:00:00Z", "engine", "alert", "cost\x1b[31m 0.7")]
    fake.routes["GET /api/v1/incidents"] = (200, [row])
    fake.routes["GET /api/v1/incidents/3"] = (200, wire.IncidentPage(row, notes))
    fake.routes["POST /api/v1/incidents/3"] = (200, wire.IncidentPage(row, notes))
    report = wire.IncidentReport(3, "# Incident 3\n")
    fake.routes["GET /api/v1/incidents/3/report"] = (200, report)
    assert cli.main(["incident"]) == 0
    assert "cost [bold]" in capsys.readouterr().out
    assert cli.main(["incident", "3"]) == 0
    shown = capsys.readouterr().out
    assert "incident 3 of late: cost [bold]" in shown
    assert "\x1b" not in shown
    assert cli.main(["incident", "3", "--note", "seen", "--close"]) == 0
    assert fake.bodies[-1] == ("POST /api/v1/incidents/3", b'{"text":"seen","close":true}')
    target = tmp_path / "day.md"
    assert cli.main(["incident", "3", "--report", str(target)]) == 0
    assert target.read_text() == "# Incident 3\n"
    capsys.readouterr()
    assert cli.main(["incident", "3", "--report", "-"]) == 0
    assert capsys.readouterr().out == "# Incident 3\n"
    assert cli.main(["incident", "3", "--report", str(tmp_path)]) == 2
    assert cli.main(["incident", "--close"]) == 2


def test_alerts_are_listed_shown_and_quieted(fake: Fake, capsys: Output) -> None:
    row = flights.alert(3, text="cost\x1b[31m 0.7")
    fake.routes["GET /api/v1/alerts"] = (200, wire.AlertList([row], {"late": "at most so many"}))
    fake.routes["GET /api/v1/alerts/3"] = (200, row)
    answer = wire.AlertAnswer(row, 7, changed=True, message="alert 3 acknowledged: cost 0.7")
    for verb in ("ack", "mute"):
        fake.routes[f"POST /api/v1/alerts/3/{verb}"] = (200, answer)
    assert cli.main(["alerts", "--all"]) == 0
    shown = capsys.readouterr().out
    assert "late: at most so many" in shown
    assert "\x1b" not in shown
    assert cli.main(["alert", "3"]) == 0
    shown = capsys.readouterr().out
    assert "alert 3 of late v3: CRIT cost" in shown
    assert "costs: cost 0.634 USD per flight, limit 0.6\n" in shown
    assert "next: cdml performance late\n" in shown
    assert cli.main(["alert", "ack", "3", "--reason", "seen"]) == 0
    assert capsys.readouterr().out == "late: alert 3 acknowledged: cost 0.7\n"
    path, body = fake.bodies[-1]
    asked = msgspec.json.decode(body, type=wire.AlertRequest)
    assert (path, asked.reason, asked.for_) == ("POST /api/v1/alerts/3/ack", "seen", None)
    assert cli.main(["alert", "mute", "3", "--for", "12h", "--json"]) == 0
    assert msgspec.json.decode(fake.bodies[-1][1])["for"] == "12h"
    fake.routes["POST /api/v1/alerts/3/ack"] = (
        409, wire.ErrorAnswer(wire.ErrorBody("alert_ended", "Acknowledging alert 3: it ended.")),
    )  # fmt: skip
    assert cli.main(["alert", "ack", "3"]) == 4
    for words in (["alert"], ["alert", "stop", "3"], ["alert", "x"], ["alert", "3", "--for", "1d"],
                  ["alerts", "--from", "2024-01-01"]):  # fmt: skip
        assert cli.main(words) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "acknowledged", "acked_by": "ada"}, "acknowledged by ada"),
        ({"state": "muted", "muted_by": "ada", "muted_until": "2024-03-01T00:00:00Z"},
         "muted by ada until 2024-03-01T00:00:00Z"),
        ({"state": "ended", "ended": "2024-03-01T00:00:00Z", "why_ended": "over"},
         "ended 2024-03-01T00:00:00Z, over"),
    ],
)  # fmt: skip
def test_an_alert_says_who_quieted_it_and_how_it_ended(
    fake: Fake, capsys: Output, changes: dict[str, str], said: str
) -> None:
    fake.routes["GET /api/v1/alerts/3"] = (200, flights.alert(3, **changes))
    assert cli.main(["alert", "3"]) == 0
    assert f"state: {said}\n" in capsys.readouterr().out


def test_rules_are_tried_on_the_past(fake: Fake, capsys: Output) -> None:
    time = "2024-03-01T00:00:00Z"
    raised = wire.ReplayedAlert(
        "drift", "wind", "v1", "WARN", "drift wind psi 0.30", time, time, None, "early", 2.0
    )
    kinds = [wire.ReplayedKind("drift", 1, 12.5, 1, 0.5, 1, 0, 0, 2.0)]
    answer = wire.AlertReplay("late", time, time, 30, [raised], kinds, "a promise")
    fake.routes["GET /api/v1/models/late/alerts/replay"] = (200, answer)
    words = ["alerts", "late", "--replay", "--from", "2024-01-01"]
    assert cli.main(words) == 0
    shown = capsys.readouterr().out
    assert "late: 30 looks from 2024-03-01T00:00:00Z" in shown
    assert "drift wind psi 0.30" in shown
    assert "12.5" in shown
    assert cli.main([*words, "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["from"] == time
    nothing = wire.AlertReplay("late", None, None, 0, [], [], "a promise", "no look is stored")
    fake.routes["GET /api/v1/models/late/alerts/replay"] = (200, nothing)
    assert cli.main(words) == 0
    assert capsys.readouterr().out == "late: no look is stored\n"


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
        ([], "needs a terminal"),
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
    out, err = process.communicate(timeout=10)
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


def checked(name: str, *, wrong: bool, value: float | None, unit: str = "share") -> wire.QualityRow:
    return wire.QualityRow(
        name=name, check="nulls", column=None, value=value, unit=unit, n=400, expected=0.1,
        limit=0.35 if unit == "share" else None, at_least=False, wrong=wrong, says="what it says",
        found="what was found", missing="" if value is not None else "not enough: 3 of 200",
        next="do this" if wrong else "", from_=T0, to=T1,
    )  # fmt: skip


def test_quality_shows_each_check_and_what_to_do_about_the_wrong(
    fake: Fake, capsys: Output
) -> None:
    rows = [
        checked("nulls wind", wrong=True, value=0.5),
        checked("label delay p50", wrong=False, value=7200.0, unit="s"),
        checked("schema", wrong=False, value=None),
    ]
    fake.routes[f"GET {M}/quality"] = (200, wire.QualityAnswer("late", "v2", T1, rows))
    assert cli.main(["quality", "late"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("late v2: 1 wrong\n")
    assert "! nulls wind" in out
    for shown in ("50.00%", "10.00%", "<= 35.00%", "7200 s", "not enough: 3 of 200"):
        assert shown in out
    assert out.endswith("nulls wind: do this\n")
    empty = wire.QualityAnswer("late", "v2", "", [], "not measured yet")
    fake.routes[f"GET {M}/quality"] = (200, empty)
    assert cli.main(["quality", "late"]) == 0
    assert capsys.readouterr().out == "late v2: not measured yet\n"
