"""Promote, roll back, undo: who answers afterwards, what is refused, what is written down."""

import getpass
import os
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from engine.wire import Change
from tests.box import Box, eventually
from tests.traffic import Answered, Traffic, traffic


def answering(box: Box) -> str:
    """Return who answers a request now."""
    status, answer = box.predict()
    assert status == 200
    version: str = answer["predictions"][0]["version"]
    return version


def test_back_and_forth_by_hand(box: Box) -> None:
    assert answering(box) == "v1"
    box.ask("promote", "late", "v2")
    assert answering(box) == "v2"
    assert box.refused("rollback", "late", "--expect", "v1", code=5)["code"] == "conflict"
    assert answering(box) == "v2"

    back = box.ask("rollback", "late", "--reason", "worse since noon")
    assert (back["from"], back["to"], back["changed"]) == ("v2", "v1", True)
    assert answering(box) == "v1"
    (lock,) = box.ask("hold", "late")["locks"]
    assert (lock["kind"], lock["reason"]) == ("hold", "worse since noon")

    again = box.run("rollback", "late")
    assert "already rolled back from v2 to v1 at" in again.stdout
    unchanged = box.ask("rollback", "late")
    assert (unchanged["changed"], unchanged["generation"]) == (False, back["generation"])
    assert answering(box) == "v1"

    undone = box.ask("undo", "late")
    assert (undone["to"], undone["generation"]) == ("v2", back["generation"] + 1)
    assert answering(box) == "v2"
    assert box.ask("status")["models"][0]["locks"] == []
    assert box.refused("undo", "late", code=4)["code"] == "not_undoable"

    box.ask("hold", "late")
    assert box.ask("status")["models"][0]["locks"] != []
    box.ask("resume", "late")
    assert box.ask("status")["models"][0]["locks"] == []


def test_the_audit_names_the_person_whom_the_socket_proved(box: Box) -> None:
    box.ask("promote", "late", "v2", "--reason", "by hand")
    entry = box.ask("audit", "--verify", "--limit", "1")["entries"][0]
    assert (entry["action"], entry["actor"]) == ("promote", getpass.getuser())
    assert (entry["from_version"], entry["to_version"]) == ("v1", "v2")
    assert entry["reason"] == "by hand"
    who = entry["detail"]["actor"]
    assert (who["kind"], who["name"], who["uid"]) == ("human", getpass.getuser(), os.getuid())
    assert who["pid"] not in (0, os.getpid(), box.pid("run"))


@dataclass(frozen=True, slots=True)
class Reign:
    """When a version may have answered: from the request that called it to its end's answer."""

    version: str
    begin: float
    end: float


def is_right(answer: Answered, reigns: list[Reign]) -> bool:
    """Say whether the version that answered was champion at some instant of the request."""
    return any(
        reign.version == answer.version
        and reign.begin <= answer.ended
        and answer.began <= reign.end
        for reign in reigns
    )


def first_by(clients: Traffic, version: str, since: float) -> float | None:
    """Return when the first answer by a version after a moment came, None while there is none."""
    came = [a.ended for a in clients.answered[-200:] if a.version == version and a.ended > since]
    return min(came, default=None)


def is_over(moment: float) -> bool:
    """Say whether a moment has passed."""
    return time.monotonic() > moment


def test_fifty_changes_under_load_fail_no_request_and_mislead_none(
    box: Box, record_property: Callable[[str, object], None]
) -> None:
    draw = random.Random(50)
    reigns, current, called = [], "v1", 0.0
    acknowledged, first = [], []
    with traffic(box) as clients:
        eventually("traffic", lambda: len(clients.answered) > 20)
        for number in range(50):
            to = "v2" if current == "v1" else "v1"
            change = Change(uuid.uuid4().hex, expect=current, to=to, reason=f"change {number}")
            asked = time.monotonic()
            if to == "v2":
                # A rollback marks v2 as left behind; a person may take it again all the same.
                forced = Change(
                    change.idempotency_key, current, "v2", change.reason, override=["v2"]
                )
                answer = box.control.change("promote", "late", forced)
            else:
                answer = box.control.change("rollback", "late", change)
            done = time.monotonic()
            assert answer.changed
            reigns.append(Reign(current, called, done))
            acknowledged.append(done - asked)
            current, called = to, asked
            eventually(f"an answer by {to}", partial(first_by, clients, to, asked))
            first.append((first_by(clients, to, asked) or asked) - asked)
            eventually("a moment", partial(is_over, time.monotonic() + draw.random() * 0.1))
    reigns.append(Reign(current, called, time.monotonic()))
    record_property("change_acknowledged_s", [round(s, 3) for s in sorted(acknowledged)])
    record_property("first_answer_s", [round(s, 3) for s in sorted(first)])
    record_property("requests", len(clients.answered))
    assert clients.failed == []
    assert [a for a in clients.answered if not is_right(a, reigns)] == []
    assert sorted(first)[25] < 0.3
    assert box.ask("audit", "--verify")["verified"] is True
