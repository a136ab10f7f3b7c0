"""Cases 1 to 3: kill -9 at random instants, at every named point, and during the recovery."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path

from cdml_tui.client import ConsoleError
from engine.wire import RunRequest, TaintRequest
from tests.box import Box, deliver, eventually
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import (
    Changer,
    Inside,
    Line,
    changing,
    losses,
    record,
    up,
    watched,
    within,
)
from tests.traffic import Traffic, traffic

PATIENCE_S = 60.0
READY_S = 5.0
SERVED = "served again s, max"
# Mostly with the supervisor: one that sees its engine die at once again waits ever longer.
ALL = ("supervise", "run", "serve")
VICTIMS = (("run",), ("serve",), ("serve",), ("supervise", "run"), ALL, ALL)


def said(found: dict[str, list[str]]) -> list[str]:
    """Return losses as sentences."""
    return [
        f"{kind}: {', '.join(map(str, what[:3]))} (n={len(what)})" for kind, what in found.items()
    ]


def answered_since(clients: Traffic, moment: float) -> bool:
    """Say whether a request that began after a moment was answered."""
    return any(a.began > moment for p in clients.predictors for a in p.answered[-5:])


def end(box: Box, clients: Traffic, lines: list[Line]) -> list[str]:
    """Stop everything and say what is lost."""
    box.down()
    return said(losses(box, record(clients, lines)))


def at_random(stock: Path, folder: Path, rounds: int, per_second: float = 200.0) -> Outcome:
    """Kill some process at a random instant under predictions, labels and changes."""
    outcome = Outcome("1", "kill -9 at random instants under load")
    draw, back, ready = random.Random(1), [], []
    with watched(stock, folder) as (box, _):
        box.up()
        with traffic(box, per_second) as clients, changing(box) as changer:
            for _ in range(rounds):
                time.sleep(draw.random() * 0.5)
                victims = draw.choice(VICTIMS)
                for victim in victims:
                    box.kill(victim)
                struck = time.monotonic()
                outcome.struck()
                up(box)
                waited = within(lambda: answered_since(clients, struck), PATIENCE_S)  # noqa: B023
                eventually("the engine answers", box.answers)
                back.append(waited if waited is not None else PATIENCE_S)
                ready.append(time.monotonic() - struck)
        changer.settle()
        outcome.wrong = end(box, clients, changer.lines)
        outcome.failed = outcome.injected if outcome.wrong else 0
    states = [line["state"] for line in changer.lines]
    outcome.figures = {
        "predictions": sum(len(p.answered) for p in clients.predictors),
        "labels": len(clients.labeller.acknowledged),
        "changes": states.count("ok"),
        "unknown": states.count("unknown"),
        SERVED: max(back),
        "engine s, max": max(ready),
    }
    return outcome


LATER = datetime(2024, 1, 20)  # noqa: DTZ001 - as in a file
_fresh = count(100)


class Doing:
    """All that an operator and the data do to a workspace, one thing by its name."""

    def __init__(self, box: Box, changer: Changer) -> None:
        self._box = box
        self._changer = changer
        self.all: dict[str, Callable[[], object]] = {
            "promote": lambda: changer.one("promote"),
            "rollback": lambda: changer.one("rollback"),
            "hold": lambda: changer.one("hold"),
            "resume": lambda: changer.one("resume"),
            "file": self._file,
            "train": lambda: self._run("train"),
            "monitor": lambda: self._run("monitor"),
            "taint": self._taint,
            "backup": self._back_up,
        }

    def do(self, name: str) -> None:
        """Do one thing; that the engine dies over it is what is wanted."""
        with contextlib.suppress(ConsoleError, OSError):
            self.all[name]()

    def _back_up(self) -> None:
        self._box.control.back_up()  # which is another client after each kill

    def _file(self) -> None:
        number = next(_fresh)
        file = deliver(self._box.path.parent / f"{number}.csv", number, LATER)
        self._box.control.ingest("late", file)

    def _run(self, job: str) -> None:
        run = self._box.control.start(job, "late", RunRequest(f"{job} {next(_fresh)}"))
        ends = time.monotonic() + PATIENCE_S
        while not self._box.control.job(run.id).ended_at and time.monotonic() < ends:
            time.sleep(0.05)

    def _taint(self) -> None:
        since = {"from_": "2023-01-01T00:00:00Z", "to": "2023-01-02T00:00:00Z"}
        made = self._box.control.taint("late", TaintRequest(f"t{next(_fresh)}", **since))
        number = max(t.number for t in made.taints)
        self._box.control.taint("late", TaintRequest(f"t{next(_fresh)}", lift=number))


def points(inside: Inside) -> list[str]:
    """Return the named points that were passed so far, in order."""
    return list(dict.fromkeys(words[1] for words in inside.noted("point")))


def revive(box: Box, clients: Traffic) -> float:
    """Start again what was killed, and return after how long predictions were answered."""
    began = time.monotonic()
    while True:
        fell(box)
        if box.run("up", code=None).returncode == 0:
            break
        assert time.monotonic() - began < PATIENCE_S, "it does not start"
    waited = within(lambda: answered_since(clients, began), PATIENCE_S)
    return PATIENCE_S if waited is None else time.monotonic() - began


def learned(box: Box, inside: Inside, doing: Doing) -> dict[str, str]:
    """Do everything once; return each named point with what passes it."""
    found = dict.fromkeys(points(inside), "start")
    for name in doing.all:
        doing.do(name)
        for point in points(inside):
            found.setdefault(point, name)
    return {p: name for p, name in found.items() if p.split(" ")[0] in ("run", "serve")}


def at_points(stock: Path, folder: Path, most: int) -> Outcome:
    """Kill before and after every fsync, rename, unlink and commit that anything passes."""
    outcome = Outcome("2", "kill -9 at named points")
    back, missed = [0.0], []
    with watched(stock, folder) as (box, inside):
        box.up()
        changer = Changer(box.control.socket, 0.1, 2)
        with traffic(box, 40.0) as clients:
            doing = Doing(box, changer)
            known = learned(box, inside, doing)
            for point in random.Random(2).sample(sorted(known), min(most, len(known))):
                if struck_by(box, inside, doing, point, known[point]):
                    outcome.struck()
                else:
                    missed.append(point)
                inside.leave()
                back.append(revive(box, clients))
            changer.settle()
        outcome.wrong = end(box, clients, changer.lines)
        outcome.failed = outcome.injected if outcome.wrong else 0
    outcome.figures = {"points known": len(known), "not passed again": len(missed)}
    outcome.figures[SERVED] = max(back)
    return outcome


def struck_by(box: Box, inside: Inside, doing: Doing, point: str, name: str) -> bool:
    """Do what passes a point until somebody dies there; say whether anybody did."""
    if name == "start" and point.startswith("run "):
        fell(box)
        return struck_starting(box, inside, point)
    inside.strike("kill", point=point)
    if name == "start":
        box.kill("serve")
        return within(inside.struck, 10.0) is not None
    # What changes nothing where the world is so already is passed by one of these in turn.
    turns = ("promote", "rollback", "hold", "resume")
    names = turns if name in turns else (name,)
    thread = threading.Thread(target=lambda: [doing.do(n) for n in names], daemon=True)
    thread.start()
    waited = within(lambda: inside.struck() or not thread.is_alive(), 30.0)
    found = inside.struck()
    if found:
        # Whoever asked is told by the broken line; one that waits for a run finds out next time.
        box.hang_up()
    thread.join(30.0)
    return found and waited is not None


def fell(box: Box) -> None:
    """Kill the engine and whoever would start it again."""
    box.hang_up()
    while found := {p: v for p, v in box.processes().items() if v in ("supervise", "run")}:
        for pid in sorted(found, key=lambda p: found[p] != "supervise"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def struck_starting(box: Box, inside: Inside, point: str) -> bool:
    """Start the engine, have it die at a point of its start and stay dead; say whether it did."""
    inside.strike("kill", point=point)
    starting = threading.Thread(target=lambda: box.run("up", code=None), daemon=True)
    starting.start()
    within(lambda: inside.struck() or not starting.is_alive(), 30.0)
    struck = inside.struck()
    inside.leave()
    fell(box)
    starting.join(PATIENCE_S)
    return struck


def while_recovering(stock: Path, folder: Path, rounds: int) -> Outcome:
    """Kill the engine, and three times in a row the one that is just bringing things back."""
    outcome = Outcome("3", "kill -9 three times during recovery")
    draw, back = random.Random(3), [0.0]
    with watched(stock, folder) as (box, inside):
        box.up()
        met = passed(box, inside)
        with traffic(box, 60.0) as clients, changing(box) as changer:
            for _ in range(rounds):
                time.sleep(0.3 + draw.random() * 0.5)
                fell(box)
                outcome.struck(in_a_row(box, inside, draw.sample(met, len(met))))
                back.append(revive(box, clients))
        changer.settle()
        lost = end(box, clients, changer.lines)
    outcome.wrong += lost
    outcome.injected *= 3
    outcome.failed = outcome.injected if lost else outcome.failed
    outcome.figures = {"points": len(met), SERVED: max(back)}
    return outcome


def in_a_row(box: Box, inside: Inside, points: Sequence[str]) -> list[str]:
    """Have three starts one after the other die, each at one of the points; say if they did not."""
    row = 0
    for point in points:
        # One that nobody met this time let the engine come up: the row begins anew.
        row = row + 1 if struck_starting(box, inside, point) else 0
        if row == 3:
            return []
    return ["no three starts died in a row"]


def passed(box: Box, inside: Inside) -> Sequence[str]:
    """Return the points that an engine passes each time it starts after a kill, in their order."""
    starts = []
    for _ in range(2):
        fell(box)
        before = len(inside.noted("point"))
        box.run("up")
        starts.append([w[1] for w in inside.noted("point")[before:] if w[0] == "run"])
    return [point for point in dict.fromkeys(starts[0]) if point in starts[1]]


CASES: dict[str, Case] = {
    "1": lambda stock, at: at_random(stock, at, 100).hold(SERVED, at_most=READY_S),
    "2": lambda stock, at: (
        at_points(stock, at, 200).hold(SERVED, at_most=READY_S).hold("points known", at_least=25)
    ),
    "3": lambda stock, at: while_recovering(stock, at, 5).hold(SERVED, at_most=READY_S),
}
