"""The console's memory while it is drawn anew ten times a second, for minutes."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.bench.figure import Figure
from tests.bench.process import ROOT, cpu_s, environment, memory_mib
from tests.bench.terminal import Terminal

ENGINE = ROOT / "tests" / "console" / "fake_engine.py"
HZ = 10
WARM_S = 180.0
WATCHED_S = 120.0
SAMPLE_S = 2.0
# The console fetches at most twice a second; here it has to keep up with every hint.
HURRIED = """
import sys
from cdml_tui import feed
feed.COALESCE_S = 0.02
from cdml_tui.cli import main
sys.exit(main(sys.argv[1:]))
"""


def measure() -> list[Figure]:
    """Watch one console for minutes; the hour is extrapolated from its slope after warming up."""
    with tempfile.TemporaryDirectory(prefix="cdml-soak-") as folder:
        workspace = Path(folder)
        (workspace / "run").mkdir()
        (workspace / "cdml.toml").touch()
        socket = workspace / "run" / "engine.sock"
        path = f"{ROOT}:{ROOT / 'tests' / 'console'}"
        engine = subprocess.Popen(
            [sys.executable, str(ENGINE), str(socket), "--hz", str(HZ)],
            env={**environment(), "PYTHONPATH": path},
        )
        try:
            while not socket.exists():
                time.sleep(0.05)
            return _watched(workspace)
        finally:
            engine.kill()
            engine.wait()


def _watched(workspace: Path) -> list[Figure]:
    hurried = [sys.executable, "-P", "-c", HURRIED, "-w", str(workspace)]
    with Terminal(hurried) as terminal:
        terminal.until(lambda text: "champion" in text)
        terminal.watch(WARM_S)
        used, written = cpu_s(terminal.child.pid), terminal.bytes
        at: list[float] = []
        held: list[float] = []
        while not at or at[-1] < WATCHED_S:
            terminal.watch(SAMPLE_S)
            at.append(len(at) * SAMPLE_S + SAMPLE_S)
            held.append(memory_mib(terminal.child.pid))
        cpu = (cpu_s(terminal.child.pid) - used) / WATCHED_S * 100
        pace = (terminal.bytes - written) / WATCHED_S / 1000
    slope = float(np.polyfit(at, held, 1)[0]) * 3600
    n = len(held)
    return [
        Figure(
            f"resident memory after {WARM_S + WATCHED_S:.0f} s at {HZ} Hz", held[-1], "MiB", n, 60
        ),
        Figure(f"its growth by the slope of the last {WATCHED_S:.0f} s", slope, "MiB/hour", n),
        Figure("after an hour, by that slope", held[-1] + max(0.0, slope), "MiB", n, 60),
        Figure(f"CPU at {HZ} Hz", cpu, "%", n),
        Figure(f"written at {HZ} Hz", pace, "KB/s", n),
    ]
