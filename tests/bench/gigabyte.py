"""A gigabyte of what a workspace holds after some time: store, history, versions, batches."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec
import numpy as np

from engine.artifacts import Artifacts, dump
from engine.clock import SystemClock
from engine.ledger.change import ENGINE
from engine.ledger.ledger import Ledger
from engine.pipeline.load import TIDE
from engine.store import archive
from engine.store.connection import Store
from engine.workspace import Workspace
from tests.bench.box import FLIGHTS

DAYS = 6
A_DAY = 500_000
OLD_DAYS = 6
VERSIONS = 7
BATCHES = 7
BATCH_ROWS = 3_000_000
_ROWS, _COLUMNS = 400_000, 16


def filled(workspace: Workspace, model: str, version: str, rows: list[dict[str, object]]) -> None:
    """Fill the workspace of an engine that is down; every file of it is as cdml would write it."""
    store = Store(workspace.store, workspace.batches)
    newest = SystemClock().now().replace(hour=0, minute=0, second=0, microsecond=0)
    first = newest - timedelta(days=DAYS + OLD_DAYS)
    try:
        for day in range(DAYS + OLD_DAYS):
            # Not the champion's: its detectors would see another distribution and ask for a look.
            answers(store, model, "v0", rows, first + timedelta(days=day), A_DAY)
        for day in range(OLD_DAYS):
            archive.archive(store, model, (first + timedelta(days=day)).date(), newest)
        store.compact()
        tide = store.tide
    finally:
        store.close()
    ledger = Ledger(workspace.ledger)
    try:
        _versions(workspace, ledger, model, version)
        ledger.set_meta(TIDE, str(tide))
    finally:
        ledger.close()
    _batches(workspace.batches)


def answers(
    store: Store,
    model: str,
    version: str,
    rows: list[dict[str, object]],
    day: datetime,
    n: int,
    *,
    labelled: int = 30,
) -> None:
    """Store the answers of a day, spread evenly, and labels of so many percent an hour later."""
    begin = day.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    texts = [msgspec.json.encode(row).decode() for row in rows]
    step = 86_400_000_000 // n
    for at in range(0, n, 100_000):
        with store.write() as db:
            values = {"model": model, "version": version, "texts": texts}
            db.execute(
                "insert into predictions select $model, md5(x), md5(x), ts, ts, "
                "'client-' || i % 50, 1, $version, 'champion', "
                "$texts[1 + (hash(i) % len($texts))::int], [hash(i * 11) % 1000000 / 1000000], "
                "case when hash(i * 11) % 2 = 0 then 'true' else 'false' end, '', "
                "hash(i * 13) % 1000 / 500 from (select i, "
                f"timestamp '{begin}' + to_microseconds(i * {step}) as ts, i || '{begin}' as x "
                f"from range({at}, {min(at + 100_000, n)}) r(i))",
                values,
            )
            db.execute(
                "insert into labels (model, id, ts, value, received, source) "
                "select $model, md5(i || $begin), "
                f"cast($begin as timestamp) + to_microseconds(i * {step} + 3600000000), "
                "case when hash(i * 17) % 4 = 0 then 'true' else 'false' end, "
                f"cast($begin as timestamp) + to_microseconds(i * {step} + 3600000000), 'client' "
                f"from range({at}, {min(at + 100_000, n)}) r(i) where hash(i * 19) % 100 < $share",
                {"model": model, "begin": begin, "share": labelled},
            )
    store.checkpoint()


def _versions(workspace: Workspace, ledger: Ledger, model: str, champion: str) -> None:
    """Seal estimators of 50 MB each as versions that were built and never judged."""
    from sklearn.neighbors import KNeighborsClassifier

    artifacts = Artifacts(workspace.artifacts, workspace.keys)
    manifest = artifacts.manifest(ledger.version(model, champion).manifest or "")
    rng = np.random.default_rng(7)
    for seed in range(VERSIONS):
        values = rng.normal(size=(_ROWS, _COLUMNS))
        content = dump(KNeighborsClassifier(algorithm="brute").fit(values, values[:, 0] > 0))
        digest = hashlib.sha256(content).hexdigest()
        made = msgspec.structs.replace(
            manifest, artifact=digest, size_bytes=len(content), seed=seed, run=f"fill{seed}"
        )
        name, now = artifacts.seal(content, made), SystemClock().now()
        with ledger.change(ENGINE, "register", model, now=now, wall=now) as change:
            version = change.add_version(made.run, made.created_at)
            change.seal_version(version, name, made.trained_from, made.trained_to, safe_mode=False)


def _batches(folder: Path) -> None:
    """Write real departures over and over, with ids of their own, as accepted batches."""
    for number in range(BATCHES):
        part = folder / f"fill{number}.part"
        duckdb.execute(
            f"copy (select * replace (md5(i || '{number}') as flight_id) from (select f.*, "
            f"row_number() over () + {number * BATCH_ROWS} as i from '{FLIGHTS}' f, range(30)) "
            f"limit {BATCH_ROWS}) to '{part}' (format parquet, compression zstd)"
        )
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        part.rename(folder / f"{digest}.parquet")
