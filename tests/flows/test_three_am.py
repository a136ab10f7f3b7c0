"""From a shell prompt to the old version serving: six keys, against a real engine and breach."""

from collections.abc import Callable
from pathlib import Path

from tests import night
from tests.box import Box


def test_six_keys_from_the_prompt_to_served_by_the_old_version(
    box: Box, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    night.breach(box)
    assert "INC-1 late v2 REALISED log_loss" in box.run("motd").stdout
    assert box.run("watch", "--once", code=6).returncode == 6
    found = night.taken_back(box, tmp_path)
    record_property("ready_s", round(found.ready_s, 2))
    record_property("served_s", round(found.served_s, 2))
    assert found.keys == 6
    status, answer = box.predict()
    assert (status, answer["predictions"][0]["version"]) == (200, "v1")
    assert box.ask("audit")["entries"][-1]["action"] == "rollback"
    assert found.served_s < 30, found
