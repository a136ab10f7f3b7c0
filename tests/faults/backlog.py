"""Case 8: a start after a kill that left much to be done: serving first, the store soon after."""

import subprocess
import sys
import time
from pathlib import Path

from tests.box import ENVIRONMENT, ROOT, Box, copied, eventually, row
from tests.faults.damage import answered
from tests.faults.kills import READY_S, SERVED
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import within

LONG, USUAL = 100 * 2**20, 16 * 2**20
RECORDS = 1_000_000
CAUGHT_UP = "caught up s"
CAUGHT_UP_S = 30.0
PATIENCE_S = 120.0
# Beside the rows of ours, so that the log is as long as wanted at once.
LOG = """
import duckdb, os, sys
store, size = sys.argv[1], int(sys.argv[2])
db = duckdb.connect(store)
db.execute("set wal_autocheckpoint = '1TB'")
db.execute("create table ballast (n bigint, text varchar)")
while not os.path.exists(store + ".wal") or os.path.getsize(store + ".wal") < size:
    db.execute("insert into ballast select range, md5(range::varchar) || md5((range + 7)::varchar) "
               "from range(20000)")
os._exit(9)
"""


def long_log(stock: Path, folder: Path) -> Outcome:
    """Start on a write-ahead log of 100 MB, as an engine killed before its checkpoint leaves it."""
    outcome = Outcome("8", "a long log at the start: serving first")
    with copied(stock, folder / "long") as box:
        killed(box)
        outcome.figures["log MB"] = logged(box, LONG)
        outcome.figures[SERVED], _ = started(box)
        outcome.struck([])
    return outcome


def many_records(stock: Path, folder: Path, records: int) -> Outcome:
    """Start on a million records that wait to be loaded, beside a log of the usual length."""
    outcome = Outcome("8", "")
    with copied(stock, folder / "many") as box:
        before = killed(box)
        command = [sys.executable, "-m", "tests.faults.spooled", str(box.path), str(records)]
        subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, check=True)
        logged(box, USUAL)
        outcome.figures[SERVED], began = started(box)
        caught_up = "records of the prediction log were loaded"
        eventually("it has caught up", lambda: any(caught_up in e for e in box.events()))
        outcome.figures["records"] = records
        outcome.figures[CAUGHT_UP] = time.monotonic() - began
        box.down()
        stored, once = box.query("select count(*), count(distinct prediction_id) from predictions "
                                 "where id like 'many-%' or id like 'before-%'")[0]  # fmt: skip
        whole = stored == once == records + before
        outcome.struck([] if whole else [f"of {records + before}: {stored} rows, {once} of them"])
    return outcome


def killed(box: Box) -> int:
    """Have some rows predicted one by one, and kill everything; return how many they were."""
    box.up()
    for number in range(100):
        assert box.predict(row(f"before-{number}"))[0] == 200
    for verb in ("supervise", "run", "serve"):
        box.kill(verb)
    return 100


def logged(box: Box, size: int) -> int:
    """Let the store's log grow to a size without a checkpoint; return its MB."""
    store = str(box.path / "metrics.duckdb")
    subprocess.run([sys.executable, "-c", LOG, store, str(size)], env=ENVIRONMENT, check=False)
    return Path(f"{store}.wal").stat().st_size // 10**6


def started(box: Box) -> tuple[float, float]:
    """Start as an operator would; return after how long a row was answered, and when it began."""
    began = time.monotonic()
    up = [sys.executable, "-P", "-m", "engine", "up", "-w", str(box.path)]
    process = subprocess.Popen(up, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    took = within(lambda: answered(box), PATIENCE_S)
    assert took is not None, "nobody answers"
    eventually("the engine answers", box.answers)
    process.wait(PATIENCE_S)
    return took, began


def backlog(stock: Path, folder: Path, records: int) -> Outcome:
    """Do both, one after the other."""
    outcome = long_log(stock, folder)
    outcome.take(many_records(stock, folder, records))
    return outcome


CASES: dict[str, Case] = {
    "8": lambda stock, at: (
        backlog(stock, at, RECORDS)
        .hold(SERVED, at_most=READY_S)
        .hold(CAUGHT_UP, at_most=CAUGHT_UP_S)
    ),
}
