"""A day in which everything happens that usually does."""

import json
from pathlib import Path

from engine.wire import Change, RunRequest
from tests.box import Box, deliver, row
from tests.faults.kills import LATER
from tests.faults.scene import AGAIN

STRANGE = "\x1b]0;owned\x07\x1b[2J[bold red]x[/]\u202e"


def whole_day(box: Box, folder: Path) -> None:
    """Have everything happen that usually does: rows, labels, a training, changes, a backup."""
    assert box.predict(row("day"))[0] == 200
    label = {"id": "day", "ts": "2024-02-01T09:00:00Z", "value": True}
    assert box.post("labels", json.dumps({"labels": [label]}).encode())[0] == 200
    box.control.ingest("late", deliver(folder / "day.csv", 11, LATER))
    box.ask("train", "late", "--wait")
    box.control.change("promote", "late", Change("p", to="v2", override=AGAIN, reason=STRANGE))
    box.control.change("rollback", "late", Change("r", reason="a test"))
    box.control.start("monitor", "late", RunRequest("m", reason=STRANGE))
    box.control.back_up()
