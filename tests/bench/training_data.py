"""Delivered batches: honest ones of a real year, broken ones, poisoned ones, and a large one."""

import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from engine.pipeline.ingest import ingest
from engine.wire import UploadAnswer
from tests.bench import poisoned
from tests.bench.figure import Figure, quantile
from tests.engine.pipeline.place import Place

FLIGHTS = Path(__file__).parents[2] / "data" / "flights_lga.parquet"
SETTINGS = """
[models.late]
task = "binary"
target = "late"
time = "event_time"
label_time = "label_time"
id = "flight_id"
exclude = ["arr_delay_min", "air_time_min", "cancelled"]
label_maturity = "6h"
"""
PLAIN = """
[models.late]
task = "binary"
target = "late"
time = "t"
label_time = "known"
id = "id"
"""
SAMPLES, DRAWN = 12, 2_000
# What is put in place of a column, or done to the rows, of seven days.
BROKEN = {
    "Celsius": "* replace ((temp_f - 32) / 1.8 as temp_f)",
    "kilometres": "* replace (distance_mi * 1.609 as distance_mi)",
    "x10": "* replace (pressure_mb * 10 as pressure_mb)",
    "renamed column": "* rename (wind_mph as wind_kt)",
    "missing column": "* exclude (seats)",
    "40 % unseen categories": "* replace (case when hash(flight_id) % 10 < 4 then 'ZZ' "
    "else carrier end as carrier)",
    "future times": "* replace (event_time + interval 2 year as event_time)",
    "leaked target": "* replace (case when late then 3 else 1 end as wind_mph)",
    "one class": "* replace (true as late)",
    "all null": "* replace (null as temp_f)",
}


def measure() -> list[Figure]:
    """Return false alarms on honest batches, what is caught, and what the largest file costs."""
    return [*_year(), *_broken(), *poisoned.measure(), *_large()]


@contextmanager
def _place(settings: str) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder:
        place = Place.made(Path(folder) / "workspace", settings)
        yield place
        place.close()


def deliver(
    place: Place, name: str, since: str, until: str, picked: str = "*", rest: str = ""
) -> UploadAnswer:
    """Deliver rows of the real year as a file, the day after the last of them."""
    path = place.workspace.incoming("late") / f"{name}.parquet"
    with duckdb.connect() as db:
        db.execute(
            f"copy (select {picked} from (from '{FLIGHTS}' where event_time >= '{since}' and "
            f"event_time < '{until}' {rest}) order by event_time) to '{path}' (format parquet)"
        )
    place.clock.time = datetime.fromisoformat(until).replace(tzinfo=UTC) + timedelta(days=1)
    return ingest(place, "late", path)


def _year() -> list[Figure]:
    """Deliver each day of ten months after the first two; then samples of each month."""
    spent, refused, n = [], 0, 0
    with _place(SETTINGS) as place:
        deliver(place, "start", "2013-01-01", "2013-03-01")
        day = datetime(2013, 3, 1)  # noqa: DTZ001 - the file's times have no zone
        while day.year == 2013:
            following = day + timedelta(days=1)
            began = time.process_time()
            answer = deliver(place, f"{day:%m%d}", f"{day}", f"{following}")
            spent.append(time.process_time() - began)
            refused += answer.verdict == "quarantined"
            day, n = following, n + 1
    return [
        Figure("honest days quarantined", 100 * refused / n, "%", n, 2.0),
        *_samples(),
        quantile("CPU of a day's file", spent, 50, "s", 0.3),
    ]


def _samples() -> list[Figure]:
    refused, n = 0, 0
    for month in range(3, 13):
        begin = f"2013-{month:02}-01"
        end = f"2013-{month + 1:02}-01" if month < 12 else "2014-01-01"
        for sample in range(SAMPLES):
            with _place(SETTINGS) as place:
                deliver(place, "before", "2013-01-01", begin)
                drawn = f"order by hash(flight_id, {sample}) limit {DRAWN}"
                answer = deliver(place, "sample", begin, end, rest=drawn)
                refused += answer.verdict == "quarantined"
            n += 1
    return [Figure("honest samples of a new month quarantined", 100 * refused / n, "%", n, 2.0)]


def _broken() -> list[Figure]:
    """Deliver a week of each month with each fault; none may come to be trained on."""
    figures = []
    for fault in [*BROKEN, "35 % duplicates"]:
        caught = 0
        for month in range(3, 13):
            begin, end = f"2013-{month:02}-01", f"2013-{month:02}-08"
            with _place(SETTINGS) as place:
                deliver(place, "before", "2013-01-01", begin)
                if fault in BROKEN:
                    answer = deliver(place, "broken", begin, end, BROKEN[fault])
                else:
                    rest = f"union all from '{FLIGHTS}' where event_time >= '{begin}' and "
                    rest += f"event_time < '{end}' and hash(flight_id) % 100 < 54"
                    answer = deliver(place, "broken", begin, end, rest=rest)
                caught += answer.verdict == "quarantined"
        figures.append(Figure(f"caught: {fault}", 10.0 * caught, "%", 10, 100.0, at_least=True))
    return figures


def _large() -> list[Figure]:
    """Take in a million rows of thirty columns, in this process."""
    columns = ", ".join(f"random() * {i} c{i}" for i in range(1, 21))
    texts = ", ".join(f"'k' || (random() * 20)::int k{i}" for i in range(5))
    with _place(PLAIN) as place:
        path = place.workspace.incoming("late") / "large.parquet"
        with duckdb.connect() as db:
            db.execute(
                f"copy (select 'r' || i id, timestamp '2023-01-01' + to_seconds(i * 20) t, "
                f"random() < 0.3 late, timestamp '2023-01-01' + to_seconds(i * 20 + 7200) known, "
                f"random() < 0.5 flag, {columns}, {texts} from range(1000000) r(i)) "
                f"to '{path}' (format parquet)"
            )
        cpu, wall = time.process_time(), time.perf_counter()
        answer = ingest(place, "late", path)
        spent = (time.perf_counter() - wall, time.process_time() - cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Figure("1M x 30 taken in", spent[0], "s", answer.rows, 10.0),
        Figure("1M x 30 taken in, CPU", spent[1], "s", answer.rows),
        Figure("1M x 30 taken in, peak of the process", peak, "MB", answer.rows, 1024.0),
    ]
