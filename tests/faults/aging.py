"""Case 27: ten days pass, each lets go of an old one, while new rows come in without a pause.

The real store, ledger and retention; only the days pass quicker. What is left is looked up with
nothing but DuckDB.
"""

import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from engine.pipeline import retention
from engine.store import predictions
from engine.store.labels import LabelRow
from engine.store.predictions import Block
from tests.engine.pipeline.place import SETTINGS, START, Place
from tests.faults.outcome import Case, Outcome

DAY_ROWS = 250_000
CYCLES = 10
KEEP = '[retention]\npredictions = "9d"\n'
AT_ONCE = 100
LARGER = 1.5


class Loading(threading.Thread):
    """Stores fresh rows and labels as the spool brings them, and knows which it has stored."""

    def __init__(self, place: Place) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.stored: list[str] = []
        self.slowest_s = 0.0
        self._place = place

    def run(self) -> None:
        number = 0
        while not self.over.wait(0.01):
            names = [f"new-{number}-{n}" for n in range(AT_ONCE)]
            ts = (self._place.clock.now()).replace(tzinfo=None).isoformat()
            rows = [
                ("late", name, name, ts, ts, "left", 1, "v1", "champion",
                 f'{{"wind":{n % 30}}}', f"[{n % 97 / 97}]", "true", "", 1.0)
                for n, name in enumerate(names)
            ]  # fmt: skip
            known = [LabelRow("late", name, ts, "true", ts) for name in names]
            began = time.monotonic()
            predictions.load(self._place.store, Block(rows, [], known, {"s-00000001.seg": number}))
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.stored += names
            number += 1


def filled(place: Place, day: datetime) -> None:
    """Store a day of rows, many at a time."""
    stamp = day.replace(tzinfo=None).isoformat(" ")
    with place.store.write() as db:
        db.execute(
            "insert into predictions select 'late', md5(x), md5(x), ts, ts, 'old', 1, 'v1', "
            "'champion', format('{{\"wind\":{}}}', hash(i) % 400 / 10), "
            "[hash(i * 11) % 1000000 / 1000000], 'true', '', hash(i * 13) % 1000 / 500 from "
            f"(select i, timestamp '{stamp}' + to_microseconds(i * {86_400_000_000 // DAY_ROWS}) "
            f"as ts, i || '{stamp}' as x from range({DAY_ROWS}) r(i))"
        )


def played(stock: Path, folder: Path) -> Outcome:
    """Let ten days go, one after the other, under load; look at the file after each."""
    outcome = Outcome("27", "retention under load, ten days let go of")
    place = Place.made(folder, KEEP + SETTINGS)
    place.champions(0.3)
    begin = START.replace(hour=0) - timedelta(days=CYCLES + 2)
    ratios, took = [], []
    for day in range(2):
        filled(place, begin + timedelta(days=day))
    loading = Loading(place)
    # What comes from here on is recent until the end.
    place.clock.time = begin + timedelta(days=10, hours=1)
    loading.start()
    for day in range(CYCLES):
        filled(place, begin + timedelta(days=day + 2))
        place.clock.time = begin + timedelta(days=10 + day, hours=1)
        began = time.monotonic()
        retention.keep(place)
        took.append(time.monotonic() - began)
        ratios.append(place.workspace.store.stat().st_size / in_use(place))
        outcome.struck()
    loading.over.set()
    loading.join(30.0)
    place.close()
    outcome.wrong = lost(folder, loading.stored, begin)
    outcome.failed = outcome.injected if outcome.wrong else 0
    outcome.goal("file over its blocks in use, after each, max", max(ratios), at_most=LARGER)
    outcome.goal("file over a fresh copy, after the last", over_copy(folder), at_most=LARGER)
    outcome.figures |= {
        "rows stored meanwhile": len(loading.stored), "a store waited s, max": loading.slowest_s,
        "a day s, max": max(took),
    }  # fmt: skip
    return outcome


def over_copy(workspace: Path) -> float:
    """Return how much larger the file is than one with the same rows that was never aged."""
    store, copy = workspace / "metrics.duckdb", workspace / "copy.duckdb"
    with duckdb.connect() as db:
        db.execute(f"attach '{store}' as old (read_only)")
        db.execute(f"attach '{copy}' as new")
        db.execute("copy from database old to new")
        db.execute("checkpoint new")
    return store.stat().st_size / copy.stat().st_size


def in_use(place: Place) -> int:
    """Return what the file's blocks in use come to."""
    with place.store.read() as db:
        found = db.execute(
            "select block_size * used_blocks from pragma_database_size() "
            "where database_name = current_database()"
        ).fetchone()
    return int(found[0]) if found else 0


def lost(workspace: Path, recent: list[str], begin: datetime) -> list[str]:
    """Say which rows are in neither place, in both, or gone although they are recent."""
    history = workspace / "history" / "predictions" / "late"
    with duckdb.connect(str(workspace / "metrics.duckdb"), read_only=True) as db:
        db.execute("create temp table sent as select unnest(?) as id", [recent])
        missing, doubled = db.execute(
            "select count(*) filter (n = 0), count(*) filter (n > 1) from (select s.id, "
            "count(p.id) as n from sent s left join predictions p on p.id = s.id group by s.id)"
        ).fetchone() or (-1, -1)
        unlabelled = db.execute("select count(*) from sent anti join labels using (id)").fetchone()
        kept = db.execute(
            "select count(*), count(distinct id) from predictions where client = 'old'"
        ).fetchone() or (0, 0)
        moved = db.execute(
            f"select count(*), count(distinct id) from read_parquet('{history}/*.parquet')"
        ).fetchone() or (0, 0)
    wrong = [f"{missing} recent rows are gone"] if missing else []
    wrong += [f"{doubled} recent rows are there twice"] if doubled else []
    wrong += [f"{unlabelled[0]} recent labels are gone"] if unlabelled and unlabelled[0] else []
    expected = (2 * DAY_ROWS, 2 * DAY_ROWS), (CYCLES * DAY_ROWS, CYCLES * DAY_ROWS)
    if (kept, moved) != expected:
        wrong.append(f"{kept} old rows are kept and {moved} in history/, not {expected}")
    return wrong


CASES: dict[str, Case] = {"27": played}
