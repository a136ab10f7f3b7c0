"""Each lock by its command, with real processes: what it stops, what never, how it ends."""

from collections.abc import Callable

import pytest

from cdml_tui.client import ConsoleError
from engine.wire import Change, LockRequest, RunRequest
from tests.box import SECOND, Box, deliver, eventually


def locks(box: Box) -> dict[str, dict[str, object]]:
    """Return the locks that stand on the model, by kind, as `cdml status` has them."""
    return {lock["kind"]: lock for lock in box.ask("status")["models"][0]["locks"]}


def test_hold_freeze_and_pin_outlive_a_restart_and_say_who_and_why(box: Box) -> None:
    assert box.ask("hold", "late", "--reason", "looking")["changed"]
    assert box.ask("freeze", "--reason", "moving racks")["changed"]
    assert box.ask("pin", "late", "--reason", "audit week")["changed"]
    again = box.ask("freeze", "--reason", "me too")
    assert not again["changed"]
    assert again["message"].startswith("already frozen by")
    box.kill("run")
    eventually("the engine answers again", box.answers)
    found = locks(box)
    assert {kind: lock["reason"] for kind, lock in found.items()} == {
        "hold": "looking", "freeze": "moving racks", "pin": "audit week"
    }  # fmt: skip
    assert (found["pin"]["version"], found["freeze"]["everywhere"]) == ("v1", True)
    told = box.run("status").stdout
    assert "late: pin v1 by" in told
    assert "old: audit week" in told
    assert box.predict()[0] == 200

    said = box.refused("promote", "late", "v2", "--override-freeze", "--reason", "r", code=4)
    assert said["code"] == "locked"
    assert "late is pinned to v1 by" in said["message"]
    assert "cdml unpin late" in said["message"]
    box.run("unpin", "late")
    said = box.refused("promote", "late", "v2", code=4)
    assert "the whole engine is frozen by" in said["message"]
    assert "--override-freeze --reason TEXT" in said["message"]
    assert "Reading cdml.toml again" in box.refused("reload", code=4)["message"]
    moved = box.ask("promote", "late", "v2", "--override-freeze", "--reason", "the fix")
    assert moved["changed"]
    assert set(locks(box)) == {"freeze"}

    back = box.ask("rollback", "late")
    assert (back["from"], back["to"]) == ("v2", "v1")
    assert set(locks(box)) == {"freeze", "hold"}
    (spite,) = box.ask("audit", "--overrides")["entries"]
    assert (spite["action"], spite["detail"]["overrides"]) == ("promote", ["freeze"])
    assert not box.ask("thaw", "late")["changed"]
    assert box.ask("thaw")["changed"]
    assert box.ask("resume", "late")["locks"] == []
    assert box.ask("audit", "--verify")["verified"]


def test_a_pinned_champion_is_left_only_by_a_confirmed_rollback(box: Box) -> None:
    box.ask("promote", "late", "v2")
    assert box.refused("pin", "late", "v1", code=5)["code"] == "conflict"
    assert box.ask("pin", "late", "v2")["locks"][0]["version"] == "v2"
    said = box.refused("rollback", "late", code=4)
    assert "--override pin --reason TEXT" in said["message"]
    back = box.ask("rollback", "late", "--override", "pin", "--reason", "3 a.m.")
    assert back["to"] == "v1"
    assert set(locks(box)) == {"hold"}
    assert box.ask("audit", "--overrides")["entries"][-1]["detail"]["overrides"] == ["pin"]


def test_what_a_freeze_stopped_is_counted_and_made_up_for_by_one_training(box: Box) -> None:
    box.write({"on = []": 'on = ["new_data"]'})
    box.run("reload")
    box.run("freeze", "late", "--reason", "looking")
    for seed in (7, 8):
        path = box.path.parent / f"{seed}.csv"
        box.ask("ingest", "late", str(deliver(path, seed, SECOND)))
    (stopped,) = locks(box)["freeze"]["suppressed"]  # type: ignore[misc]
    assert (stopped["action"], stopped["count"]) == ("train: new data", 2)
    assert "stopped train: new data x2" in box.run("status").stdout
    before = {run["id"] for run in box.ask("jobs")}
    thawed = box.ask("thaw", "late")
    assert "it had stopped: train: new data (2 times)" in thawed["message"]

    def made_up() -> list[str]:
        return [run.cause for run in box.control.jobs() if run.id not in before]

    (cause,) = eventually("one training makes up for it", made_up)
    assert cause == "makes up for what a freeze stopped: train: new data, 2 times"
    assert locks(box) == {}


def test_a_key_is_one_request_and_a_run_is_asked_for_once(box: Box) -> None:
    ask = box.control
    run = ask.start("monitor", "late", RunRequest("a key", "looking"))
    assert ask.start("monitor", "late", RunRequest("a key")).id == run.id

    def refused(request: Callable[[], object]) -> tuple[int, str, str]:
        with pytest.raises(ConsoleError) as found:
            request()
        return found.value.status, found.value.code, found.value.message

    for request in (
        lambda: ask.lock("hold", "late", LockRequest("a key")),
        lambda: ask.start("train", "late", RunRequest("a key")),
        lambda: ask.change("promote", "late", Change("a key", to="v2")),
    ):
        status, code, message = refused(request)
        assert (status, code) == (409, "key_reused")
        assert "monitor of late by" in message
    assert refused(lambda: ask.lock("hold", "late", LockRequest("")))[:2] == (422, "no_key")
