"""A day of 50 predictions a second: kept, asked about, and let go of again."""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.pipeline import retention
from engine.store import archive, counting, predictions
from engine.store.connection import Store
from tests.bench.figure import Figure, quantile
from tests.engine.pipeline.place import SETTINGS, START, Place

A_SECOND = 50
DAY = 86_400 * A_SECOND
BLOCK = 10_000
DAYS = 4
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
    took = _fill(place.store, begin)
    yield Figure("storing a day of 50 predictions a second", took, "s", DAY)
    yield Figure("metrics.duckdb with that day", _mib(place), "MiB", DAY)
    yield from _asked(place.store, begin, begin + timedelta(days=1))
    for day in range(1, DAYS):
        _fill(place.store, begin + timedelta(days=day))
    ratios, longest, filed = [], 0.0, 0
    for day in range(DAYS - 1):
        place.clock.time = begin + timedelta(days=10 + day, hours=1)
        since = time.monotonic()
        retention.keep(place)
        longest = max(longest, time.monotonic() - since)
        total, free = archive.room(place.store)
        ratios.append(total / (total - free))
        filed = (
            archive.partition(place.store, "late", (begin + timedelta(days=day)).date())
            .stat()
            .st_size
        )
        yield from _asked(
            place.store, begin + timedelta(days=DAYS - 1), begin + timedelta(days=DAYS)
        )
    left = archive.archived(place.store, "late")
    if left.rows != DAY * (DAYS - 1):
        raise RuntimeError(f"{left.rows} rows have left, not {DAY * (DAYS - 1)}")
    yield Figure("letting go of a day, its file and the copy included", longest, "s", DAY)
    yield Figure("file over live data after each", max(ratios), "times", DAYS - 1, 1.5)
    yield Figure("a day in history/", filed / 2**20, "MiB", DAY)


def _asked(store: Store, since: datetime, until: datetime) -> Iterator[Figure]:
    """Ask the questions of a 24 h window that need no labels."""
    counts, rows = [], []
    for _ in range(5):
        began = time.monotonic()
        found = predictions.by_window(store, "late", since, until, 3_600_000_000)
        counts.append(time.monotonic() - began)
        if sum(found.values()) != DAY:
            raise RuntimeError(f"{sum(found.values())} rows are in the window, not {DAY}")
        began = time.monotonic()
        with store.read() as db:
            db.execute(
                "select version, count(*), avg(answer[1]), quantile_cont(latency_ms, 0.95) "
                f"from predictions where {counting.CLIENTS} and ts >= $since and ts < $until "
                "group by version",
                {
                    "model": "late",
                    "since": since.replace(tzinfo=None),
                    "until": until.replace(tzinfo=None),
                },
            ).fetchall()
        rows.append(time.monotonic() - began)
    yield quantile("24 h by the hour", counts, 95, "s", 1.0)
    yield quantile("24 h: answers, mean score and p95 of latency", rows, 95, "s", 1.0)


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
