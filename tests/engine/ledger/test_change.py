"""One change is one transaction with its audit entry: both are there, or neither is."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.domain.lifecycle import Event, Fitness
from engine.domain.roles import Roles, promoted
from engine.errors import CdmlError, RefusedError, UnavailableError, UnknownError
from engine.ledger.change import ENGINE, Actor
from engine.ledger.ledger import Ledger
from engine.wire import Lock

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
PERSON = Actor("human", "ada", 1000, 77)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(tmp_path / "ledger.sqlite")
    yield found
    found.close()


def add(ledger: Ledger, model: str = "late") -> str:
    """Register a version."""
    with ledger.change(ENGINE, "register", model, now=NOW, wall=NOW) as change:
        version = change.add_version("r1", "2024-03-01T12:00:00Z")
        change.seal_version(version, "m" * 64, "a", "b", safe_mode=False)
    return version


def test_a_change_leaves_who_did_what_and_why_with_the_state_before_and_after(
    ledger: Ledger,
) -> None:
    version = add(ledger)
    with ledger.change(PERSON, "promote", "late", now=NOW, wall=NOW, reason="better") as change:
        change.set_roles(promoted(change.roles, version, by_person=True))
        change.lock(Lock("hold", "ada", "watching", "2024-03-01T12:00:00Z"))
        change.happened(version, Event.VALIDATION_BEGAN)
    (_, entry) = ledger.audit_entries()
    assert (entry.actor, entry.action, entry.reason) == ("ada", "promote", "better")
    assert (entry.from_version, entry.to_version) == (None, "v1")
    assert (entry.generation_before, entry.generation_after) == (0, 1)
    assert entry.detail["actor"]["uid"] == 1000
    assert entry.detail["fitness"] == {"v1": ["registered", "validating"]}
    assert entry.detail["locks_before"] == []
    assert entry.detail["locks_after"][0]["kind"] == "hold"
    assert entry.detail["roles_before"]["champion"] is None
    assert entry.detail["roles_after"]["champion"] == "v1"
    assert ledger.roles("late").champion == "v1"
    assert ledger.audit_fault() is None


def test_an_exception_rolls_back_everything_and_its_entry(ledger: Ledger) -> None:
    version = add(ledger)
    head = ledger.audit_head()
    with (  # noqa: PT012 - what is tested is that all of this is undone
        pytest.raises(RuntimeError),
        ledger.change(PERSON, "promote", "late", now=NOW, wall=NOW, key="k") as change,
    ):
        change.set_roles(promoted(change.roles, version, by_person=True))
        change.lock(Lock("hold", "ada", "", ""))
        change.happened(version, Event.TAINTED)
        change.add_version("r2", "x")
        raise RuntimeError
    assert ledger.roles("late").champion is None
    assert ledger.locks("late") == []
    assert [v.fitness for v in ledger.versions("late")] == [Fitness.REGISTERED]
    assert ledger.audit_head() == head
    assert ledger.answered("k") is None


def test_a_dropped_change_leaves_no_entry_either(ledger: Ledger) -> None:
    version = add(ledger)
    with ledger.change(PERSON, "promote", "late", now=NOW, wall=NOW, key="k") as change:
        change.set_roles(promoted(change.roles, version, by_person=True))
        change.drop()
    assert ledger.roles("late") == Roles()
    assert len(ledger.audit_entries()) == 1
    assert add(ledger) == "v2"


def test_an_illegal_step_of_a_version_undoes_the_change_around_it(ledger: Ledger) -> None:
    version = add(ledger)
    with (  # noqa: PT012 - what is tested is that all of this is undone
        pytest.raises(RefusedError, match="lifecycle"),
        ledger.change(ENGINE, "prove", "late", now=NOW, wall=NOW) as change,
    ):
        change.set_roles(promoted(change.roles, version, by_person=False))
        change.happened(version, Event.PROVED)
    assert ledger.roles("late").champion is None


def test_a_key_is_answered_once_and_its_answer_kept(ledger: Ledger) -> None:
    with ledger.change(PERSON, "hold", "late", now=NOW, wall=NOW, key="k1") as change:
        change.answer = {"seq": change.seq}
    assert ledger.answered("k1") == {"seq": 1}
    with (
        pytest.raises(sqlite3.IntegrityError),
        ledger.change(PERSON, "hold", "late", now=NOW, wall=NOW, key="k1") as change,
    ):
        change.lock(Lock("hold", "ada", "", ""))
    assert ledger.locks("late") == []
    assert ledger.audit_fault() is None


def test_versions_are_numbered_by_model_and_never_twice(ledger: Ledger) -> None:
    assert [add(ledger), add(ledger), add(ledger, "other"), add(ledger)] == ["v1", "v2", "v1", "v3"]
    assert [v.version for v in ledger.versions("late")] == ["v1", "v2", "v3"]
    with pytest.raises(UnknownError, match="v1, v2, v3"):
        ledger.version("late", "v9")


def test_looking_back_tells_moves_from_mere_news_of_versions(ledger: Ledger) -> None:
    version = add(ledger)
    with ledger.change(PERSON, "promote", "late", now=NOW, wall=NOW) as change:
        change.set_roles(promoted(change.roles, version, by_person=True))
    with ledger.change(ENGINE, "hold", "late", now=NOW, wall=NOW) as change:
        change.lock(Lock("hold", "ada", "", ""))
    add(ledger)
    add(ledger, "other")
    last, move = ledger.last_change("late"), ledger.last_move("late")
    assert last is not None
    assert move is not None
    assert (last.action, move.action) == ("hold", "promote")


def test_a_reader_who_goes_on_from_an_id_misses_no_event(ledger: Ledger) -> None:
    told = [ledger.tell(NOW, "INFO", "test", None, f"{n}") for n in range(12)]
    assert ledger.events(limit=3) == told[-3:]
    assert ledger.events_after(told[3].id, 5) == told[4:9]
    assert ledger.last_event() == told[-1].id


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from engine.ledger.change import ENGINE
from engine.ledger.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
now = datetime(2024, 3, 1, tzinfo=UTC)
{body}
"""


