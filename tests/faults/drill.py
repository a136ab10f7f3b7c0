"""Case 44: drift, retrain, validate, canary, that turns bad, eject, rollback, all under kill -9.

Only the data are made up: what drifts, what becomes known of it. The engine does the rest by
itself, but for the rollback at the end, which an operator asks for.
"""

import contextlib
import csv
import os
import random
import select
import shutil
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cdml_tui.client import Client, ConsoleError
from engine.clock import SystemClock
from engine.wire import RunRequest
from tests.box import COLUMNS, SECOND, Box, copied, eventually, initialised
from tests.faults.intruder import UnixConnection
from tests.faults.kills import end
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import Changer, shown, within
from tests.traffic import World, traffic

THIRD = datetime(2024, 1, 17, 16)  # noqa: DTZ001 - as in a file
PATIENCE_S = 300.0  # a training is the last to get a busy core
FIRST_RUNS = 2  # those that the workspace was prepared with
ENDED = ("killed", "interrupted", "failed")
PER_SECOND = 25.0
WINDY = 12.5  # miles on average, 10 before
AT_ONCE = 4
# The last one leaves nobody who starts anything again: the drill does, as systemd would.
VICTIMS = (("run",), ("run",), ("serve",), ("job",), ("supervise", "run"),
           ("supervise", "run", "serve"))  # fmt: skip
AUTOMATIC = {
    "on = []": 'on = ["drift"]',
    'windows = ["all"]': 'windows = ["6d"]',
    'mode = "manual"': 'mode = "automatic"',
    "shadow = { rows = 20 }": 'shadow = { rows = 100 }\nwarm_up = "0s"\nstep_rows = 400',
    "canary = []": "canary = [20, 50]",
    'unit = "client"': 'unit = "id"',
    'label_maturity = "2h"': 'label_maturity = "0d"',
}


def features(draw: random.Random, wind: float) -> tuple[float, str]:
    """Draw what is known of a row beforehand."""
    return round(draw.gauss(wind, 4), 3), draw.choice("abc")


def late(draw: random.Random, row: tuple[float, str], odds: float) -> bool:
    """Draw its outcome; the odds say how well it could be foreseen."""
    return draw.random() < (odds if row[0] > 12 or row[1] == "c" else 1.0 - odds)


def file(path: Path, seed: int, start: datetime, odds: float, wind: float) -> Path:
    """Write 600 rows with their outcomes."""
    draw = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as target:
        table = csv.writer(target)
        table.writerow(COLUMNS)
        for number in range(600):
            at = start + timedelta(minutes=20 * (number + 1))
            row = features(draw, wind)
            known = (at + timedelta(hours=2)).isoformat()
            told = late(draw, row, odds)
            table.writerow([f"{seed}-{number}", at.isoformat(), known, *row, at.hour, told])
    return path


def drifted(name: str) -> dict[str, Any]:
    """Return a row as clients ask it now: windier than any that the champion learned from."""
    now = SystemClock().now()
    wind, kind = features(random.Random(name), WINDY)
    found = {"wind": wind, "kind": kind, "hour": now.hour}
    return {"id": name, "ts": now.isoformat(), "features": found}


@dataclass(slots=True)
class Turning:
    """What becomes known of rows: as the newest file says, until it turns into the opposite."""

    turned: bool = False

    def outcome(self, name: str) -> dict[str, Any]:
        """Return the label of a row."""
        draw = random.Random(name)
        value = late(draw, features(draw, WINDY), 0.97) != self.turned
        return {"id": name, "ts": SystemClock().now().isoformat(), "value": value}


