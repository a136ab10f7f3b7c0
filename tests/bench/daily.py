"""A day's file counted into a reference's frozen bins, and a window summed from 30 such days.

Alone: python -m tests.bench.daily REFERENCE.json CURRENT.parquet
"""

import functools
import operator
import sys
import time
from pathlib import Path

import duckdb
import msgspec
import numpy as np

from engine.stats import drift, profile
from engine.stats.profile import CategoricalProfile, NumericProfile
from engine.store.files import name_of
from engine.store.snapshots import plain
from tests.bench.figure import Figure, median
from tests.bench.pairs import Pair
from tests.bench.process import metered

BINS = 200
DAYS = 30
REPEATS = 3

Profile = NumericProfile | CategoricalProfile


class Frozen(msgspec.Struct, frozen=True):
    """The profiles of one file, by kind."""

    numbers: dict[str, NumericProfile]
    categories: dict[str, CategoricalProfile]


def measure(pair: Pair) -> list[Figure]:
    """Check a file in a process of its own; sum 30 days of profiles as they are kept."""
    kept = pair.reference.with_suffix(".json")
    kept.write_bytes(msgspec.json.encode(_frozen(pair.reference)))
    command = [sys.executable, "-m", "tests.bench.daily", str(kept), str(pair.current)]
    costs = [metered(command) for _ in range(REPEATS)]
    reference = msgspec.json.decode(kept.read_bytes(), type=Frozen)
    day = msgspec.json.encode(counted(pair.current, reference))
    spent = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        window(reference, [day] * DAYS)
        spent.append((time.perf_counter() - began) * 1000)
    what = f"daily check of {pair.size} against a stored reference"
    return [
        median(f"{what}, CPU", [c.cpu_s for c in costs], "s", 0.5),
        median(f"{what}, peak memory", [c.peak_mib for c in costs], "MiB", 250.0),
        median(f"window of {DAYS} profiles of {pair.size} against it", spent, "ms", 50.0),
    ]


def _frozen(path: Path) -> Frozen:
    """Freeze a file as training would: 200 quantile bins of each number, all categories."""
    with duckdb.connect(config={"threads": 1}) as db:
        found = db.execute("select * from read_parquet(?)", [str(path)]).fetchnumpy()
    columns = {name: plain(column) for name, column in found.items()}
    numbers = {n: c for n, c in columns.items() if c.dtype.kind == "f"}
    return Frozen(
        {
            n: profile.numeric_profile(c, profile.quantile_edges(c, BINS))
            for n, c in numbers.items()
        },
        {n: profile.categorical_profile(c) for n, c in columns.items() if n not in numbers},
    )


def counted(path: Path, reference: Frozen) -> Frozen:
    """Count a file into the bins of a reference, inside DuckDB, in one pass."""
    picked, values = ["count(*)"], {}
    for at, (name, frozen) in enumerate(reference.numbers.items()):
        # Our bins are left-closed, a histogram's right-closed: v < e is v <= the float before e.
        values[f"b{at}"] = [*np.nextafter(frozen.edges, -np.inf).tolist(), sys.float_info.max]
        picked += [
            f"count({name_of(name)})",
            f"map_values(histogram({name_of(name)}, $b{at}::double[]))",
        ]
    picked += [f"histogram({name_of(name)})" for name in reference.categories]
    with duckdb.connect(config={"threads": 1, "memory_limit": "128MB"}) as db:
        row = db.execute(
            f"select {', '.join(picked)} from read_parquet($path)", {**values, "path": str(path)}
        ).fetchone()
    assert row is not None
    n, at, numbers = row[0], 1, {}
    for name, frozen in reference.numbers.items():
        counts = row[at + 1][: len(frozen.counts)]
        numbers[name] = NumericProfile(frozen.edges, counts, nulls=n - row[at])
        at += 2
    categories = {
        name: profile.counted_profile(counts, n - sum(counts.values()))
        for name, counts in zip(reference.categories, row[at:], strict=True)
    }
    return Frozen(numbers, categories)


def distances(reference: Frozen, current: Frozen) -> list[float | None]:
    """Measure every column."""
    return [
        *(drift.numeric_profiles(r, current.numbers[n]).psi for n, r in reference.numbers.items()),
        *(drift.categorical(r, current.categories[n]).psi for n, r in reference.categories.items()),
    ]


def window(reference: Frozen, days: list[bytes]) -> list[float | None]:
    """Add up days as they are kept and measure the sum; no row is read."""
    found = [msgspec.json.decode(day, type=Frozen) for day in days]
    total = Frozen(
        {
            n: functools.reduce(operator.add, [f.numbers[n] for f in found])
            for n in reference.numbers
        },
        {
            n: functools.reduce(operator.add, [f.categories[n] for f in found])
            for n in reference.categories
        },
    )
    return distances(reference, total)


if __name__ == "__main__":
    stored = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Frozen)
    sys.stdout.write(f"{distances(stored, counted(Path(sys.argv[2]), stored))}\n")
