"""Cases 21 to 24: downtime over due times, a clock that is set, loops that stand still, edits."""

import http.client
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cdml_tui.client import Client
from engine.clock import SystemClock
from tests.box import Box, eventually, row
from tests.faults.intruder import UnixConnection
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import Inside, shown, watched, within
from tests.faults.unruly import RECIPES, begun, ended

HOUR, DAY = 3600.0, 86400.0
YEARS = 3653 * DAY
SETTLED_S = 1.5
HELD_S = 3.0
SOON = timedelta(seconds=0.9)
ROUNDS = 10
PAUSE_S = 0.04
_writing = threading.Lock()


@contextmanager
def timed(
    stock: Path, folder: Path, watch: str, train: str = "3650d", recipe: str = ""
) -> Iterator[tuple[Box, Inside]]:
    """Give a workspace, not started, that is watched and trained so often; its clock can be set."""
    with watched(stock, folder) as (box, inside):
        set_clock(inside, 0.0)
        every(box, "monitor", watch)
        every(box, "train", train)
        if recipe:
            (folder / "marks").mkdir()
            own = RECIPES.format(home=str(folder / "marks"), long=0)
            (box.path / "own.py").write_text(own, encoding="utf-8")
            box.write({'"linear"': f'"own:{recipe}"'})
        yield box, inside


def every(box: Box, job: str, often: str) -> None:
    """Write how often a job is due into cdml.toml, whole, as an editor does."""
    config = box.path / "cdml.toml"
    with _writing:
        head, section, tail = config.read_text(encoding="utf-8").partition(f"[models.late.{job}]\n")
        assert section, job
        former = tail.split('every = "')[1].split('"')[0]
        tail = tail.replace(f'every = "{former}"', f'every = "{often}"', 1)
        part = config.with_suffix(".part")
        part.write_text(head + section + tail, encoding="utf-8")
        part.rename(config)


def often(box: Box, job: str) -> str:
    """Return how often cdml.toml wants a job."""
    text = (box.path / "cdml.toml").read_text(encoding="utf-8")
    return text.split(f"[models.late.{job}]\n")[1].split('every = "')[1].split('"')[0]


def set_clock(inside: Inside, seconds: float) -> None:
    """Set the time of day of all processes ahead by so much, at one instant."""
    part = inside.folder / "clock.part"
    part.write_text(str(seconds), encoding="utf-8")
    part.rename(inside.folder / "clock")


def due(box: Box, job: str) -> int:
    """Return how many due times runs of a job were started for; waiting ones are joined."""
    return sum(j.cause.count(", due ") for j in box.control.jobs() if j.job == job)


def next_due(box: Box, job: str) -> datetime | None:
    """Return when a job is due next, as the engine says."""
    found = [s.next_due for s in box.control.state().schedules if s.job == job]
    return datetime.fromisoformat(found[0]) if found and found[0] else None


def stood(box: Box, loop: str) -> float:
    """Return for how long a loop stood still, as Prometheus is shown it."""
    link: http.client.HTTPConnection = UnixConnection(box.control.socket)
    if loop == "serving":
        link = http.client.HTTPConnection("127.0.0.1", box.port, timeout=10)
    return shown(link, f'cdml_loop_stalled_seconds_total{{loop="{loop}"}}')


def downtime(stock: Path, folder: Path) -> Outcome:
    """Ten days pass while nothing runs; each schedule is made up for by one run that says so."""
    outcome = Outcome(
        "21", "ten days and five hours of downtime, watched daily, trained twice a day"
    )
    with timed(stock, folder, "1d", "12h") as (box, inside):
        box.up()
        jobs = ("monitor", "train")
        expected = {j: eventually("it counts", lambda: next_due(box, j)) for j in jobs}  # noqa: B023
        box.down()
        set_clock(inside, 10 * DAY + 5 * HOUR)
        box.up()
        eventually("both are made up for", lambda: all(due(box, job) for job in jobs), 30.0)
        time.sleep(SETTLED_S)
        for job in jobs:
            (run,) = [j for j in box.control.jobs() if j.job == job and ", due " in j.cause]
            at, late = run.cause.split(", due ")[1].split("Z, ")
            real = datetime.fromisoformat(run.queued_at) - expected[job]
            coming = next_due(box, job)
            wrong = [] if due(box, job) == 1 else [f"{due(box, job)} runs of {job}"]
            wrong += [] if expected[job].isoformat().startswith(at) else [f"due {at}"]
            wrong += [] if late == f"{real.days} days late" else [f"{late}, by {real} really"]
            wrong += (
                [] if coming and coming > datetime.fromisoformat(run.queued_at) else ["due again"]
            )
            outcome.struck(wrong)
            outcome.figures |= {f"{job} runs": due(box, job), f"{job} said to be": late}
        box.down()
    outcome.figures["due times missed"] = "10 and 20"
    return outcome


