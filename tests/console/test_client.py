"""The client against a real server: wire values, refusals, and a line that breaks."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_engine import Running

from cdml_tui.client import Client, ConsoleError, EngineLost
from engine import wire


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    here = Running(tmp_path / "engine.sock")
    yield here
    here.close()


@pytest.fixture
def client(running: Running) -> Iterator[Client]:
    here = Client(running.path, timeout=2.0)
    yield here
    here.close()


def change(expect: str = "v3") -> wire.Change:
    return wire.Change(idempotency_key="k1", expect=expect)


def test_answers_are_wire_values(client: Client) -> None:
    assert client.state().models[0].champion == "v3"
    answer = client.change("rollback", "late", change())
    assert (answer.from_, answer.to, answer.generation) == ("v3", "v1", 5)
    assert client.proof("late", 5).by_version == {"v1": 37}


def test_a_refusal_keeps_code_message_and_status(client: Client) -> None:
    with pytest.raises(ConsoleError) as no:
        client.change("rollback", "late", change("v9"))
    assert (no.value.code, no.value.status) == ("conflict", 409)
    assert "already on v3" in no.value.message
    with pytest.raises(ConsoleError) as unknown:
        client.versions("a/b c")
    assert unknown.value.message == "/api/v1/models/a%2Fb%20c/versions"


def test_nobody_there_means_nothing_was_sent(tmp_path: Path) -> None:
    client = Client(tmp_path / "none.sock")
    with pytest.raises(EngineLost) as lost:
        client.change("rollback", "late", change())
    assert not lost.value.sent
    assert "none.sock" in lost.value.message
    client.close()


def test_a_lost_answer_may_have_been_a_change(running: Running, client: Client) -> None:
    running.engine.lose_answers = 1
    with pytest.raises(EngineLost) as lost:
        client.change("rollback", "late", change())
    assert lost.value.sent


def test_an_engine_that_hangs_is_lost_in_time(running: Running) -> None:
    running.engine.silent = True
    client = Client(running.path, timeout=0.1)
    with pytest.raises(EngineLost) as lost:
        client.state()
    assert lost.value.sent
    client.close()


def test_the_stream_tells_of_life_and_of_changes(running: Running, client: Client) -> None:
    stream = client.events()
    assert next(stream).kind == "keep"
    running.engine.set_model(running.engine.model())
    assert "state" in {next(stream).kind, next(stream).kind}
    running.close()
    with pytest.raises(EngineLost):
        list(stream)


def test_a_file_that_cannot_be_read_is_named(client: Client, tmp_path: Path) -> None:
    with pytest.raises(ConsoleError) as no:
        client.ingest("late", tmp_path / "missing.csv")
    assert "missing.csv" in no.value.message


def test_importing_the_client_drags_in_nothing_heavy() -> None:
    heavy = "httpx", "asyncio", "rich", "textual", "sqlite3", "duckdb"
    code = (
        "import sys, cdml_tui.client, cdml_tui.actions, cdml_tui.panes.layout, cdml_tui.answers\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
