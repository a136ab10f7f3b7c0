"""A day of 50 predictions a second: kept, asked about, and let go of again while others write."""

import contextlib
import os
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread

from engine.pipeline import retention
from engine.pipeline.gentle import gently
from engine.store import archive, counting, predictions
from engine.store.connection import Store, naive
from tests.bench.figure import Figure, median, quantile
from tests.bench.gigabyte import answers
from tests.bench.process import memory_mib
from tests.engine.pipeline.place import SETTINGS, START, Place

A_SECOND = 50
DAY = 86_400 * A_SECOND
LABELLED = 30
DAYS = 3
ASKED = 7
HOUR_US = 3_600_000_000
KEEP = '[retention]\npredictions = "9d"\n'
PAUSE_S = 0.02
_SELF = os.getpid()


def measure() -> list[Figure]:
    """Fill days, age them out one by one as they pass, and ask about the newest 24 hours."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place.made(Path(folder) / "w", KEEP + SETTINGS)
        place.champions(0.3)
        try:
            return list(_measured(place))
        finally:
            place.close()


def _measured(place: Place) -> Iterator[Figure]:
    begin, rows = START.replace(hour=0) - timedelta(days=DAYS), _rows()
    for day in range(DAYS):
        answers(place.store, "late", "v1", rows, begin + timedelta(days=day), DAY,
                labelled=LABELLED)  # fmt: skip
        if day == 0:
            name = "metrics.duckdb with a day of 50 predictions a second, 30 % with a label"
            yield Figure(name, _mib(place), "MiB", DAY)
    newest = begin + timedelta(days=DAYS - 1)
    counts, means, ratios, took, waits, peaks = [], [], [], [], [], []
    for day in range(DAYS - 1):
        place.clock.time = begin + timedelta(days=10 + day, hours=1)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
        before, since = memory_mib(_SELF), time.monotonic()
        with _writing(place.store) as waited:
            gently(lambda: retention.keep(place))
        took.append(time.monotonic() - since)
        peaks.append(memory_mib(_SELF, "VmHWM") - before)
        waits.append(max(waited))
        total, free = archive.room(place.store)
        ratios.append(total / (total - free))
        for _ in range(ASKED):
            counts.append(_by_hour(place.store, newest))
            means.append(_by_version(place.store, newest))
    left = archive.archived(place.store, "late")
    if left.rows != DAY * (DAYS - 1):
        raise RuntimeError(f"{left.rows} rows have left, not {DAY * (DAYS - 1)}")
    yield median("24 h by the hour", counts, "s", 1.0)
    yield quantile("24 h by the hour", counts, 95, "s")
    yield median("24 h by version: answers, mean score, exact p95 of latency", means, "s", 1.0)
    yield quantile("24 h by version: answers, mean score, exact p95 of latency", means, 95, "s")
    yield quantile("a day let go of, its file and the copy included", took, 100, "s")
    yield quantile("the longest that a write had to wait meanwhile", waits, 100, "s")
    yield quantile("memory that it took at most", peaks, 100, "MiB")
    yield Figure("file over live data after each, at most", max(ratios), "times", DAYS - 1, 1.5)
    file = archive.partition(place.store, "late", begin.date())
    yield Figure("a day in history/", file.stat().st_size / 2**20, "MiB", DAY)


@contextlib.contextmanager
def _writing(store: Store) -> Iterator[list[float]]:
    """Write again and again as the loader does, in a thread; yield how long each had to wait."""
    over, waited = Event(), [0.0]

    def write() -> None:
        while not over.wait(PAUSE_S):
            began = time.monotonic()
            with store.write() as db:
                db.execute("insert or replace into spool_marks values ('bench', 1)")
            waited.append(time.monotonic() - began)

    thread = Thread(target=write)
    thread.start()
    try:
        yield waited
    finally:
        over.set()
        thread.join()


def _rows() -> list[dict[str, object]]:
    drawn = random.Random(7)
    return [
        {"wind": drawn.randrange(400) / 10, "carrier": drawn.choice("ABCDEFGHIJKLMNOP"),
         "dep": drawn.randrange(1440), "dist": drawn.randrange(2500)}
        for _ in range(500)
    ]  # fmt: skip


def _by_hour(store: Store, since: datetime) -> float:
    """Count the rows of 24 hours by the hour; return how long that took."""
    began = time.monotonic()
    found = predictions.by_window(store, "late", since, since + timedelta(days=1), HOUR_US)
    if sum(found.values()) != DAY:
        raise RuntimeError(f"{sum(found.values())} rows are in the window, not {DAY}")
    return time.monotonic() - began


def _by_version(store: Store, since: datetime) -> float:
    """Sum 24 hours up by version; return how long that took."""
    began = time.monotonic()
    span = {"since": naive(since), "until": naive(since + timedelta(days=1))}
    with store.read() as db:
        db.execute(
            "select version, count(*), avg(answer[1]), quantile_cont(latency_ms, 0.95) "
            f"from predictions where {counting.CLIENTS} and ts >= $since and ts < $until "
            "group by version",
            {"model": "late", **span},
        ).fetchall()
    return time.monotonic() - began


def _mib(place: Place) -> float:
    return place.workspace.store.stat().st_size / 2**20