class Asker(threading.Thread):
    """Asks engine and service all the time; remembers how long each waited at most."""

    def __init__(self, box: Box) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.slowest = {"control": 0.0, "prediction": 0.0}
        self.asked = 0
        self._box = box

    def run(self) -> None:
        with closing(Client(self._box.control.socket, timeout=60.0)) as client:
            while not self.over.wait(0.05):
                self._time("control", client.status)
                self._time("prediction", lambda: self._box.predict(row("clock")))
                self.asked += 2

    def _time(self, what: str, ask: Callable[[], Any]) -> None:
        began = time.monotonic()
        ask()
        self.slowest[what] = max(self.slowest[what], time.monotonic() - began)


def set_forward_and_back(stock: Path, folder: Path) -> Outcome:
    """Set the clock while a training hangs: nobody waits, no storm, the deadline holds."""
    outcome = Outcome("22", "the clock set by +1 h, +30 d, +10 y, -1 h; +10 y, due each second")
    deadline_s, at = 16.0, 0.0
    with timed(stock, folder, "30m", "30m", "sleeping") as (box, inside):
        box.write({'deadline = "30m"': f'deadline = "{deadline_s:g}s"'})
        box.up()
        eventually("both count", lambda: next_due(box, "monitor") and next_due(box, "train"))
        before = {loop: stood(box, loop) for loop in ("control", "beat")}
        run, leader = begun(box)
        began = time.monotonic()
        asker = Asker(box)
        asker.start()
        for jump in (HOUR, 30 * DAY, YEARS, -HOUR):
            at += jump
            outcome.struck(_jumped(box, inside, jump, at))
        outcome.struck(_jumped_each_second(box, inside, at + YEARS))
        gone = within(lambda: not Path(f"/proc/{leader}").exists(), 30.0)
        lived = time.monotonic() - began if gone is not None else 99.0
        row = ended(box, run)
        asker.over.set()
        asker.join()
        after = {loop: stood(box, loop) - s for loop, s in before.items()}
        jobs = box.control.jobs()
        lengths = [_length(j.started_at, j.ended_at) for j in jobs if j.started_at and j.ended_at]
        if row.state != "timed_out" or box.ask("audit", "--verify")["verified"] is not True:
            outcome.wrong.append(f"the hung training is {row.state}, or the audit does not hold")
        box.down()
    for what, slowest in asker.slowest.items():
        outcome.goal(f"slowest {what} s", slowest, at_most=1.0)
    outcome.figures["n"] = asker.asked
    outcome.goal("loops stood still s", max(after.values()), at_most=1.0)
    outcome.goal("hung training lived s", lived, at_least=deadline_s - 1, at_most=deadline_s + 2)
    outcome.goal("shortest run s", min(lengths), at_least=0.0)
    outcome.goal("longest run s", max(lengths), at_most=deadline_s + 2)
    return outcome


def _jumped(box: Box, inside: Inside, jump: float, at: float) -> list[str]:
    """Set the clock; each schedule runs once at most, forward it runs, and is due again soon."""
    had = {job: due(box, job) for job in ("monitor", "train")}
    set_clock(inside, at)
    within(lambda: due(box, "monitor") > had["monitor"], SETTLED_S)
    time.sleep(SETTLED_S)
    runs = {job: due(box, job) - n for job, n in had.items()}
    coming, now = next_due(box, "monitor"), SystemClock().now() + timedelta(seconds=at)
    wrong = [f"{runs} runs"] if max(runs.values()) > 1 else []
    wrong += ["none was made up for"] if jump > 0 and not runs["monitor"] else []
    soon = coming is not None and timedelta(0) < coming - now <= timedelta(minutes=30)
    wrong += [] if soon else [f"due next {coming} at {now}"]
    return [f"{jump:+g} s: {text}" for text in wrong]


def _jumped_each_second(box: Box, inside: Inside, at: float) -> list[str]:
    """Set the clock while a job is due each second: 316 million times were missed."""
    every(box, "monitor", "1s")
    box.control.reload()
    had = due(box, "monitor")
    eventually("it is watched each second", lambda: due(box, "monitor") >= had + 2)
    had = due(box, "monitor")
    set_clock(inside, at)
    time.sleep(2.0)
    runs = due(box, "monitor") - had
    more = within(lambda: due(box, "monitor") > had + runs, 3.0)
    wrong = [f"{runs} runs in 2 s"] if not 1 <= runs <= 4 else []
    return wrong + ([] if more is not None else ["none any more"])