def prepared(folder: Path) -> Path:
    """Return a stopped workspace: v2 leads, v1 is behind it, newer rows and drift have come."""
    folder.mkdir(parents=True)
    box = initialised(folder)
    try:
        box.write({"shadow = { rows = 20 }": "shadow = { rows = 0 }"})
        box.up()
        eventually("v1 is champion", box.champion)
        box.ask("ingest", "late", str(file(folder / "second.csv", 2, SECOND, 0.85, 10.0)))
        box.ask("train", "late", "--wait")
        box.ask("promote", "late", "v2", "--reason", "it passed")
        box.ask("ingest", "late", str(file(folder / "third.csv", 3, THIRD, 0.97, WINDY)))
        # Drift is evidence once a window is full from its first third on.
        now = SystemClock().now()
        days = [(now - timedelta(days=6 - n // 300)).isoformat() for n in range(1800)]
        rows = [{**drifted(f"day-{n}"), "ts": ts} for n, ts in enumerate(days)]
        for part in range(0, len(rows), 200):
            status, answer = box.predict(*rows[part : part + 200])
            assert status == 200, answer
        box.down()
    finally:
        box.end()
    box.write({"shadow = { rows = 0 }": "shadow = { rows = 20 }"} | AUTOMATIC)
    config = box.path / "cdml.toml"
    text = config.read_text(encoding="utf-8")
    before, after = text.split("[models.late.monitor]")
    after = after.replace('every = "3650d"', 'every = "15s"')
    config.write_text(f"{before}[models.late.monitor]{after}", encoding="utf-8")
    return box.path


class Striker(threading.Thread):
    """Kills some process with -9 at random instants, and starts what nobody else starts."""

    def __init__(self, box: Box, seed: int, times: int) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.struck: list[str] = []
        self._box, self._times = box, times
        self._draw = random.Random(seed)

    def run(self) -> None:
        while len(self.struck) < self._times and not self.over.wait(0.5 + 5 * self._draw.random()):
            victims = [v for v in self._draw.choice(VICTIMS) if slain(self._box.pid(v))]
            self.struck += ["+".join(victims)] if victims else []
            while not self._box.pid("supervise"):
                slain(self._box.pid("run"))
                self._box.run("up", code=None)


@dataclass(slots=True)
class Play:
    """One drill: what came of it, and what an operator had to do."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)
    by_hand: int = 0
    canaries: int = 0
    predictions: int = 0
    took_s: float = 0.0


def slain(pid: int) -> bool:
    """Kill a process with -9 and wait until it is gone; False where there is none."""
    try:
        handle = os.pidfd_open(pid) if pid else -1
    except ProcessLookupError:
        handle = -1
    if handle < 0:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    gone, _, _ = select.select([handle], [], [], 10.0)
    os.close(handle)
    return bool(gone)


def asked(box: Box, what: Callable[[Client], Any]) -> Any:
    """Ask the engine something; None while there is none to answer."""
    with contextlib.closing(Client(box.control.socket, timeout=10.0)) as client:
        try:
            return what(client)
        except ConsoleError:
            return None


def having(box: Box, role: str) -> str:
    """Return the version that has a role, nothing where none has or nobody says."""
    rows = asked(box, lambda client: client.versions("late")) or []
    return next((v.version for v in rows if role in v.roles), "")


def canary(box: Box, play: Play) -> str:
    """Return the version that answers a share; what kills have ended is asked for by hand."""
    if (found := having(box, "canary")) or having(box, "shadow"):
        return found
    jobs = asked(box, lambda client: client.jobs()) or []
    runs = [j for j in jobs if j.job == "train"]
    if len(runs) > FIRST_RUNS and runs[0].state in ENDED:
        request = RunRequest(f"hand-{play.seed}-{play.by_hand}")
        made = asked(box, lambda client: client.start("train", "late", request))
        play.by_hand += made is not None
    return ""


def ejected(box: Box, version: str) -> bool:
    """Say whether the engine has stopped a version that was brought in."""
    rows = asked(box, lambda client: client.versions("late")) or []
    return any(v.version == version and v.state == "aborted" for v in rows)


def one(stock: Path, folder: Path, seed: int, kills: int) -> Play:
    """Play the drill once; return what was wrong after it."""
    play, began, turning = Play(seed), time.monotonic(), Turning()
    world = World(drifted, turning.outcome)
    with copied(stock, folder / "box") as box:
        box.up()
        striker = Striker(box, seed, kills)
        changer = Changer(box.control.socket, 0.1, seed)
        with traffic(box, PER_SECOND, world) as clients:
            striker.start()
            try:
                version = str(eventually("a canary", lambda: canary(box, play), PATIENCE_S))
                turning.turned = True
                if within(lambda: ejected(box, version), PATIENCE_S) is None:
                    play.wrong.append(f"the bad canary {version} was not ejected")
                # Pressed again while there is no engine that it could reach.
                within(lambda: changer.one("rollback")["state"] != "refused", PATIENCE_S)
                striker.join(PATIENCE_S)
            finally:
                striker.over.set()
                striker.join(PATIENCE_S)
            eventually("the engine answers", box.answers)
            changer.settle()
        play.wrong += afterwards(box, changer)
        play.wrong += end(box, clients, changer.lines)
        play.struck, play.predictions = striker.struck, len(clients.answered)
    play.took_s = time.monotonic() - began
    return play


def afterwards(box: Box, changer: Changer) -> list[str]:
    """Look who leads, and have every stored measure made again from the raw rows."""
    wrong = []
    line = changer.lines[-1]
    if line["state"] != "ok":
        wrong.append(f"the rollback came to {line}")
    if (leads := box.champion()) != "v1":
        wrong.append(f"{leads} leads after the rollback to v1")
    # What comes while all is measured again would make a difference that is none.
    waiting = "cdml_spool_waiting_bytes"
    eventually("all is loaded", lambda: not shown(UnixConnection(box.control.socket), waiting))
    for job in ("monitor", "rebuild"):
        asked_for = RunRequest(f"{job}-after", rebuild=job == "rebuild")
        run = box.control.start("monitor", "late", asked_for)
        ended = eventually(f"{job} ended", lambda: _ended(box, run.id))  # noqa: B023
        if ended.state != "done" or (job == "rebuild" and "equal to the byte" not in ended.note):
            wrong.append(f"{job}: {ended.state} {ended.note}{ended.error or ''}")
    return wrong


def _ended(box: Box, run: str) -> Any:
    found = box.control.job(run)
    return found if found.ended_at else None


def drills(stock: Path, folder: Path, seeds: int, kills: int) -> Outcome:
    """Play every seed, some at once: most of their time they wait."""
    outcome = Outcome("44", "drift, retrain, canary turns bad, eject, rollback, under kill -9")
    ready = prepared(folder / "stock")

    def play(seed: int) -> Play:
        place = folder / str(seed)
        place.mkdir()
        try:
            return one(ready, place, seed, kills)
        except AssertionError as fault:
            return Play(seed, [str(fault)])
        finally:
            shutil.rmtree(place, ignore_errors=True)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        plays = list(pool.map(play, range(1, seeds + 1)))
    for found in plays:
        outcome.struck([f"seed {found.seed}: {text}" for text in found.wrong])
    killed = [name for found in plays for name in found.struck]
    outcome.figures = {
        "kills": len(killed), "predictions": sum(p.predictions for p in plays),
        "trainings asked by hand": sum(p.by_hand for p in plays),
        "a seed s, max": max(p.took_s for p in plays),
    }  # fmt: skip
    return outcome


CASES: dict[str, Case] = {"44": lambda stock, at: drills(stock, at, 20, 4)}
