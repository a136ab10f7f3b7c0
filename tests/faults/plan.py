"""The cases of the fault plan, and how they are played: two at a time, each in its own process.

Those that measure what others would disturb are played alone, after the others.
"""

import multiprocessing
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.bench.figure import load_average
from tests.faults import (
    aging,
    attacked,
    backlog,
    changes,
    clocks,
    consoles,
    crowds,
    damage,
    disks,
    drill,
    floods,
    full,
    intrusions,
    kills,
    proved,
    repeats,
    restarts,
    second,
    shuffled,
    unruly,
)
from tests.faults.outcome import Outcome, table

PARTS = (
    kills, disks, full, damage, backlog, second, crowds, repeats, changes, restarts, unruly, clocks,
    shuffled, aging, consoles, floods, attacked, drill, intrusions, proved,
)  # fmt: skip
CASES = {case: found for part in PARTS for case, found in part.CASES.items()}
ALONE = {"6", "8", "9", "16", "17", "30", "31"}
# They begin first, so that none is left over when all others have ended.
LONGEST = {"1", "2", "7", "44"}
AT_ONCE = 2


def played(case: str, stock: Path, folder: Path) -> Outcome:
    """Play one case; what broke the play itself is what was wrong."""
    began, load = time.monotonic(), load_average()
    try:
        outcome = CASES[case](stock, folder / f"case-{case}")
    except Exception as fault:  # noqa: BLE001 - whatever it is, the other cases are played
        outcome = Outcome(case, "could not be played to its end")
        outcome.struck([f"{type(fault).__name__}: {fault}"])
        sys.stderr.write(traceback.format_exc())
    outcome.figures |= {"took s": time.monotonic() - began, "load": load}
    return outcome


def play(cases: Sequence[str], stock: Path, folder: Path) -> list[Outcome]:
    """Play cases and tell of each as it ends; return what came of them by their numbers."""
    beside = [case for case in cases if case not in ALONE]
    beside.sort(key=lambda case: case not in LONGEST)
    outcomes = [*_play(beside, AT_ONCE, stock, folder)]
    outcomes += _play([case for case in cases if case in ALONE], 1, stock, folder)
    return sorted(outcomes, key=lambda o: int(o.case))


def _play(cases: Sequence[str], at_once: int, stock: Path, folder: Path) -> list[Outcome]:
    outcomes = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once, context, max_tasks_per_child=1) as pool:
        for ended in as_completed(pool.submit(played, case, stock, folder) for case in cases):
            outcomes.append(ended.result())
            sys.stderr.write(table(outcomes[-1:]))
    return outcomes
