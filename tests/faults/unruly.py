"""Cases 15 to 20: trainings that hang, hog, fork, die or lie, each beside a living service."""

import contextlib
import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.wire import RunRequest
from tests.box import Box, copied, eventually
from tests.faults.floods import resident_mb
from tests.faults.outcome import Case, Outcome
from tests.faults.pace import beside
from tests.faults.scene import within

# A module beside cdml.toml: what a user's own recipe may do to us. {home} is a folder for marks.
RECIPES = """
import os, pickle, signal, subprocess, sys, time
from pathlib import Path
from engine import artifacts

HOME = Path({home!r})
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "

def hung(**_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = DEAF + "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", "import os, sys; " + code, str(HOME / "grandchild")])
    time.sleep(600)

def memory(**_):
    held, ends = [], time.monotonic() + {long}
    while True:
        try:
            held.append(bytearray(b"x") * (16 << 20))
        except MemoryError:
            if time.monotonic() > ends:
                raise
            for block in held:
                block[::4096] = bytes(len(block) // 4096)

def spinning(**_):
    begin, begun = os.pipe()
    for _ in range(47):
        if os.fork() == 0:
            os.close(begun)
            os.read(begin, 1)  # until all are there
            while True:
                pass
    os.close(begun)
    ends = time.monotonic() + {long}
    while time.monotonic() < ends:
        pass
    os.killpg(0, signal.SIGKILL)

def bomb(**_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        os.fork()

def sleeping(**_):
    (HOME / "sleeping").write_text(str(os.getpid()))
    time.sleep(600)

class Touching:
    def __reduce__(self):
        return os.system, (f"touch {{HOME / 'ran'}}",)

def leaving(content):
    def recipe(task, metric, categorical, seed):
        from sklearn.dummy import DummyClassifier
        artifacts.dump = lambda estimator: content()
        return DummyClassifier()
    return recipe

garbage = leaving(lambda: os.urandom(100_000))
empty = leaving(lambda: b"")
pickled = leaving(lambda: pickle.dumps(Touching()))
oversized = leaving(lambda: bytes(257 << 20))
"""


LONG_S = 8.0
BOMBS = 5


@contextmanager
def training(
    stock: Path, folder: Path, recipe: str, changes: dict[str, str] | None = None
) -> Iterator[Box]:
    """Give a running workspace whose trainings do what a recipe of the user's own does."""
    with copied(stock, folder / "box") as box:
        home = folder / "marks"
        home.mkdir()
        (box.path / "own.py").write_text(RECIPES.format(home=str(home), long=LONG_S))
        box.write({'"linear"': f'"own:{recipe}"', **(changes or {})})
        box.up()
        yield box


def begun(box: Box) -> tuple[str, int]:
    """Start a training; return its run and the leader of its process group."""
    run = box.control.start("train", "late", RunRequest(uuid.uuid4().hex)).id
    leader = eventually("the training's process", lambda: box.pid("job"))
    return run, leader


def ended(box: Box, run: str, patience_s: float = 60.0) -> Any:
    """Return a run once it has ended."""
    return eventually(
        "the run has ended",
        lambda: next((j for j in box.control.jobs() if j.id == run and j.ended_at), None),
        patience_s,
    )


