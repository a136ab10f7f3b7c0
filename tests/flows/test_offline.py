"""The way back while the engine is dead, and how the engine takes it when it returns."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from cdml_tui import offline
from cdml_tui.client import ConsoleError
from cdml_tui.state import Intent
from tests.box import Box, eventually
from tests.traffic import traffic


def test_a_rollback_without_an_engine_is_served_and_kept(
    box: Box, record_property: Callable[[str, object], None]
) -> None:
    box.ask("promote", "late", "v2")
    serving = box.pid("serve")
    with traffic(box, 60.0) as clients:
        eventually("v2 answers", lambda: clients.answered and clients.answered[-1].version == "v2")
        box.kill("supervise")
        box.kill("run")
        lost = box.refused("rollback", "late", code=3)
        assert "cdml rollback late --offline" in lost["message"]
        none = box.refused("rollback", "late", "--offline", "--before", "2024-01-01", code=4)
        assert none["code"] == "no_target"
        back = box.ask("rollback", "late", "--offline", "--reason", "3 a.m.")
        done = time.monotonic()
        assert (back["from"], back["to"], back["changed"]) == ("v2", "v1", True)
        eventually("v1 answers", lambda: clients.answered[-1].version == "v1", 1.0)
        record_property("after_the_command_s", round(time.monotonic() - done, 3))
        again = box.ask("rollback", "late", "--offline")
        assert (again["changed"], again["generation"]) == (False, back["generation"])
        box.up()
        eventually("the engine answers", box.answers)
    assert clients.failed == []
    assert [a.version for a in clients.answered if a.began > done + 1.0 and a.version != "v1"] == []
    assert box.pid("serve") == serving
    status = box.ask("status")["models"][0]
    assert (status["champion"], status["generation"]) == ("v1", back["generation"])
    assert len(status["locks"]) == 1
    audit = box.ask("audit", "--verify")
    assert audit["verified"] is True
    assert audit["entries"][-1]["reason"] == "3 a.m."
    box.down()


def test_the_consoles_key_rolls_back_without_an_engine(box: Box) -> None:
    box.ask("promote", "late", "v2")
    box.kill("supervise")
    box.kill("run")
    intent = Intent("rollback", "late", from_version="v2", to="v1", idempotency_key="k")
    answer, doubt = offline.roll_back(str(box.path), intent)
    assert (answer.from_, answer.to, answer.changed, doubt) == ("v2", "v1", True, "")
    assert offline.roll_back(str(box.path), intent)[0] == answer, "the same key, the same answer"
    with pytest.raises(ConsoleError, match="it is v1"):
        offline.roll_back(str(box.path), replace(intent, idempotency_key="another"))
    box.up()
    assert box.ask("status")["models"][0]["champion"] == "v1"
    box.down()
