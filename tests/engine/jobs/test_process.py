"""A job's process may do what it wants: it ends, in time, whole, and with a clear word."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
import pytest

from engine.clock import SystemClock
from engine.errors import CdmlError, InvalidError, RefusedError, UnavailableError
from engine.jobs.process import JobDiedError, JobProcess, group_of, started_at, sweep
from engine.jobs.runner import MOST_WAITING, Runner
from engine.pipeline import train
from engine.pipeline.fitting import TrainResult
from engine.pipeline.ingest import ingest
from tests.engine.pipeline.place import SETTINGS, Place, csv

RECIPES = """
import os, signal, subprocess, sys, time

def grandchild(**_):
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code])
    open("grandchild", "w").write(str(child.pid))
    time.sleep(600)

def lingering(task, metric, categorical, seed):
    from sklearn.dummy import DummyClassifier
    if os.fork() == 0:
        open("lingering", "w").write(str(os.getpid()))
        time.sleep(600)
    return DummyClassifier()

def hog(**_):
    return bytearray(8 << 30)

def killed(**_):
    os.kill(os.getpid(), signal.SIGKILL)

def broken(**_):
    raise ValueError("no luck")

def bomb(**_):
    for _ in range(200):
        if os.fork() == 0:
            time.sleep(600)
    time.sleep(600)

def flood(**_):
    while True:
        os.write(1, b"x" * (1 << 20))
"""
MEMORY = 2 << 30


@pytest.fixture
def place(tmp_path: Path) -> Any:
    found = Place.made(tmp_path)
    (tmp_path / "own.py").write_text(RECIPES)
    ingest(found, "late", found.drop("a.csv", csv(n=250)))
    yield found
    found.close()


def started(place: Place, recipe: str, deadline_s: float = 60.0) -> JobProcess:
    inputs = msgspec.structs.replace(train.gather(place, "late", "r1"), recipe=f"own:{recipe}")
    folder = place.workspace.runs / recipe
    return JobProcess(folder, "train", msgspec.json.encode(inputs), deadline_s, MEMORY)


class LateClock(SystemClock):
    """A clock that jumps two hours ahead once something holds."""

    def __init__(self, holds: Callable[[], bool]) -> None:
        self._holds = holds
        self.since = 0.0

    def monotonic(self) -> float:
        if not self.since and self._holds():
            self.since = time.monotonic()
        return time.monotonic() + (7200.0 if self.since else 0.0)


def died(
    job: JobProcess, cancelled: Event | None = None, clock: SystemClock | None = None
) -> CdmlError:
    with pytest.raises(CdmlError) as found:
        job.wait(clock or SystemClock(), lambda *_: None, cancelled or Event())
    assert gone(job.pid)
    return found.value


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return True
    return state == "Z"


def resident_mib() -> float:
    """Return the memory that this process holds, where the engine's part runs."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def until(look: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not look():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_job_over_its_deadline_is_killed_with_a_grandchild_that_ignores_term(
    place: Place,
) -> None:
    job = started(place, "grandchild", deadline_s=3600.0)
    mark = job.folder / "grandchild"
    late = LateClock(lambda: mark.exists() and bool(mark.read_text()))
    error = died(job, clock=late)
    assert time.monotonic() - late.since < 10.0
    assert isinstance(error, JobDiedError)
    assert error.state == "timed_out"
    until(lambda: gone(int(mark.read_text())))


def test_a_job_that_is_cancelled_ends_at_once(place: Place) -> None:
    job, cancelled = started(place, "grandchild"), Event()
    cancelled.set()
    error = died(job, cancelled)
    assert isinstance(error, JobDiedError)
    assert error.state == "cancelled"


def test_what_a_job_leaves_behind_neither_holds_it_up_nor_survives_it(place: Place) -> None:
    job = started(place, "lingering", deadline_s=40.0)
    begin = time.monotonic()
    result = job.wait(SystemClock(), lambda *_: None, Event())
    assert time.monotonic() - begin < 25.0
    assert msgspec.json.decode(result, type=TrainResult).manifest.recipe == "own:lingering"
    until(lambda: gone(int((job.folder / "lingering").read_text())))


def test_a_memory_hog_is_told_which_setting_to_raise(place: Place) -> None:
    before = resident_mib()
    error = died(started(place, "hog"))
    assert resident_mib() - before <= 50  # only the job grew
    assert isinstance(error, InvalidError)
    assert (error.code, error.field) == ("out_of_memory", "train.memory")


@pytest.mark.parametrize(
    ("recipe", "state", "said"),
    [
        ("killed", "killed", "ended by signal 9 without a result. Look at its log with cdml job"),
        ("flood", "failed", "printed more than 512 MiB; the first 1 MiB is kept"),
    ],
)
def test_a_job_that_ends_without_a_result_is_said_to_be_killed_or_failed(
    place: Place, recipe: str, state: str, said: str
) -> None:
    job = started(place, recipe)
    error = died(job)
    assert isinstance(error, JobDiedError)
    assert error.state == state
    assert said in error.message
    assert f"cdml job {recipe} --log" in error.message
    assert (job.folder / "log.txt").stat().st_size <= 2**20


def test_a_job_that_forks_without_end_is_killed_with_all_it_started(place: Place) -> None:
    job = started(place, "bomb")
    error = died(job)
    assert isinstance(error, JobDiedError)
    assert (error.state, "more than 64 processes" in error.message) == ("killed", True)
    until(lambda: not group_of(job.pid))


def test_a_recipe_that_raises_is_named_with_what_it_said_and_its_trace_is_logged(
    place: Place,
) -> None:
    job = started(place, "broken")
    error = died(job)
    assert isinstance(error, InvalidError)
    assert error.code == "bad_recipe"
    assert 'recipe "own:broken": it raised ValueError: no luck' in error.message
    assert "Traceback" in (job.folder / "log.txt").read_text()