def _length(started: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()


def stalls(stock: Path, folder: Path) -> Outcome:
    """Hold the loop of the control socket, then the whole engine, then serving, for 3 s each."""
    outcome = Outcome("23", "loops held for 3 s, watched every second")
    burst = 0
    with timed(stock, folder, "1s") as (box, _):
        box.up()
        eventually("it is watched", lambda: due(box, "monitor") >= 2)
        for what, verb, loop in (
            ("control", "run", "control"),
            ("engine", "run", "beat"),
            ("service", "serve", "serving"),
        ):
            before, pid = stood(box, loop), box.pid(verb)
            os.kill(pid, signal.SIGUSR1 if what == "control" else signal.SIGSTOP)
            time.sleep(HELD_S)
            os.kill(pid, signal.SIGCONT)
            after = SystemClock().now()
            time.sleep(SOON.total_seconds())
            eventually("it answers", box.answers)
            burst = max(burst, _asked_for(box, after))
            shown = within(lambda: stood(box, loop) - before > 2.0, 3.0)  # noqa: B023
            outcome.struck([] if shown is not None else [f"{what} held, {loop} shows nothing"])
            outcome.goal(f"{what} shown s", stood(box, loop) - before, at_least=2.0, at_most=4.0)
        told = [text for text in box.events() if "stood still" in text]
        if not told:
            outcome.wrong.append("no event says that the engine stood still")
        box.down()
    outcome.goal("runs within 0.9 s after, of one a second", burst, at_most=2)
    return outcome


def _asked_for(box: Box, moment: datetime) -> int:
    """Return how many due times runs were queued for soon after a moment."""
    found = [(datetime.fromisoformat(j.queued_at), j) for j in box.control.jobs()]
    return sum(j.cause.count(", due ") for at, j in found if moment <= at <= moment + SOON)


def edits(stock: Path, folder: Path) -> Outcome:
    """Edit the schedules ten times and reload three times, all at once; then have it be quick."""
    outcome = Outcome("24", "ten edits of the schedules and three reloads at once")
    with timed(stock, folder, "1h", "1h") as (box, inside):
        box.up()
        for number in range(ROUNDS):
            wanted = _edited_at_once(box, number)
            shown = {(s.job, s.every) for s in box.control.state().schedules}
            alarms = _alarms(inside, box.pid("run"))
            held = [f"late {job} {shown_as}" for job, shown_as in sorted(wanted)]
            wrong = [] if shown == wanted else [f"shown {shown}, cdml.toml has {wanted}"]
            wrong += [] if alarms == ["1", *held] else [f"held {alarms}, wanted {held}"]
            outcome.struck(wrong)
        outcome.injected, outcome.failed = 13 * outcome.injected, 13 * outcome.failed
        every(box, "monitor", "1s")
        reloads = [threading.Thread(target=_reload, args=(box,)) for _ in range(3)]
        for thread in reloads:
            thread.start()
        for thread in reloads:
            thread.join()
        eventually("it is watched", lambda: due(box, "monitor"))
        had, began = due(box, "monitor"), time.monotonic()
        time.sleep(5.0)
        ran = due(box, "monitor") - had
        outcome.goal("runs a due time", ran / (time.monotonic() - began), at_most=1.3)
        box.down()
    return outcome


def _reload(box: Box) -> None:
    with closing(Client(box.control.socket, timeout=30.0)) as client:
        client.reload()


def _edited_at_once(box: Box, number: int) -> set[tuple[str, str]]:
    """Edit and reload from three sides at once; return what cdml.toml says in the end."""
    start, draw = threading.Barrier(3), random.Random(number)

    def side(n: int) -> None:
        start.wait()
        for edit in range(4 if n == 0 else 3):
            every(box, ("monitor", "train")[edit % 2], f"{100 * number + 10 * n + edit + 2}h")
            time.sleep(draw.random() * PAUSE_S)
        _reload(box)

    sides = [threading.Thread(target=side, args=(n,)) for n in range(3)]
    for thread in sides:
        thread.start()
    for thread in sides:
        thread.join()
    return {(job, f"every {often(box, job)}") for job in ("monitor", "train")}


def _alarms(inside: Inside, engine: int) -> list[str]:
    """Return how many schedulers live in the engine, and all that they would wake for."""
    said = inside.folder / "alarms"
    said.unlink(missing_ok=True)
    os.kill(engine, signal.SIGUSR2)
    eventually("the engine says so", said.exists)
    return said.read_text(encoding="utf-8").splitlines()


CASES: dict[str, Case] = {
    "21": downtime,
    "22": set_forward_and_back,
    "23": stalls,
    "24": edits,
}
