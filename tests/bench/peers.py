"""Evidently and NannyML on the same files, run by the interpreter that CDML_BENCH_PEERS names.

They are no part of the project: put them into an environment of their own, like
`python3.11 -m venv peers && peers/bin/pip install evidently nannyml 'pandas<3'`.
"""

import os
import signal
import subprocess
import sys

from tests.bench.figure import Figure
from tests.bench.pairs import Pair
from tests.bench.process import Cost, metered

VARIABLE = "CDML_BENCH_PEERS"
PATIENCE_S = 120

_LIMITED = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({PATIENCE_S}, resource.RLIM_INFINITY))
import pandas
reference, current = (pandas.read_parquet(path) for path in sys.argv[1:3])
"""
TOOLS = {
    "evidently": """
from evidently import Report
from evidently.presets import DataDriftPreset
Report([DataDriftPreset()]).run(current, reference)
""",
    "nannyml": """
import nannyml
calculator = nannyml.UnivariateDriftCalculator(
    column_names=list(reference.columns), chunk_number=1,
    continuous_methods=["kolmogorov_smirnov", "jensen_shannon", "wasserstein"],
    categorical_methods=["chi2", "jensen_shannon", "l_infinity"],
)
calculator.fit(reference)
calculator.calculate(current)
""",
}


def measure(pair: Pair) -> list[Figure]:
    """Return what each tool cost that is installed; one that takes too long is stopped."""
    python = os.environ.get(VARIABLE)
    found = []
    for tool, script in TOOLS.items():
        if not python or not _installed(python, tool):
            sys.stderr.write(f"{tool} is not installed ({VARIABLE}), its lines are left out\n")
            continue
        files = [str(pair.reference), str(pair.current)]
        cost = metered([python, "-c", _LIMITED + script, *files], may_fail=True)
        found += _figures(f"{tool}, report of {pair.size} against as many{_end(cost)}", cost)
    return found


def _end(cost: Cost) -> str:
    if cost.code == 0:
        return ""
    return " (stopped)" if cost.code == -signal.SIGXCPU else f" (failed with {cost.code})"


def _figures(what: str, cost: Cost) -> list[Figure]:
    return [
        Figure(f"{what}, CPU", cost.cpu_s, "s", 1),
        Figure(f"{what}, peak memory", cost.peak_mib, "MiB", 1),
    ]


def _installed(python: str, tool: str) -> bool:
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
    try:
        return subprocess.run([python, "-c", look, tool], check=False).returncode == 0
    except OSError as fault:
        sys.exit(f"{VARIABLE} names {python}, which does not run: {fault.strerror}")
