"""Three in the morning: a champion that has surely become worse, and a shell to end that from."""

import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from engine.clock import SystemClock
from tests.box import Box, eventually
from tests.console.pseudo_terminal import ROOT, PseudoTerminal

ROWS = 400
# A target that has been on the screen for a second arms the key.
ARMED_S = 1.05


def breach(box: Box) -> None:
    """Promote v2 and let outcomes turn against it until an incident is open."""
    box.write({"# metric_limit = 0.69": "metric_limit = 0.8"})
    box.ask("reload")
    box.ask("promote", "late", "v2")
    now = SystemClock().now()
    rows = [_row(at, now - timedelta(hours=6, seconds=-10 * at)) for at in range(ROWS)]
    outcome = (now - timedelta(hours=1)).isoformat()
    labels = [{"id": r["id"], "ts": outcome, "value": at % 2 == 0} for at, r in enumerate(rows)]
    for part in range(0, ROWS, 100):
        for what, name, values in (("predict", "rows", rows), ("labels", "labels", labels)):
            code, answer = box.post(what, json.dumps({name: values[part : part + 100]}).encode())
            assert code == 200, answer

    def looked() -> int | None:
        # What was sent is loaded within a second or so: a look before that finds nothing.
        box.ask("monitor", "late", "--wait")
        return box.control.state().models[0].incident

    eventually("an incident is open", looked)


def _row(at: int, when: datetime) -> dict[str, Any]:
    late = bool(at % 2)
    features = {"wind": 20.0 if late else 5.0, "kind": "c" if late else "a", "hour": when.hour}
    return {"id": f"night-{at}", "ts": when.isoformat(), "features": features}


@dataclass(frozen=True, slots=True)
class Night:
    """What it took: the keys that were pressed, and the seconds from Enter on."""

    keys: int
    ready_s: float
    served_s: float
    screen: str


def taken_back(box: Box, folder: Path) -> Night:
    """Type `cdml` into a shell that stands in the workspace, press R; return when v1 serves."""
    command = folder / "cdml"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m cdml_tui.cli "$@"\n')
    command.chmod(0o755)
    shell = ["env", "-C", str(box.path), "bash", "--noprofile", "--norc", "-i"]
    around = {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "PS1": "$ "}
    keys = 0
    with PseudoTerminal(box.path, command=shell, **around) as terminal:

        def press(key: str) -> None:
            nonlocal keys
            keys += 1
            terminal.press(key)

        terminal.until("$ ")
        for key in "cdml":
            press(key)
        terminal.until("$ cdml")
        entered = time.monotonic()
        press("\r")
        terminal.until("R = roll back to v1 (READY)", 30.0)
        shown = time.monotonic()
        while time.monotonic() < shown + ARMED_S:
            terminal.read(0.02)
        press("R")
        terminal.until("v1 serving", 30.0)
        return Night(keys, shown - entered, time.monotonic() - entered, terminal.text)
