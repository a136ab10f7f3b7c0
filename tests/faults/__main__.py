"""The whole fault plan: python -m tests.faults [CASE...]; prints case, injected, survived, figure.

The exit code is 1 where anything did not survive or missed its goal; README.md says what is proved.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.bench.figure import machine
from tests.box import stocked
from tests.faults.outcome import table
from tests.faults.plan import CASES, play


def main(argv: list[str]) -> int:
    """Run the named cases, or all of them."""
    if unknown := [case for case in argv if case not in CASES]:
        sys.stderr.write(f"There is no case {unknown[0]}; there are {', '.join(CASES)}.\n")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="cdml-faults-"))
    try:
        outcomes = play(sorted(argv or CASES, key=int), stocked(folder), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(f"{machine()}\n\n{table(outcomes)}")
    return 1 if any(o.wrong for o in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
