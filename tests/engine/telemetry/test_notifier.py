"""Targets are real: a webhook, a mail server, a program; one that fails hurts nobody."""

import json
import os
import socketserver
import stat
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from apprise.common import NotifyFormat
from apprise.conversion import convert_between
from msgspec.structs import replace

from engine.clock import SystemClock
from engine.ledger.ledger import Ledger
from engine.settings import load
from engine.telemetry import again, notifier
from engine.telemetry.notifier import Target
from engine.telemetry.outbox import Message
from engine.telemetry.post import inert, plain
from engine.wire import EventRow
from tests.box import eventually as _eventually


def eventually(what: str, look: Callable[[], Any]) -> Any:
    return _eventually(what, look, 15.0)


SECRET = "s3cr3t-pass"
FACT = EventRow(7, "2026-06-01T12:00:00Z", "CRIT", "alert", "late", "cost 0.9 is beyond 0.5")


class Hook(HTTPServer):
    """A webhook that keeps what it was sent; the first answers may be errors."""

    def __init__(self, failing: int = 0) -> None:
        self.got: list[Any] = []
        self.failing = failing
        super().__init__(("127.0.0.1", 0), HookHandler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class HookHandler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(json.loads(body))
        failed = len(self.server.got) <= self.server.failing
        self.send_response(500 if failed else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Mail(socketserver.TCPServer):
    """A mail server: as much of SMTP as it takes to be handed one letter after the other."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        super().__init__(("127.0.0.1", 0), MailHandler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class MailHandler(socketserver.StreamRequestHandler):
    server: Mail

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in iter(self.rfile.readline, b""):
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                letter = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.got.append(letter)
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")


Made = Callable[..., Target]


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


def happens(record: Ledger, target: Target, text: str, level: str = "CRIT") -> EventRow:
    """Write a fact as the engine does, and wake a target."""
    fact = record.tell(SystemClock().now(), level, "alert", "late", text)
    target.offer(fact)
    return fact


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def made(
    tmp_path: Path, said: list[str], record: Ledger, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Made]:
    """Give a maker of targets: what cdml.toml says of one, and its URL."""
    monkeypatch.setattr(notifier, "LOOK_S", 0.02)
    monkeypatch.setattr(again, "RETRY_S", (0.05, 0.05))
    running = []

    def make(url: str | None = None, own: str = "", notify: str = "") -> Target:
        secrets = tmp_path / "notify.toml"
        if url is not None:
            secrets.write_text(f'[targets]\nops = "{url}"\n')
            secrets.chmod(0o600)
        config = tmp_path / "cdml.toml"
        config.write_text(
            f'[workspace]\nname = "box"\n[notify]\nsecrets = "notify.toml"\n{notify}\n'
            f"[notify.targets.ops]\n{own}\n"
        )
        target = Target(
            "ops", load(config), tmp_path, SystemClock(), record, lambda *w: said.append(w[1])
        )
        running.append(target)
        return target

    yield make
    for target in running:
        target.close()


def test_a_webhook_is_told_what_happened_where(made: Made, said: list[str], record: Ledger) -> None:
    hook = Hook()
    target = made(f"json://user:{SECRET}@127.0.0.1:{hook.server_port}/hook")
    fact = happens(record, target, "cost 0.9 is beyond 0.5")
    eventually("it is told", lambda: hook.got)
    assert hook.got[0]["title"] == "cdml box: CRIT late alert"
    assert hook.got[0]["message"] == f"{fact.time[:19]}Z cost 0.9 is beyond 0.5"
    assert hook.got[0]["type"] == "failure"
    eventually("it is counted", lambda: target.row().sent == 1)
    assert said == []
    hook.end()


HOSTILE = '"<b>x</b>](http://evil) *y* <!channel> @everyone\x1b[2J\u202e.csv" quarantined'


def test_a_letter_goes_through_a_mail_server_and_what_it_quotes_is_inert(made: Made) -> None:
    mail = Mail()
    target = made(
        f"mailto://127.0.0.1:{mail.server_address[1]}/?from=cdml@example.org&to=ada@example.org"
        "&mode=insecure"
    )
    facts = (replace(FACT, text=HOSTILE), replace(FACT, text="a second\nwith two lines"))
    target._deliver(Message("CRIT", facts))
    assert target.row().missing == ""
    (letter,) = mail.got
    read = message_from_bytes(letter)
    assert read["To"] == "ada@example.org"
    assert "CRIT late alert" in str(read["Subject"])
    kinds = {p.get_content_type(): p.get_payload(decode=True) for p in read.walk()}
    html = kinds["text/html"].decode()  # type: ignore[union-attr]
    assert "&lt;b&gt;x&lt;/b&gt;" in html
    assert html.count("<br/>") == 2
    for word in ("<b>", "\x1b", "\u202e", "@everyone"):
        assert word not in html
    mail.end()


def test_what_chats_show_is_never_a_link_or_a_call() -> None:
    for kind in (NotifyFormat.MARKDOWN, NotifyFormat.TEXT, NotifyFormat.HTML):
        shown = convert_between(NotifyFormat.HTML, kind, inert(HOSTILE))
        assert "@everyone" not in shown
        assert "\x1b" not in shown
    assert r"\]\(http" in convert_between(NotifyFormat.HTML, NotifyFormat.MARKDOWN, inert(HOSTILE))
    assert plain("CRIT <late>\n@here *a*") == "CRIT  late   here  a "


def test_one_that_fails_is_tried_again_and_that_is_told_once(
    made: Made, said: list[str], record: Ledger
) -> None:
    hook = Hook(failing=2)
    target = made(f"json://user:{SECRET}@127.0.0.1:{hook.server_port}/hook")
    happens(record, target, "it is bad")
    eventually("it is told in the end", lambda: target.row().sent)
    row = target.row()
    assert (row.failed, row.missing) == (2, "")
    first, second = said
    assert first.startswith('"ops" could not be told: it was not accepted there. It is tried again')
    assert second == '"ops" is told again'
    hook.end()


def test_a_restart_loses_nothing_that_was_to_be_told_and_tells_nothing_twice(
    made: Made, record: Ledger, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    work = program(tmp_path, f"cat >> {told}; echo >> {told}")

    def texts() -> list[str]:
        lines = told.read_text().splitlines() if told.exists() else []
        return [f["text"] for line in lines if line for f in json.loads(line)["facts"]]

    first = made(own=work)
    happens(record, first, "told before")
    eventually("it is told", lambda: texts() == ["told before"])
    first.close()
    # What happens while nobody is there to tell it, and on a disk that takes no record.
    record.tell(SystemClock().now(), "CRIT", "audit", None, "the audit chain is broken")
    second = made(own=work)
    second.offer(EventRow(0, "2026-06-01T12:00:00Z", "CRIT", "spool", None, "no space"))
    eventually("both", lambda: {*texts()} >= {"the audit chain is broken", "no space"})
    # Whoever heard that it began before the restart hears that it is over.
    happens(record, second, "all within limits again", "INFO")
    eventually("the end", lambda: "all within limits again" in texts())
    assert texts().count("told before") == 1


def test_what_a_dead_target_missed_comes_in_order_after_a_restart(
    made: Made, record: Ledger, tmp_path: Path
) -> None:
    dead = made(own='exec = ["./none"]')
    happens(record, dead, "it began")
    happens(record, dead, "all within limits again", "INFO")
    eventually("it fails", lambda: dead.row().failed)
    eventually("both wait", lambda: dead.row().waiting == 2)
    dead.close()
    told = tmp_path / "told.json"
    made(own=program(tmp_path, f"cat > {told}.part; mv {told}.part {told}"))
    found = json.loads(eventually("it is told", lambda: told.exists() and told.read_text()))
    assert [f["text"] for f in found["facts"]] == ["it began", "all within limits again"]
    assert found["recovered"]


def test_no_secret_and_no_broken_file_of_secrets_is_ever_said(
    made: Made, said: list[str], tmp_path: Path
) -> None:
    target = made(f"nosuchkind://{SECRET}@x")
    texts = [target.test(FACT).missing]
    secrets = tmp_path / "notify.toml"
    for content, mode in ((f'ops = "{SECRET}', 0o600), ("[targets]\n", 0o600), ("", 0o644)):
        secrets.write_text(content)
        secrets.chmod(mode)
        texts.append(target.test(FACT).missing)
    secrets.unlink()
    texts.append(target.test(FACT).missing)
    for found, text in zip(
        ("no kind that is known", "no TOML", "is not there", "everybody", "No such file"), texts,
        strict=True,
    ):  # fmt: skip
        assert found in text
    assert len(said) == 1
    assert SECRET not in "".join([*texts, *said])


def program(folder: Path, text: str) -> str:
    path = folder / "page.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f'exec = ["{path}"]'


def test_a_program_gets_the_facts_on_stdin(made: Made, record: Ledger, tmp_path: Path) -> None:
    target = made(own=program(tmp_path, "cat > told.part; mv told.part told.json"))
    happens(record, target, FACT.text)
    eventually("it is told", (tmp_path / "told.json").exists)
    found = json.loads((tmp_path / "told.json").read_text())
    assert (found["workspace"], found["level"], found["recovered"]) == ("box", "CRIT", False)
    assert found["facts"][0]["text"] == FACT.text


def test_a_program_that_hangs_is_killed_with_all_it_started(made: Made, tmp_path: Path) -> None:
    hanging = program(tmp_path, "sleep 600 & echo $! > pid; wait")
    target = made(own=hanging, notify='deadline = "0.5s"')
    began = time.monotonic()
    assert target.test(FACT).missing == "it took longer than 0.5 s"
    assert time.monotonic() - began < 5.0
    child = int((tmp_path / "pid").read_text())
    eventually("its child is gone", lambda: not alive(child))
    assert "exit code 3" in made(own=program(tmp_path, "exit 3")).test(FACT).missing
    assert "could not be started" in made(own='exec = ["./none"]').test(FACT).missing


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_target_that_hangs_keeps_nobody_waiting_and_ends_with_the_engine(
    made: Made, record: Ledger, tmp_path: Path, said: list[str]
) -> None:
    target = made(own=program(tmp_path, "touch began; sleep 600"))
    happens(record, target, "it is bad")
    eventually("it hangs", (tmp_path / "began").exists)
    began = time.monotonic()
    for n in range(10):
        happens(record, target, f"it is worse {n}")
    assert time.monotonic() - began < 0.5
    target.close()
    assert not target._thread.is_alive()
    assert (target.row().failed, said) == (0, [])