def members(group: int) -> list[int]:
    """Return the living processes of a group, as the kernel lists them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, owner = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:3]
            if int(owner) == group and state not in "ZX":
                found.append(int(entry.name))
    return found


def standing(box: Box) -> dict[str, int]:
    """Return the processes that no job may harm."""
    return {verb: box.pid(verb) for verb in ("supervise", "run", "serve")}


def hung(stock: Path, folder: Path) -> Outcome:
    """A training ignores TERM and has a child that does; its deadline ends both."""
    outcome = Outcome("15", "a training that hangs, deaf to TERM, with a deaf child")
    deadline_s = 6.0
    short = {'deadline = "30m"': f'deadline = "{deadline_s:g}s"'}
    with training(stock, folder, "hung", short) as box:
        before = standing(box)
        began = time.monotonic()
        run, leader = begun(box)
        eventually("its child", (folder / "marks" / "grandchild").exists)
        gone = within(lambda: not members(leader), 60.0)
        over = time.monotonic() - began - deadline_s
        row = ended(box, run, 10.0)
        right = row.state == "timed_out" and row.version is None and gone is not None
        outcome.struck([] if right else [f"it is {row.state}: {row.error}"])
        outcome.goal("group gone after the deadline s", over, at_most=2.0)
        outcome.goal("left of the group", len(members(leader)), at_most=0)
        after = box.ask("monitor", "late", "--wait")
        if after["state"] != "done" or standing(box) != before:
            outcome.wrong.append(f"the next run is {after['state']}, {standing(box)} stand")
        box.down()
    return outcome


def memory_hog(stock: Path, folder: Path) -> Outcome:
    """A training takes memory without bound; only it dies and nobody waits longer."""
    outcome = Outcome("16", "a training that takes memory without bound")
    with training(stock, folder, "empty") as box:
        before, run = standing(box), ""
        ended(box, begun(box)[0])  # what an engine loads with its first training, it has loaded
        box.write({"own:empty": "own:memory"})
        box.control.reload()
        resident = [resident_mb(before["run"])]

        def hog() -> None:
            nonlocal run
            run, leader = begun(box)
            while members(leader):
                resident.append(resident_mb(before["run"]))
                time.sleep(0.1)

        beside(outcome, box, {"beside the hog": hog}, 2.0)
        row = ended(box, run)
        said = "needed more than its" in (row.error or "")
        right = row.state == "failed" and said and standing(box) == before
        outcome.struck([] if right else [f"it is {row.state}: {row.error}; {standing(box)}"])
        outcome.goal("engine MiB more", max(resident) - resident[0], at_most=50)
        outcome.figures["job MiB"] = row.memory_mib
        box.down()
    return outcome


def many(stock: Path, folder: Path) -> Outcome:
    """Trainings keep the processors busy with 48 processes, or fork without end, deaf to TERM."""
    outcome = Outcome("17", "48 processes that are never idle; one that forks without end")
    with training(stock, folder, "spinning") as box:
        before, most = standing(box), 0

        def hog(wanted: str) -> None:
            nonlocal most
            run, leader = begun(box)
            while alive := members(leader):
                most = max(most, len(alive))
                time.sleep(0.2)
            row = ended(box, run)
            right = row.state == "killed" and standing(box) == before
            outcome.struck([] if right else [f"{wanted} is {row.state}: {row.error}"])

        def bombs() -> None:
            box.write({"own:spinning": "own:bomb"})
            box.control.reload()
            for _ in range(BOMBS):
                hog("a bomb")

        beside(outcome, box, {"48 busy": lambda: hog("48 busy"), "bombs": bombs}, 3.0)
        outcome.figures["most of one alive"] = most
        box.down()
    return outcome


def struck_down(stock: Path, folder: Path) -> Outcome:
    """Somebody kills a training's process; the record says so at once, and so does an event."""
    outcome = Outcome("18", "a training killed from outside")
    waited = []
    with training(stock, folder, "sleeping") as box:
        for _ in range(3):
            run, leader = begun(box)
            eventually("it is at work", (folder / "marks" / "sleeping").exists)
            os.kill(leader, signal.SIGKILL)
            killed = time.monotonic()
            row = ended(box, run)
            waited.append(time.monotonic() - killed)
            told = any(f"{run} killed" in text for text in box.events())
            right = (row.state, row.version) == ("killed", None) and told
            outcome.struck([] if right else [f"{run} is {row.state}, an event says so: {told}"])
            (folder / "marks" / "sleeping").unlink()
        outcome.goal("said to be killed after s", max(waited), at_most=2.0)
        box.down()
    return outcome


