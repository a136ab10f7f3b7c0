"""The whole fault plan: python -m tests.faults [CASE...]; prints case, injected, survived, figure.

The exit code is 1 where anything did not survive. README.md beside this says what proves the rest.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.figure import load_average, machine
from tests.box import stocked
from tests.faults import backlog, crowds, damage, disks, kills, proved
from tests.faults.outcome import Outcome, table

CASES = {
    **kills.CASES,
    **disks.CASES,
    **damage.CASES,
    **backlog.CASES,
    **crowds.CASES,
    **proved.CASES,
}


def main(argv: list[str]) -> int:
    """Run the named cases, or all of them."""
    if unknown := [case for case in argv if case not in CASES]:
        sys.stderr.write(f"There is no case {unknown[0]}; there are {', '.join(CASES)}.\n")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="cdml-faults-"))
    outcomes: list[Outcome] = []
    try:
        stock = stocked(folder)
        for case in argv or sorted(CASES, key=int):
            began, load = time.monotonic(), load_average()
            outcome = CASES[case](stock, folder / f"case-{case}")
            outcome.figures |= {"took s": time.monotonic() - began, "load": load}
            outcomes.append(outcome)
            sys.stderr.write(table([outcome]))
    finally:
        sys.stdout.write(f"{machine()}\n\n{table(outcomes)}")
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if any(o.wrong for o in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
