"""What is wrong with logged rows and their labels, counted inside DuckDB. Decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from engine.domain.schema import Feature, Kind
from engine.store.connection import Store, naive
from engine.store.files import name_of

_ASKED = (
    "from predictions where model = $model and ts >= $since and ts < $until "
    "and client is distinct from 'cdml-probe'"
)
# Serving refuses what is not of the contract it answers by, so the champion's own rows fit.
_FITS = "(version = $champion or list_sort(json_keys(features)) = $names)"
_TYPES = {Kind.NUMERIC: "DOUBLE", Kind.BOOLEAN: "BOOLEAN", Kind.CATEGORICAL: "VARCHAR"}
_FAR = 3.0
_CLOSE = 1e-7  # what a file keeps in 32 bits is the same number
_AHEAD = timedelta(minutes=5)  # of two clocks that go right
_MARGIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """Rows of a model with since <= ts < until, under the contract of its champion."""

    model: str
    champion: str
    since: datetime
    until: datetime
    features: Sequence[Feature]

    @property
    def values(self) -> dict[str, Any]:
        """Return what every question about the window asks for."""
        return {"model": self.model, "since": naive(self.since), "until": naive(self.until)}

    @property
    def contract(self) -> dict[str, Any]:
        """Return the contract's names in order, and the types its features are read as."""
        shape = {f.name: _TYPES[f.kind] for f in self.features}
        text = msgspec.json.encode(shape).decode()
        return {"champion": self.champion, "names": sorted(shape), "shape": text}


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows there are, and how many of them are unusual as a whole."""

    n: int
    strange: int
    flagged: int
    repeated: int
    identical: int


def rows(store: Store, window: Window) -> Rows:
    """Count the rows of a window: of another contract, flagged, asked again, alike."""
    found = _one(
        store,
        f"select count(*), count(*) filter (not {_FITS}), count(*) filter (flags <> ''), "
        f"count(*) - count(distinct id), count(*) - count(distinct hash(features)) {_ASKED}",
        {**window.values, "champion": window.champion, "names": window.contract["names"]},
    )
    return Rows(*found)


@dataclass(frozen=True, slots=True)
class Seen:
    """One feature among the rows of the champion's contract. `low` and `high` as they came."""

    nulls: int
    infinite: int
    outside: int
    far: int
    unseen: int
    low: float | None
    high: float | None


def features(store: Store, window: Window) -> tuple[int, dict[str, Seen]]:
    """Count by feature what the contract did not see in training; first the rows looked at."""
    if not window.features:
        return 0, {}
    parts, values = [], {**window.values, **window.contract}
    for at, feature in enumerate(window.features):
        column = f"f.{name_of(feature.name)}"
        counts = ["0", "0", "0", "0", "null", "null"]
        if feature.kind is Kind.NUMERIC:
            counts = _numeric(column, at, feature, values)
        elif feature.kind is Kind.CATEGORICAL:
            values[f"known{at}"] = list(feature.categories)
            known = f"(select unnest($known{at}::varchar[]))"
            counts[3] = f"count(*) filter ({column} is not null and {column} not in {known})"
        parts.append(f"count(*) filter ({column} is null), {', '.join(counts)}")
    n, *found = _one(
        store,
        f"select count(*), {', '.join(parts)} from "
        f"(select json_transform(features, $shape) as f {_ASKED} and {_FITS})",
        values,
    )
    width = len(found) // len(window.features)
    return n, {
        feature.name: Seen(*found[at * width : (at + 1) * width])
        for at, feature in enumerate(window.features)
    }


def _numeric(column: str, at: int, feature: Feature, values: dict[str, Any]) -> list[str]:
    finite = f"min({column}) filter (isfinite({column})), max({column}) filter (isfinite({column}))"
    counts = [f"count(*) filter (isinf({column}))"]
    if feature.low is None or feature.high is None:
        return [*counts, "0", "0", "0", finite]
    room = min(_FAR * (feature.high - feature.low), 1e300)
    for name, more in (("near", 0.0), ("far", room)):
        values |= {f"{name}{at}l": feature.low - more, f"{name}{at}h": feature.high + more}
        inside = f"{column} between ${name}{at}l and ${name}{at}h"
        # All equal in training has no width: nothing is far from it.
        counts.append(f"count(*) filter (not ({inside}))" if name == "near" or room > 0 else "0")
    return [*counts, "0", finite]


@dataclass(frozen=True, slots=True)
class Times:
    """How the times that clients sent go with when their rows were received."""

    n: int
    ahead: int
    future: int
    old: int
    disordered: int