def test_an_orphan_is_swept_only_if_it_still_is_the_same_process() -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(command, start_new_session=True) as orphan:
        started = started_at(orphan.pid) or ""
        assert not sweep(orphan.pid, "12345")
        assert orphan.poll() is None
        assert sweep(orphan.pid, started)
        assert orphan.wait(5) == -signal.SIGKILL
    assert started_at(orphan.pid) is None
    assert not sweep(orphan.pid, started)
    assert started_at(os.getpid())


def test_what_a_dead_leader_left_is_swept_too() -> None:
    code = (
        "import subprocess, sys; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        "print(child.pid, flush=True)"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as leader:
        assert leader.stdout
        started, left = started_at(leader.pid) or "", int(leader.stdout.readline())
    assert not gone(left)
    assert sweep(leader.pid, started)
    until(lambda: gone(left))
    assert not sweep(leader.pid, started)


def test_runs_that_wait_are_coalesced_and_their_causes_kept(place: Place) -> None:
    runner = Runner(place)
    one = runner.submit("late", "monitor", "schedule")
    two = runner.submit("late", "monitor", "operator")
    assert (two.id, two.cause) == (one.id, "schedule; operator")
    assert runner.submit("late", "train", "new data").id != one.id
    assert [r.state for r in runner.rows()] == ["queued", "queued"]


def test_so_many_measure_at_once_and_the_next_is_told_to_try_again(place: Place) -> None:
    go_on = Event()

    def held(*_: object) -> bytes:
        go_on.wait(10)
        return b"1"

    runner = Runner(place, worker=held)
    with ThreadPoolExecutor(MOST_WAITING) as pool:
        others = [pool.submit(runner.measure, "late", "score", 1, int) for _ in range(MOST_WAITING)]
        until(lambda: runner._places._value == 0)
        with pytest.raises(UnavailableError, match="Try again"):
            runner.measure("late", "score", 1, int)
        go_on.set()
        assert [one.result(10) for one in others] == [1] * MOST_WAITING
    assert runner.measure("late", "score", 1, int) == 1


def test_a_run_is_recorded_however_it_ends(tmp_path: Path) -> None:
    settings = SETTINGS.replace('recipe = "linear"', 'recipe = "own:broken"')
    place = Place.made(tmp_path, settings)
    (tmp_path / "own.py").write_text(RECIPES)
    runner = Runner(place)
    refused = runner.submit("late", "train", "too early")
    runner.drain()
    assert runner.row(refused.id).state == "refused"
    ingest(place, "late", place.drop("a.csv", csv(n=250)))
    failed = runner.submit("late", "train", "now")
    done = runner.submit("late", "monitor", "now")
    runner.drain()
    assert runner.row(failed.id).state == "failed"
    assert "it raised ValueError: no luck" in (runner.row(failed.id).error or "")
    assert (runner.row(done.id).state, runner.row(done.id).note) == ("done", "no champion yet")
    assert place.ledger.processes() == {}
    place.close()


def test_runs_that_were_cut_off_are_told_and_their_processes_swept(place: Place) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(command, start_new_session=True) as orphan:
        Runner(place).submit("late", "train", "before the crash")
        place.ledger.process_began("r1", orphan.pid, started_at(orphan.pid) or "")
        runner = Runner(place)
        runner.repair()
        assert orphan.wait(5) == -signal.SIGKILL
    assert runner.row("r1").state == "interrupted"
    assert place.ledger.processes() == {}
    assert runner.submit("late", "train", "again").id == "r2"


def test_a_run_that_waits_is_cancelled_at_once_and_one_that_ended_is_refused(
    place: Place,
) -> None:
    runner = Runner(place)
    run = runner.submit("late", "train", "by mistake").id
    assert runner.cancel(run).state == "cancelled"
    runner.drain()
    row = runner.row(run)
    assert (row.state, row.started_at, row.version) == ("cancelled", None, None)
    for end in (runner.check_cancel, runner.cancel):
        with pytest.raises(RefusedError, match=f"Cancelling {run}: it is cancelled since"):
            end(run)
    assert runner.submit("late", "train", "meant").id != run


def test_a_run_that_works_is_cancelled_with_its_process_and_nothing_of_it_is_kept(
    tmp_path: Path,
) -> None:
    place = Place.made(tmp_path, SETTINGS.replace('recipe = "linear"', 'recipe = "own:grandchild"'))
    (tmp_path / "own.py").write_text(RECIPES)
    ingest(place, "late", place.drop("a.csv", csv(n=250)))
    runner = Runner(place)
    run = runner.submit("late", "train", "by mistake").id
    runner.start()
    mark = place.workspace.runs / run / "grandchild"
    try:
        until(lambda: mark.exists() and mark.read_text())
        assert runner.cancel(run).state == "running"
        until(lambda: runner.row(run).ended_at)
    finally:
        runner.stop()
    row = runner.row(run)
    assert (row.state, row.version, place.ledger.versions("late")) == ("cancelled", None, [])
    assert gone(int(mark.read_text()))
    assert row.cpu_s
    assert row.memory_mib
    assert "reading rows" in (place.workspace.runs / run / "log.txt").read_text()
    place.close()


def test_light_runs_do_not_wait_for_a_training(place: Place) -> None:
    runner = Runner(place)
    runner.start()
    try:
        row = runner.submit("late", "monitor", "now")
        until(lambda: runner.row(row.id).state == "done")
    finally:
        stopper = Thread(target=runner.stop)
        stopper.start()
        stopper.join(60)
    assert not stopper.is_alive()
