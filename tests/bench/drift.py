"""The report of one file against another: 100,000 rows of 20 columns each."""

import tempfile
from pathlib import Path

import duckdb

from tests.bench.figure import Figure, median
from tests.bench.process import CDML, metered

ROWS = 100_000
NUMBERS = 15
CATEGORIES = 5
REPEATS = 3


def measure() -> list[Figure]:
    """Report three times and return the medians."""
    with tempfile.TemporaryDirectory(prefix="cdml-bench-drift-") as folder:
        reference, current = Path(folder) / "reference.parquet", Path(folder) / "current.parquet"
        _write(reference, 0.0, 0.1)
        _write(current, 0.3, 0.6)
        files = ["--reference", str(reference), "--current", str(current)]
        costs = [metered([*CDML, "drift", *files, "--json"]) for _ in range(REPEATS)]
    what = f"report of 2 files of {ROWS // 1000}k x {NUMBERS + CATEGORIES}"
    return [
        median(f"{what}, CPU", [c.cpu_s for c in costs], "s"),
        median(f"{what}, wall", [c.wall_s for c in costs], "s"),
        median(f"{what}, peak memory", [c.peak_mib for c in costs], "MiB"),
    ]


def _write(path: Path, shift: float, seed: float) -> None:
    """Write numbers that are nearly normal, every 20th missing, and categories of 8 values."""
    normal = "(random() + random() + random() + random() - 2) * 1.7"
    number = f"case when random() < 0.05 then null else {normal} + {shift} end as n"
    category = "'c' || (random() * random() * 8)::integer as c"
    columns = [f"{number}{at}" for at in range(NUMBERS)]
    columns += [f"{category}{at}" for at in range(CATEGORIES)]
    select = f"select {', '.join(columns)} from range({ROWS})"
    with duckdb.connect(config={"threads": 1}) as db:
        db.execute("select setseed(?)", [seed])
        db.execute(f"copy ({select}) to '{path}' (format parquet)")
