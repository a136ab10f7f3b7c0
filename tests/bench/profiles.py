"""What counting costs: a day of 100,000 rows x 20 columns into frozen bins, and a 30-day window."""

import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from engine.pipeline import references
from engine.store import hours, profiles
from engine.store.connection import Store
from engine.store.counting import Bins
from tests.bench.figure import Figure, median

ROWS, NUMBERS, CATEGORIES = 100_000, 15, 5
DAYS = 30
REPEATS = 5
START = datetime(2024, 3, 1, tzinfo=UTC)


def measure() -> list[Figure]:
    """Count one day of many rows and sum up 30 days of fewer."""
    with tempfile.TemporaryDirectory(prefix="cdml-bench-profiles-") as folder:
        store = Store(Path(folder) / "metrics.duckdb", Path(folder))
        try:
            return _measured(store)
        finally:
            store.close()


def _measured(store: Store) -> list[Figure]:
    bins = _frozen(store)
    for day in range(DAYS):
        _send(store, START + timedelta(days=day), ROWS // 10)
    hours.renew(store, bins, START, START + timedelta(days=DAYS))
    sums = [_cpu(lambda: hours.total(store, bins, START, START + timedelta(days=DAYS)))
            for _ in range(REPEATS)]  # fmt: skip
    busy = START + timedelta(days=DAYS)
    _send(store, busy, ROWS)
    before = _peak_mib()
    counted = _cpu(lambda: hours.renew(store, bins, busy, busy + timedelta(days=1)))
    what = f"{ROWS // 1000}k x {NUMBERS + CATEGORIES}"
    return [
        Figure(f"a day of {what} counted into frozen bins, CPU", counted, "s", 1, 0.5),
        Figure(f"a day of {what}, peak memory of all", _peak_mib(), "MiB", 1, 250.0),
        Figure(f"a day of {what}, memory that counting added", _peak_mib() - before, "MiB", 1),
        median(f"{DAYS}-day window from stored hours, CPU", [s * 1e3 for s in sums], "ms", 50.0),
    ]


def _frozen(store: Store) -> Bins:
    rng = np.random.default_rng(1)
    made = {
        f"n{at}": references.reference_profile(rng.normal(size=20_000), numeric=True)
        for at in range(NUMBERS)
    }
    names = [f"c{n}" for n in rng.integers(8, size=20_000)]
    made |= {
        f"c{at}": references.reference_profile(names, numeric=False) for at in range(CATEGORIES)
    }
    profiles.keep(store, "m", "v1", made)
    return references.bins_of(store, "m", "v1")


def _send(store: Store, day: datetime, rows: int) -> None:
    """Let a day of answers lie in the store as serving's log would have brought them."""
    normal = "round((random() + random() + random() + random() - 2) * 1.7, 4)"
    parts = [f"'\"n{at}\":' || {normal}" for at in range(NUMBERS)]
    parts += [
        f"'\"c{at}\":\"c' || floor(random() * 8)::integer || '\"'" for at in range(CATEGORIES)
    ]
    features = " || ',' || ".join(parts)
    with store.write() as db:
        db.execute(
            "insert into predictions select 'm', uuid(), uuid(), "
            "$day + to_microseconds((range * 86400000000 // $rows)::bigint), $day, null, 1, "
            f"'v1', 'champion', '{{' || {features} || '}}', [random()], 'true', '', 1.0 "
            "from range($rows)",
            {"day": day.replace(tzinfo=None), "rows": rows},
        )


def _cpu(work: Any) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
