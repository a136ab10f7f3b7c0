"""The shipped flights as a watched model: v1 of January and February, asked about every flight."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from engine.pipeline import features
from engine.pipeline.ingest import ingest
from engine.stats import profile
from engine.store import batches, profiles
from engine.store.files import name_of
from engine.store.snapshots import plain
from tests.bench.process import ROOT
from tests.engine.pipeline.place import Place

FLIGHTS = ROOT / "data" / "flights_lga.parquet"
FROZEN = datetime(2013, 3, 1, tzinfo=UTC)
SETTINGS = """
[models.late]
task = "binary"
target = "late"
time = "event_time"
label_time = "label_time"
id = "flight_id"
exclude = ["arr_delay_min", "air_time_min", "cancelled"]
label_maturity = "1d"
[models.late.monitor]
window = "7d"
"""


def flights(root: Path, settings: str = SETTINGS) -> Place:
    """Make a workspace in which v1 has answered every flight at its time, labels as they came."""
    place = Place.made(root, settings)
    path = place.workspace.incoming("late") / FLIGHTS.name
    path.write_bytes(FLIGHTS.read_bytes())
    ingest(place, "late", path)
    types = features.feature_types(place.model("late"), batches.columns(place.store, "late"))
    with duckdb.connect(config={"threads": 1}) as db:
        found = db.execute(
            f"select {', '.join(map(name_of, types))} from read_parquet(?) where event_time < ?",
            [str(FLIGHTS), FROZEN.replace(tzinfo=None)],
        ).fetchnumpy()
    table = {name: plain(column) for name, column in found.items()}
    contract = features.contract(types, table)
    version = place.version(features=contract)
    frozen = {f.name: _frozen(table[f.name], numeric=f.kind == "numeric") for f in contract}
    profiles.keep(place.store, "late", version, frozen)
    _answer(place, list(types), version)
    return place


def _frozen(values: Any, *, numeric: bool) -> str:
    made = (
        profile.numeric_profile(values, profile.quantile_edges(values))
        if numeric
        else profile.categorical_profile(values)
    )
    return msgspec.json.encode(made).decode()


def _answer(place: Place, names: list[str], version: str) -> None:
    """Write the log as if every flight had been asked about three hours ahead."""
    row = ", ".join(f"{name_of(n)} := {name_of(n)}" for n in names)
    (batch,) = batches.known(place.store, "late")
    source = f"read_parquet('{place.workspace.batches / batch.batch}.parquet')"
    with place.store.write() as db:
        db.execute(
            "insert into predictions select 'late', 'p' || flight_id, flight_id::varchar, "
            "event_time, event_time - interval 3 hour, null, 1, ?, 'champion', "
            f"to_json(struct_pack({row}))::varchar, [0.3], 'false', '', 1.0 from {source} "
            "order by event_time",
            [version],
        )
        db.execute(
            "insert into labels (model, id, ts, value, received) "
            "select 'late', flight_id::varchar, coalesce(label_time, event_time), "
            "case when late is null then null else late::varchar end, "
            f"coalesce(label_time, event_time) from {source}"
        )


def weeks() -> list[datetime]:
    """Return the ends of the weeks of the year that v1 did not see."""
    return [FROZEN + timedelta(days=7 * n) for n in range(1, 43)]