def times(store: Store, window: Window) -> Times:
    """Count rows dated after their receipt, a window off it, or before one received earlier."""
    found = _one(
        store,
        "select count(*), count(*) filter (ts > received + $ahead), "
        "count(*) filter (ts - received > $length), count(*) filter (received - ts > $length), "
        "count(*) filter (ts < newest) from "
        "(select ts, received, max(ts) over (order by received, ts rows between unbounded "
        f"preceding and 1 preceding) as newest {_ASKED})",
        {**window.values, "ahead": _AHEAD, "length": window.until - window.since},
    )
    return Times(*found)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The ids asked about in a window and their labels; delays in seconds, None without labels."""

    n: int
    labelled: int
    never: int
    early: int
    late: int
    delay_p50: float | None
    delay_p90: float | None
    contested: int


def outcomes(store: Store, window: Window, maturity: timedelta) -> Outcomes:
    """Count the labels of a window's ids, an id asked about twice once, as first asked."""
    delay = "epoch(l.ts) - epoch(p.ts)"
    found = _one(
        store,
        "select count(*), count(l.value), count(l.id) - count(l.value), "
        "count(l.value) filter (l.ts < p.ts), count(l.value) filter (l.ts - p.ts > $maturity), "
        f"quantile_cont({delay}, 0.5) filter (l.value is not null), "
        f"quantile_cont({delay}, 0.9) filter (l.value is not null), "
        "count(l.id) filter (l.contested) "
        f"from (select id, min(ts) as ts {_ASKED} group by id) p "
        "left join labels l on l.model = $model and l.id = p.id",
        {**window.values, "maturity": maturity},
    )
    return Outcomes(*found)


def strangers(store: Store, window: Window) -> tuple[int, int]:
    """Count the labels that became known in a window, and those whose id nobody asked about."""
    n, unknown = _one(
        store,
        "select count(*), count(*) filter (id not in (select id from predictions "
        "where model = $model)) from labels "
        "where model = $model and ts >= $since and ts < $until",
        window.values,
    )
    return n, unknown


def skew(
    store: Store, window: Window, paths: Sequence[str], key: str, time: str
) -> tuple[int, int, dict[str, int]]:
    """Compare logged features with the delivered row of the same id, the newest batch's.

    Rows that have both; those in which any feature differs; by feature, how many differ. Numbers
    differ by more than 1e-7 of the larger. Delivered rows dated a day outside are not looked at.
    """
    if not paths or not window.features:
        return 0, 0, {}
    names = [name_of(f.name) for f in window.features]
    delivered = ", ".join(
        f"try_cast({name} as {_TYPES[f.kind]}) as {name}"
        for f, name in zip(window.features, names, strict=True)
    )
    apart = ", ".join(
        f"({_apart(f.kind, f'a.f.{name}', f'd.{name}')}) as c{at}"
        for at, (f, name) in enumerate(zip(window.features, names, strict=True))
    )
    columns = [f"c{at}" for at in range(len(names))]
    n, differing, *found = _one(
        store,
        f"with asked as (select id, json_transform(features, $shape) as f {_ASKED} and {_FITS} "
        "qualify row_number() over (partition by id order by ts, prediction_id) = 1), "
        f'delivered as (select cast({name_of(key)} as varchar) as "the id\x01", {delivered} from '
        "read_parquet($paths, filename = 'file\x01', union_by_name = true, "
        f"hive_partitioning = false) where {name_of(time)} >= $from and {name_of(time)} < $to "
        f"qualify row_number() over (partition by {name_of(key)} order by "
        f'list_position($paths, "file\x01") desc, {name_of(time)} desc, '
        f"hash({', '.join(names)})) = 1) "
        f"select count(*), count(*) filter ({' or '.join(columns)}), "
        f"{', '.join(f'count(*) filter ({c})' for c in columns)} from "
        f'(select {apart} from asked a join delivered d on a.id = d."the id\x01")',
        {
            **window.values,
            **window.contract,
            "paths": list(paths),
            "from": naive(window.since - _MARGIN),
            "to": naive(window.until + _MARGIN),
        },
    )
    return n, differing, {f.name: c for f, c in zip(window.features, found, strict=True)}


def _apart(kind: Kind, a: str, b: str) -> str:
    if kind is not Kind.NUMERIC:
        return f"{a} is distinct from {b}"
    b = f"(case when not isnan({b}) then {b} end)"
    return (
        f"({a} is null) <> ({b} is null) or "
        f"coalesce({a} <> {b} and abs({a} - {b}) > {_CLOSE} * greatest(abs({a}), abs({b})), false)"
    )


def _one(store: Store, sql: str, values: Mapping[str, Any]) -> tuple[Any, ...]:
    with store.read() as db:
        row = db.execute(sql, dict(values)).fetchone()
    return row if row is not None else ()
