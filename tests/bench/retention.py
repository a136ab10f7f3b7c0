"""A day of 50 predictions a second: kept, asked about, and let go of again."""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.pipeline import retention
from engine.store import archive, counting, predictions
from engine.store.connection import Store, naive
from tests.bench.figure import Figure, median, quantile
from tests.engine.pipeline.place import SETTINGS, START, Place

A_SECOND = 50
DAY = 86_400 * A_SECOND
BLOCK = 10_000
DAYS = 4
ASKED = 7
HOUR_US = 3_600_000_000
KEEP = '[retention]\npredictions = "9d"\n'


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
    begin = START.replace(hour=0) - timedelta(days=DAYS)
    yield Figure("storing a day of 50 predictions a second", _fill(place.store, begin), "s", DAY)
    yield Figure("metrics.duckdb with that day", _mib(place), "MiB", DAY)
    for day in range(1, DAYS):
        _fill(place.store, begin + timedelta(days=day))
    newest = begin + timedelta(days=DAYS - 1)
    counts, means, ratios, took = [], [], [], []
    for day in range(DAYS - 1):
        place.clock.time = begin + timedelta(days=10 + day, hours=1)
        since = time.monotonic()
        retention.keep(place)
        took.append(time.monotonic() - since)
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
    yield median("24 h: answers, mean score, p95 of latency", means, "s", 1.0)
    yield quantile("24 h: answers, mean score, p95 of latency", means, 95, "s")
    yield quantile("a day let go of, its file and the copy included", took, 100, "s")
    yield Figure("file over live data after each, at most", max(ratios), "times", DAYS - 1, 1.5)
    file = archive.partition(place.store, "late", begin.date())
    yield Figure("a day in history/", file.stat().st_size / 2**20, "MiB", DAY)


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


def _fill(store: Store, begin: datetime) -> float:
    """Store a day's rows as the spool brings them, in blocks; return how long that took."""
    since = time.monotonic()
    stamp = begin.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    for first in range(0, DAY, BLOCK * 10):
        with store.write() as db:
            db.execute(
                "insert into predictions select 'late', md5(x), md5(x), ts, ts, "
                "'client-' || i % 50, 1, 'v1', 'champion', "
                'format(\'{{"wind":{},"carrier":"{}","dep":{},"dist":{}}}\', '
                "hash(i) % 400 / 10, chr(65 + (hash(i * 3) % 16)::int), hash(i * 5) % 1440, "
                "hash(i * 7) % 2500), [hash(i * 11) % 1000000 / 1000000], "
                "case when hash(i * 11) % 2 = 0 then 'true' else 'false' end, '', "
                "hash(i * 13) % 1000 / 500 from (select i, "
                f"timestamp '{stamp}' + to_microseconds(i * {1_000_000 // A_SECOND}) as ts, "
                f"i || '{stamp}' as x from range({first}, {min(first + BLOCK * 10, DAY)}) r(i))"
            )
    store.checkpoint()
    return time.monotonic() - since


def _mib(place: Place) -> float:
    return place.workspace.store.stat().st_size / 2**20
