"""Canaries by command, with real processes: what waits, what comes back, what ends them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.box import Box, copied, eventually, row


@pytest.fixture
def still(tmp_path: Path, stock: Path) -> Iterator[Box]:
    """Return a workspace with champion v1 and v2 past its gate; nothing runs yet."""
    with copied(stock, tmp_path / "box") as box:
        box.write({'unit = "client"': 'unit = "id"\nwarm_up = "0s"\nstep_rows = 30'})
        yield box


def asked(box: Box, names: list[str]) -> dict[str, str]:
    """Predict each row in a request of its own; return who answered which."""
    found = {}
    for name in names:
        status, answer = box.post("predict", json.dumps({"rows": [row(name)]}).encode())
        assert status == 200
        found[name] = answer["predictions"][0]["version"]
    return found


def state_of(box: Box, version: str) -> str:
    return next(v.state for v in box.control.versions("late") if v.version == version)


# Asked twice, fewer of them reach the canary than the 30 rows after which it is judged.
NAMES = [f"unit-{at}" for at in range(24)]


def test_a_canary_comes_back_with_its_share_and_its_units_and_steps_on_nothing(
    still: Box,
) -> None:
    box = still
    box.write({'mode = "manual"': 'mode = "automatic"'})
    box.up()
    begun = box.run("canary", "late", "v2", "--share", "30", "--reason", "a look")
    assert "v2 answers 30 %; at 30 % errors that rise from 1 % to 3 % show after" in begun.stdout
    assert "v2 canary 30 %" in box.run("status").stdout
    before = asked(box, NAMES)
    assert set(before.values()) == {"v1", "v2"}
    share = [v for v in before.values() if v == "v2"]
    assert 1 <= len(share) < 15
    # What a look at the shadow found is not said of the canary.
    eventually("a look at it", lambda: box.control.rollout("late").why)
    page = box.ask("rollout", "late")
    assert (page["phase"], page["share_pct"], page["decision"]) == ("canary", 30.0, "wait")
    assert "of 30 rows answered by the canary" in page["why"]

    box.kill("run")
    box.kill("serve")
    eventually("the engine answers again", box.answers)
    eventually("serving answers again", lambda: box.predict()[0] == 200)
    assert asked(box, NAMES) == before
    again = box.ask("rollout", "late")
    assert (again["phase"], again["share_pct"], again["version"]) == ("canary", 30.0, "v2")
    assert again["since"] == page["since"]

    assert box.ask("abort", "late", "--reason", "enough")["changed"] is True
    assert box.ask("abort", "late")["changed"] is False
    assert set(asked(box, NAMES).values()) == {"v1"}
    assert state_of(box, "v2") == "aborted"
    assert "no rollout runs" in box.run("rollout", "late").stdout


def test_a_canary_waits_for_a_yes_and_is_promoted_by_it(still: Box) -> None:
    box = still
    box.write({'mode = "manual"': 'mode = "approve"'})
    box.up()
    assert box.refused("approve", "late", "v2", code=4)["code"] == "nothing_waits"
    box.ask("canary", "late", "v2", "--share", "50")
    refused = box.refused("approve", "late", "v2", code=4)
    assert "inconclusive: 0 of 30 rows answered by the canary" in refused["message"]
    asked(box, [f"more-{at}" for at in range(120)])
    eventually("it waits", lambda: box.control.rollout("late").waiting == "to become champion")
    assert box.champion() == "v1"
    assert state_of(box, "v2") == "canary, waits for approval"
    assert "waits for approval" in box.run("status").stdout
    assert any("v2 waits for a person to become champion" in text for text in box.events())
    shown = box.run("rollout", "late").stdout
    assert "v2 is canary at 50 % beside champion v1" in shown
    assert "waits for a person to become champion: cdml approve late v2" in shown
    assert "latency by rows" in shown
    done = box.ask("approve", "late", "v2", "--reason", "seen")
    assert (done["from"], done["to"]) == ("v1", "v2")
    assert set(asked(box, NAMES).values()) == {"v2"}


def test_no_and_right_now_are_said_by_command(box: Box) -> None:
    assert box.refused("roll-through", "late", "--reason", "x", code=4)["code"] == "no_canary"
    box.ask("canary", "late", "v2")
    assert box.refused("roll-through", "late", code=2)["code"] == "no_reason"
    done = box.ask("roll-through", "late", "--reason", "v1 answers nonsense")
    assert (done["from"], done["to"]) == ("v1", "v2")
    assert box.ask("undo", "late")["to"] == "v1"
    assert box.refused("reject", "late", "v2", code=2)["code"] == "no_reason"
    box.ask("reject", "late", "v2", "--reason", "not this one")
    assert state_of(box, "v2") == "aborted"
    actions = [e["action"] for e in box.ask("audit")["entries"]][-4:]
    assert actions == ["canary", "roll-through", "undo", "reject"]
