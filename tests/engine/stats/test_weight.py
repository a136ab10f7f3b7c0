"""What measuring drags in: the engine stays small because nothing here is heavy until used."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    ["performance", "comparison", "drift", "profile", "sequential", "calibration", "persistence"],
)
def test_importing_a_module_loads_neither_scipy_nor_heavier(module):
    code = (
        f"import sys, engine.stats.{module}\n"
        "heavy = {'scipy', 'sklearn', 'pandas', 'duckdb'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
