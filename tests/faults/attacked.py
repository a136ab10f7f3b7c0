"""Case 43: a model's files and the ledger tampered with under a running engine, then one key."""

import contextlib
import json
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.box import Box, copied, eventually, flipped
from tests.console.pseudo_terminal import PseudoTerminal
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import within
from tests.traffic import traffic

# A target that has been on the screen for a second arms the key.
ARMED_S = 1.05
FOUND_S = 600.0
BACK_S = 2.0


def manifest(box: Box, version: str) -> str:
    """Return the name under which a version is sealed."""
    with sqlite3.connect(f"file:{box.path / 'ledger.sqlite'}?mode=ro", uri=True) as db:
        return str(
            db.execute("select manifest from versions where version = ?", (version,)).fetchone()[0]
        )


def artifact(box: Box) -> None:
    """Flip a bit of the champion's estimator."""
    name = manifest(box, "v2")
    found = json.loads((box.path / "artifacts" / f"{name}.json").read_text())["artifact"]
    flipped(box.path / "artifacts" / f"{found}.skops")


def signature(box: Box) -> None:
    """Flip a bit of the champion's signature."""
    flipped(box.path / "artifacts" / f"{manifest(box, 'v2')}.sig")


def swapped(box: Box) -> None:
    """Have the ledger name the files of another version as the champion's."""
    written(box, "update versions set manifest = ? where version = 'v2'", manifest(box, "v1"))


def usurped(box: Box) -> None:
    """Make a safe mode that nobody promoted the champion."""
    written(box, "update models set champion = 'v1-safe'")


def written(box: Box, sql: str, *values: str) -> None:
    """Write into the ledger as somebody would who has the file."""
    with contextlib.closing(sqlite3.connect(box.path / "ledger.sqlite", timeout=10.0)) as db, db:
        db.execute(sql, values)


ATTACKS: dict[str, tuple[Callable[[Box], None], str]] = {
    "artifact": (artifact, "files of v2, the champion, are gone or not as they were sealed"),
    "signature": (signature, "files of v2, the champion, are gone or not as they were sealed"),
    "manifest in the ledger": (swapped, "files of v2, the champion, are gone or not"),
    "champion in the ledger": (usurped, "late is not as the chain says: its champion is v1-safe"),
}


def drill(stock: Path, folder: Path) -> Outcome:
    """Tamper, see it found, see who answers then, and take it back with one key."""
    outcome = Outcome("43", "artifact and ledger tampered with: found, last good serves, one key")
    found, back, doctor = [], [], []
    folder.mkdir()
    for number, name in enumerate(ATTACKS):
        with copied(stock, folder / str(number) / "box") as box:
            one = attacked(box, *ATTACKS[name])
        outcome.struck([f"{name}: {text}" for text in one["wrong"]])
        found.append(one["found"])
        back.append(one["back"])
        doctor.append(one["doctor"])
        shutil.rmtree(folder / str(number))
    outcome.goal("found by doctor s, max", max(doctor), at_most=FOUND_S)
    outcome.goal("found at the next load s, max", max(found), at_most=FOUND_S)
    outcome.goal("key to the old version's answer s, max", max(back), at_most=BACK_S)
    return outcome


def attacked(box: Box, tamper: Callable[[Box], None], told: str) -> dict[str, Any]:
    """Return what one attack came to: how long each step took, and what was wrong."""
    wrong: list[str] = []
    box.up()
    box.ask("promote", "late", "v2", "--reason", "it passed")
    with traffic(box, 20.0) as clients:
        eventually("v2 answers", lambda: clients.answered and clients.answered[-1].version == "v2")
        began = time.monotonic()
        tamper(box)
        diagnosed = bad(box)
        doctor = time.monotonic() - began
        if not diagnosed:
            wrong.append("doctor finds nothing bad")
        # What is in memory goes on; the next start looks at once, a running engine every ten min.
        began = time.monotonic()
        box.kill("run")
        seen = within(lambda: box.answers() and any(told in text for text in box.events()), 60.0)
        if seen is None:
            wrong.append(f"never told: {told}")
        found = time.monotonic() - began
        # Nothing that is not as it was sealed may be loaded: whoever answers now was verified.
        box.kill("serve")
        moment = time.monotonic()
        served = within(lambda: any(a.began > moment for a in clients.answered[-5:]), 30.0)
        who = {a.version for a in clients.answered if a.began > moment}
        if served is None or ("files" in told and "v2" in who):
            wrong.append(f"after a restart {who or 'nobody'} answers")
        eventually("the engine answers", box.answers)
        back = one_key(box)
    return {"wrong": wrong, "found": found, "doctor": doctor, "back": back}


def bad(box: Box) -> bool:
    """Say whether `cdml doctor` finds something bad."""
    run = box.run("doctor", "--json", code=None)
    return run.returncode == 1 and any(f["state"] == "bad" for f in json.loads(run.stdout))


class Asking(threading.Thread):
    """Asks without a pause who is the champion; remembers when the old version first was."""

    def __init__(self, box: Box, version: str) -> None:
        super().__init__(daemon=True)
        self.first: float | None = None
        self._box, self._version = box, version

    def run(self) -> None:
        while self.first is None:
            began = time.monotonic()
            with contextlib.suppress(OSError, ValueError, KeyError):
                _, answer = self._box.predict()
                leads = champion(self._box) == self._version
                if answer["predictions"][0]["version"] == self._version and leads:
                    self.first = began
            time.sleep(0.01)


def champion(box: Box) -> str:
    """Return who leads, from the file."""
    with sqlite3.connect(f"file:{box.path / 'ledger.sqlite'}?mode=ro", uri=True) as db:
        return str(db.execute("select champion from models").fetchone()[0])


def one_key(box: Box) -> float:
    """Press R in a real terminal; return after how long the old version leads and answers."""
    command = [sys.executable, "-P", "-m", "cdml_tui.cli", "-w", str(box.path)]
    with PseudoTerminal(box.path, command=command) as terminal:
        terminal.until("R = roll back to v1 (READY)", 30.0)
        shown = time.monotonic()
        while time.monotonic() < shown + ARMED_S:
            terminal.read(0.02)
        asking = Asking(box, "v1")
        asking.start()
        pressed = time.monotonic()
        terminal.press("R")
        terminal.until("v1 serving", 30.0)
        screen = time.monotonic() - pressed
        asking.join(30.0)
        assert asking.first is not None, "v1 does not answer"
        return max(screen, asking.first - pressed)


CASES: dict[str, Case] = {"43": drill}
