"""Promote, roll back, undo: who answers afterwards, what is refused, what is written down."""

import getpass
import os
from collections.abc import Callable

from tests.box import Box
from tests.faults.changes import back_and_forth


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


def test_changes_under_load_fail_no_request_and_mislead_none(
    box: Box, record_property: Callable[[str, object], None]
) -> None:
    found = back_and_forth(box, 25)
    for verb, took in found.took.items():
        record_property(f"{verb}_acknowledged_s", [round(s, 3) for s in sorted(took)])
    record_property("first_answer_s", [round(s, 3) for s in sorted(found.first)])
    record_property("requests", len(found.clients.answered))
    assert found.clients.failed == []
    assert found.misled == []
    assert sorted(found.first)[25] < 0.3
    assert box.ask("audit", "--verify")["verified"] is True
