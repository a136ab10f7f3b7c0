"""Cases that tests prove: the tests are run, what they note of themselves becomes the figures.

A test tells how often it struck with `record_property("injected", n)`; without that it counts once.
Whatever else it records is a figure of its case.
"""

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path

from tests.box import ROOT
from tests.faults.outcome import Case, Outcome

PROOFS: dict[str, tuple[str, tuple[str, ...]]] = {
    "45": ("histories of the state machine", ("engine/pipeline/test_invariants.py",)),
}

# The seconds that all tests of a case may take together, where the plan says so.
SECONDS = {"45": 120.0}


def proof(what: str, tests: tuple[str, ...], case: str, _: Path, folder: Path) -> Outcome:
    """Run the tests of a case in a process of their own and return what came of them."""
    outcome = Outcome(case, what)
    folder.mkdir()
    notes, began = folder / "notes.xml", time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={notes}",
         "-o", "junit_family=xunit1",
         f"--basetemp={folder / 'tmp'}", *(f"tests/{test}" for test in tests)],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not notes.exists():
        outcome.struck([f"the tests did not run: {run.stdout[-500:]}{run.stderr[-500:]}"])
        return outcome
    tests_run = list(ET.parse(notes).getroot().iter("testcase"))
    for test in tests_run:
        noted = {p.get("name", ""): p.get("value", "") for p in test.iter("property")}
        times = int(noted.pop("injected", "1"))
        bad = [fault for kind in ("failure", "error", "skipped") for fault in test.iter(kind)]
        outcome.injected += times
        outcome.failed += times if bad else 0
        outcome.wrong += [f"{test.get('name')}: {fault.get('message')}" for fault in bad]
        outcome.figures |= noted
    outcome.figures["tests"] = len(tests_run)
    if case in SECONDS:
        outcome.goal("all of them s", time.monotonic() - began, at_most=SECONDS[case])
    return outcome


CASES: dict[str, Case] = {
    case: partial(proof, what, tests, case) for case, (what, tests) in PROOFS.items()
}