def started(path: Path, body: str) -> "subprocess.Popen[str]":
    """Start another process that writes to the ledger."""
    command = [sys.executable, "-c", WRITER.format(body=body), str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_two_processes_that_write_at_once_make_one_whole_chain(
    ledger: Ledger, tmp_path: Path
) -> None:
    body = """
print("go", flush=True)
for n in range(40):
    with ledger.change(ENGINE, "register", "late", now=now, wall=now) as change:
        change.add_version("r", "t")
"""
    with started(tmp_path / "ledger.sqlite", body) as other:
        assert other.stdout is not None
        other.stdout.readline()
        for _ in range(40):
            add(ledger)
        assert other.wait(30) == 0
    assert len(ledger.versions("late")) == 80
    assert len({v.version for v in ledger.versions("late")}) == 80
    assert ledger.audit_fault() is None


def test_kill_in_mid_change_leaves_the_state_before_it(ledger: Ledger, tmp_path: Path) -> None:
    version = add(ledger)
    body = """
from dataclasses import replace
with ledger.change(ENGINE, "promote", "late", now=now, wall=now) as change:
    change.set_roles(replace(change.roles, champion="v1", generation=9))
    print("inside", flush=True)
    sys.stdin.read()
"""
    with started(tmp_path / "ledger.sqlite", body) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "inside\n"
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    assert ledger.roles("late") == Roles()
    assert ledger.audit_fault() is None
    with ledger.change(PERSON, "promote", "late", now=NOW, wall=NOW) as change:
        change.set_roles(promoted(change.roles, version, by_person=True))
    assert ledger.roles("late").generation == 1


def test_a_ledger_that_cannot_be_written_says_so_and_keeps_its_state(
    ledger: Ledger, tmp_path: Path
) -> None:
    add(ledger)
    reader = Ledger(tmp_path / "ledger.sqlite", readonly=True)
    try:
        with (
            pytest.raises(CdmlError) as found,
            reader.change(ENGINE, "x", "late", now=NOW, wall=NOW) as change,
        ):
            change.add_version("r", "t")
        assert isinstance(found.value, UnavailableError)
        assert [v.version for v in reader.versions("late")] == ["v1"]
    finally:
        reader.close()
