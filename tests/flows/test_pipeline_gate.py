"""The ten lines of the manual by which a pipeline stops where a model does not pass."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from tests.box import ENVIRONMENT, ROOT, SECOND, Box, deliver


def built(box: Box, rows: Path, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    """Run the manual's lines as a pipeline would."""
    text = (ROOT / "docs/OPERATING.md").read_text()
    found = re.search(r"<!-- gate of a pipeline -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert found is not None
    command = tmp_path / "bin" / "cdml"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m cdml_tui.cli "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}:{os.environ['PATH']}"
    given = {"PATH": path, "CDML_WORKSPACE": str(box.path), "ROWS": str(rows), "BUILD": "7"}
    return subprocess.run(
        ["sh", "-c", found[1]], env={**ENVIRONMENT, **given}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_a_pipeline_passes_with_what_passes_and_stops_with_what_is_refused(
    box: Box, tmp_path: Path
) -> None:
    rows = deliver(tmp_path / "third.csv", 3, SECOND + timedelta(days=9))
    passed = built(box, rows, tmp_path)
    assert (passed.returncode, passed.stdout.splitlines()[-1]) == (0, "passed its gate"), passed
    assert "cpu s: " in passed.stdout
    run = box.ask("jobs")[0]
    assert (run["job"], run["verdict"], ": build 7" in run["cause"]) == ("train", "pass", True)
    bad = tmp_path / "bad.csv"
    bad.write_text("id,time\n1,2024-02-01\n")
    stopped = built(box, bad, tmp_path)
    assert stopped.returncode == 4
    assert "quarantined" in stopped.stdout
    assert box.ask("jobs")[0] == run