def lies(stock: Path, folder: Path) -> Outcome:
    """Trainings leave what is no estimator; nothing of it is loaded, the champion goes on."""
    outcome = Outcome("19", "garbage, nothing, a pickle and 257 MiB as a training's result")
    with training(stock, folder, "garbage") as box:
        before, kept = standing(box), _sealed(box)
        for what in ("garbage", "empty", "pickled", "oversized"):
            if what != "garbage":
                config = (box.path / "cdml.toml").read_text(encoding="utf-8")
                box.write({config[config.index('"own:') :].split("\n")[0]: f'"own:{what}"'})
                box.control.reload()
            row = ended(box, begun(box)[0])
            wrong = [] if row.state == "failed" and not row.version else [f"it is {row.state}"]
            wrong += ["something was sealed"] if _sealed(box) != kept else []
            wrong += ["its code ran"] if (folder / "marks" / "ran").exists() else []
            status, answer = box.predict()
            served = status == 200 and answer["predictions"][0]["version"] == "v1"
            wrong += [] if served and standing(box) == before else [f"{answer}; {standing(box)}"]
            outcome.struck([f"{what}: {text} ({row.error})" for text in wrong])
        outcome.figures["versions"] = len(box.control.versions("late"))
        box.down()
    return outcome


def _sealed(box: Box) -> set[str]:
    return {path.name for path in box.path.joinpath("artifacts").rglob("*")}


def orphaned(stock: Path, folder: Path) -> Outcome:
    """The engine is killed while a training runs, with its supervisor the second time."""
    outcome = Outcome("20", "the engine killed while a training hangs")
    gone, nudge = [], 0.0
    with training(stock, folder, "hung") as box:
        versions = [v.version for v in box.control.versions("late")]
        run, leader = begun(box)
        for victims in (("run",), ("supervise", "run")):
            eventually("its child", (folder / "marks" / "grandchild").exists)
            if "supervise" in victims:
                box.ask("promote", "late", "v2")  # that there is something to go back from
            killed = time.monotonic()
            for victim in victims:
                box.kill(victim)
            found = within(lambda: leader not in members(leader), 30.0)  # noqa: B023
            gone.append(30.0 if found is None else time.monotonic() - killed)
            if "supervise" in victims:
                nudge = _lost_nudge(box)
                box.up()
            eventually("the engine is back", box.answers)
            left = members(leader)
            row = ended(box, run)
            wrong = [f"{len(left)} of its group are left"] if left else []
            wrong += [] if row.state == "interrupted" else [f"it is {row.state}"]
            wrong += ["a version came of it"] if row.version else []
            outcome.struck([f"{run}: {text}" for text in wrong])
            (folder / "marks" / "grandchild").unlink()
            following = [j for j in box.control.jobs() if f"{run} was interrupted" in j.cause]
            if "supervise" not in victims:
                # It is tried again once; the second time it is left at that.
                run, leader = following[0].id, eventually("it again", lambda: box.pid("job"))
            elif following:
                outcome.wrong.append(f"{run} is tried a second time: {following}")
        if [v.version for v in box.control.versions("late")] != versions:
            outcome.wrong.append("a version came of a run that was interrupted")
        outcome.goal("job gone after the engine s", max(gone), at_most=2.0)
        outcome.goal("a lost nudge is obeyed after s", nudge, at_most=5.0)
        box.down()
    return outcome


def _lost_nudge(box: Box) -> float:
    """Roll back without an engine and without a way to tell serving; wait until it has obeyed."""
    control = box.path / "run" / "serving.sock"
    control.rename(control.with_suffix(".away"))
    began = time.monotonic()
    box.run("rollback", "late", "--offline", code=None)
    eventually("serving obeys", lambda: box.predict()[1]["predictions"][0]["version"] == "v1")
    took = time.monotonic() - began
    control.with_suffix(".away").rename(control)
    return took


CASES: dict[str, Case] = {
    "15": hung,
    "16": memory_hog,
    "17": many,
    "18": struck_down,
    "19": lies,
    "20": orphaned,
}
