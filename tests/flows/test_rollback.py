"""Back to last known good with real processes: in every state, through kills, seen beforehand."""

import contextlib
import random
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from engine.engine_link import EngineLink
from engine.errors import CdmlError
from engine.wire import Change
from tests.box import SECOND, Box, deliver, eventually, row
from tests.traffic import traffic

KILLS = 8


def ready(box: Box) -> Any:
    """Return what the status says of the way back."""
    return box.control.status().models[0].rollback


def answering(box: Box, *rows: dict[str, Any]) -> dict[str, Any]:
    """Return how a row is answered now."""
    status, answer = box.predict(*rows)
    assert status == 200, answer
    found: dict[str, Any] = answer["predictions"][0]
    return found


def test_the_first_champion_goes_back_to_safe_mode_and_every_answer_says_so(box: Box) -> None:
    assert ready(box).to == "v1-safe"
    back = box.ask("rollback", "late", "--reason", "nothing else there")
    assert (back["from"], back["to"], back["changed"]) == ("v1", "v1-safe", True)
    found = answering(box)
    assert (found["version"], found["safe_mode"]) == ("v1-safe", True)
    again = box.run("rollback", "late")
    assert "already rolled back from v1 to v1-safe" in again.stdout
    assert box.refused("rollback", "late", "--expect", "v1-safe", code=4)["code"] == "no_target"
    assert box.ask("undo", "late")["to"] == "v1"
    assert "safe_mode" not in answering(box)


def test_neither_freeze_nor_canary_nor_a_second_press_stands_in_the_way(box: Box) -> None:
    box.ask("canary", "late", "v2", "--share", "20")
    box.ask("freeze", "late", "--reason", "deploy day")
    assert box.ask("rollback", "late")["to"] == "v1-safe"
    assert box.ask("rollback", "late")["changed"] is False
    (canary,) = [v for v in box.ask("versions", "late") if v["version"] == "v2"]
    assert (canary["fitness"], canary["roles"]) == ("aborted", [])
    kinds = {lock["kind"] for lock in box.ask("status")["models"][0]["locks"]}
    assert kinds == {"freeze", "hold"}


def test_a_training_that_ends_after_a_rollback_does_not_go_live(box: Box, tmp_path: Path) -> None:
    box.ask("promote", "late", "v2")
    box.write({'mode = "manual"': 'mode = "automatic"'})
    box.run("reload")
    box.ask("ingest", "late", str(deliver(tmp_path / "third.csv", 3, SECOND.replace(day=20))))
    box.run("train", "late")
    eventually("the training's process", lambda: box.pid("job"))
    assert box.ask("rollback", "late")["to"] == "v1"
    eventually("the training has ended", lambda: box.control.jobs()[0].ended_at)
    assert box.champion() == "v1"
    state = box.control.state().models[0]
    assert not any({"canary", "shadow"} & set(v.roles) for v in state.versions)


def test_a_column_gone_upstream_turns_the_way_back_red_before_the_key(
    box: Box, tmp_path: Path
) -> None:
    narrow = {"id": "n", "ts": "2024-02-01T07:00:00Z", "features": {"wind": 9.5, "kind": "b"}}
    box.write({"exclude = [": 'exclude = ["hour",'})
    box.run("reload")
    box.ask("ingest", "late", str(deliver(tmp_path / "third.csv", 3, SECOND.replace(day=20))))
    box.run("train", "late", "--wait", code=None)
    box.ask("promote", "late", "v3", "--override", "v3", "--reason", "upstream drops the column")
    assert ready(box).to == "v1"
    answering(box, *({**narrow, "id": f"n-{n}"} for n in range(200)))
    red = eventually("the way back is red", lambda: [c for c in ready(box).checks if not c.ok])
    assert red[0].name == "v1 passed over"
    assert 'missing feature "hour"' in red[0].found
    assert any("the way back: v1: takes" in text for text in box.events())
    # The safe mode beside v3 takes what clients send now.
    assert box.ask("rollback", "late")["to"] == "v3-safe"
    assert answering(box, {**narrow, "id": "after"})["safe_mode"] is True
    named = box.run("rollback", "late", "--to", "v1")
    assert "Warning: v1 takes" in named.stdout
    assert box.predict(row("wide"))[0] == 200


def asked_in_background(box: Box, verb: str, change: Change) -> threading.Thread:
    """Ask for a change over a connection of its own; whether it is answered does not matter."""

    def ask() -> None:
        # Killed meanwhile: the same key is asked again.
        with contextlib.suppress(CdmlError):
            body = msgspec.to_builtins(change)
            EngineLink(box.control.socket, 60.0).post(f"/api/v1/models/late/{verb}", body)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def test_killed_at_any_moment_of_a_change_it_is_whole_or_not_at_all(
    box: Box, record_property: Callable[[str, object], None]
) -> None:
    draw, kept, champion = random.Random(4), 0, "v1"
    with traffic(box, 60.0) as clients:
        eventually("traffic", lambda: len(clients.answered) > 10)
        for number in range(KILLS):
            to = "v2" if champion == "v1" else "v1"
            verb = "promote" if to == "v2" else "rollback"
            change = Change(
                uuid.uuid4().hex, champion, to, f"kill {number}", override=["v2"] * (to == "v2")
            )
            thread = asked_in_background(box, verb, change)
            pause = time.monotonic() + draw.random() * 0.06
            eventually("a moment", lambda end=pause: time.monotonic() > end)
            box.kill("run")
            thread.join()
            eventually("the engine is back", box.answers)
            found = box.champion()
            assert found in (champion, to)
            kept += found == to
            box.control.change(verb, "late", change)
            assert box.champion() == to
            since = time.monotonic()
            eventually(f"{to} answers", partial(by, clients, to, since))
            champion = to
    record_property("recorded_before_the_kill", kept)
    assert clients.failed == []
    assert box.ask("audit", "--verify")["verified"] is True
    moves = [e for e in box.ask("audit", "--limit", "100")["entries"] if e["reason"][:4] == "kill"]
    assert len(moves) == KILLS, "each change happened once"


def by(clients: Any, version: str, since: float) -> bool:
    """Say whether a version answered a request that began after a moment."""
    last = clients.answered[-1]
    return last.began > since and last.version == version
