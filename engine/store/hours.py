"""Counting what clients sent into frozen bins, inside DuckDB, and keeping counts by the hour.

A row is counted once, whichever version answered; a version's score only where it answered. The
rows of our own probes never count. Columns and hours go in blocks, so that memory stays flat.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from duckdb import DuckDBPyConnection

from engine.stats import tally
from engine.stats.profile import CategoricalProfile, NumericProfile
from engine.stats.tally import Cells, Frozen, Grid
from engine.store.connection import Store, insert, naive
from engine.store.files import name_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COLUMNS = 24
ROWS = 50_000
SPANS = 168
NAMED = 20
LONGEST = 80
FEATURE, SCORE, SLICE = "feature", "score", "slice"

Key = tuple[str, str]  # part and name; a slice's name is (column, value) as JSON
Span = tuple[datetime, datetime]
Unseen = dict[str, dict[str, int]]

_CLIENTS = "model = $model and client is distinct from 'cdml-probe'"


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts of one span: the cells of all columns, and the commonest unseen categories."""

    cells: Cells
    unseen: Unseen


@dataclass(frozen=True, slots=True)
class Bins:
    """What a version froze, in the order of its cells."""

    model: str
    version: str
    frozen: dict[Key, Frozen]

    @property
    def places(self) -> dict[Key, slice]:
        """Return where each column lies in a vector."""
        return tally.layout(self.frozen)

    @property
    def size(self) -> int:
        """Return how many cells a vector has."""
        return sum(tally.size(one) for one in self.frozen.values())


def rows(store: Store, model: str, since: datetime, until: datetime) -> dict[datetime, int]:
    """Return how many rows clients sent in each hour that has some, since <= ts < until."""
    with store.read() as db:
        found = db.execute(
            f"select date_trunc('hour', ts), count(*) from predictions where {_CLIENTS} "
            "and ts >= $since and ts < $until group by 1",
            {"model": model, "since": naive(since), "until": naive(until)},
        ).fetchall()
    return dict(found)


def known(store: Store, bins: Bins, since: datetime, until: datetime) -> dict[datetime, int]:
    """Return how many rows each counted hour had when it was counted."""
    with store.read() as db:
        found = db.execute(
            "select begins, rows from hours where model = ? and version = ? "
            "and begins >= ? and begins < ?",
            [bins.model, bins.version, naive(since), naive(until)],
        ).fetchall()
    return dict(found)


def renew(store: Store, bins: Bins, since: datetime, until: datetime) -> None:
    """Count each hour of a span that has got rows since it was counted last; whole hours only."""
    since, until = _down(since), _down(until)
    sent, before = rows(store, bins.model, since, until), known(store, bins, since, until)
    stale = sorted(h for h, n in sent.items() if n > before.get(h, 0))
    for block in _blocks(stale, sent):
        found = counted(store, bins, [(h, h + HOUR) for h in block])
        with store.write() as db:
            _put(db, bins, "hours", block, [sent[h] for h in block], found)
            days = sorted({h.replace(hour=0) for h in block})
            sums = [_read(db, bins, "hours", day, day + DAY) for day in days]
            _put(db, bins, "days", days, [n for n, _ in sums], [c for _, c in sums])


def _put(
    db: DuckDBPyConnection,
    bins: Bins,
    table: str,
    begins: Sequence[datetime],
    sizes: Sequence[int],
    found: Sequence[Counted],
) -> None:
    """Keep the counts of hours, or of the days that they are the sums of."""
    block = {
        "model": np.full(len(begins), bins.model, dtype=object),
        "version": np.full(len(begins), bins.version, dtype=object),
        "begins": np.array(begins, dtype="datetime64[us]"),
        "rows": np.array(sizes, dtype=np.int64),
        "cells": np.array([tally.packed(c.cells) for c in found], dtype=object),
        "unseen": np.array([_text(c.unseen) for c in found], dtype=object),
    }
    db.register("recounted", block)
    db.execute(
        f"delete from {table} using recounted r where {table}.model = r.model "
        f"and {table}.version = r.version and {table}.begins = r.begins"
    )
    db.unregister("recounted")
    insert(db, table, block, ", ".join(block))


def _read(
    db: DuckDBPyConnection, bins: Bins, table: str, since: datetime, until: datetime
) -> tuple[int, Counted]:
    """Return rows and counts of the hours or days that begin in a span (naive)."""
    found = db.execute(
        f"select rows, cells, unseen from {table} where model = $model and version = $version "
        "and begins >= $since and begins < $until order by begins",
        {"model": bins.model, "version": bins.version, "since": since, "until": until},
    ).fetchall()
    cells = tally.summed([cells for _, cells, _ in found], bins.size)
    return sum(n for n, _, _ in found), Counted(cells, _united([text for _, _, text in found]))


def forget(store: Store, model: str) -> None:
    """Forget every counted hour and all evidence of a model: they are made again of raw rows."""
    with store.write() as db:
        for table in ("hours", "days", "stillness"):
            db.execute(f"delete from {table} where model = ?", [model])


def total(store: Store, bins: Bins, since: datetime, until: datetime) -> Counted:
    """Return the sum of the counted hours between two full hours; of whole days their sums."""
    begin, end = naive(since), naive(until)
    first, last = _day(begin + DAY - HOUR), _day(end)
    parts = [("hours", begin, first), ("days", first, last), ("hours", last, end)]
    if first > last:
        parts = [("hours", begin, end)]
    with store.read() as db:
        return _sum([_read(db, bins, *part)[1] for part in parts])


def window(store: Store, bins: Bins, since: datetime, until: datetime) -> Counted:
    """Return the counts of since <= ts < until: whole hours as kept, what juts out of them anew."""
    first, last = _up(since), _down(until)
    if first > last:
        return _sum(counted(store, bins, [(naive(since), naive(until))]))
    edges = [(naive(a), naive(b)) for a, b in ((since, first), (last, until)) if a < b]
    whole = total(store, bins, first, last)
    return _sum([whole, *(counted(store, bins, edges) if edges else [])])


def counted(store: Store, bins: Bins, spans: Sequence[Span]) -> list[Counted]:
    """Count raw rows of spans of time (naive, rising, disjoint) into the bins of a version."""
    found = [Counted(np.zeros(bins.size, dtype=np.int64), {}) for _ in spans]
    places = bins.places
    plain = [key for key in bins.frozen if key[0] != SLICE]
    for at in range(0, len(plain), COLUMNS):
        _count_columns(store, bins, spans, plain[at : at + COLUMNS], places, found)
    slices: dict[str, list[Key]] = {}
    for key in bins.frozen:
        if key[0] == SLICE:
            slices.setdefault(msgspec.json.decode(key[1])[0], []).append(key)
    for column, keys in slices.items():
        _count_slices(store, bins, spans, column, keys, places, found)
    return found


def _count_columns(
    store: Store,
    bins: Bins,
    spans: Sequence[Span],
    keys: Sequence[Key],
    places: Mapping[Key, slice],
    found: list[Counted],
) -> None:
    picked, values = [], _values(bins, spans)
    shape: dict[str, str] = {}
    grids: dict[Key, Grid] = {}
    for at, key in enumerate(keys):
        one = bins.frozen[key]
        kind = "DOUBLE" if isinstance(one, NumericProfile) else "VARCHAR"
        if key[0] == FEATURE:
            shape[key[1]] = kind
            x = f"f.{name_of(key[1])}"
            picked.append(f"count(*) - count({x})")
        else:
            # Rows of other versions are none of this one's: they become null, and no null counts.
            x = f"case when mine then {'answer[1]' if kind == 'DOUBLE' else 'decision'} end"
            picked.append("0")
        if isinstance(one, NumericProfile):
            grid = grids[key] = tally.grid(one)
            values |= {f"b{at}": grid.bounds, f"c{at}": grid.centre, f"s{at}": grid.scale}
            values |= {f"l{at}": grid.low, f"h{at}": grid.high}
            picked += _numeric(x, at)
        else:
            picked.append(f"histogram({x})")
    values["shape"] = msgspec.json.encode(shape).decode()
    with store.read() as db:
        table = db.execute(
            f"select span, {', '.join(picked)} from ({_rows()}) group by span", values
        ).fetchall()
    for row in table:
        at = 1
        for key in keys:
            one = bins.frozen[key]
            if isinstance(one, NumericProfile):
                binned, z, squares = row[at + 1 : at + 4]
                cells = tally.numeric_cells(grids[key], binned, row[at], z, squares)
                at += 4
            else:
                cells, unseen = tally.category_cells(one, row[at + 1] or {}, row[at])
                at += 2
                if unseen:
                    found[row[0]].unseen[" ".join(key)] = _commonest(unseen)
            found[row[0]].cells[places[key]] = cells


def _numeric(x: str, at: int) -> list[str]:
    """Return what is counted of a numeric column: bins, and the sums of z and of its square."""
    z = (
        f"cast(floor((least(greatest({x}, $l{at}::double), $h{at}::double) - $c{at}::double) "
        f"/ $s{at}::double * {tally.STEPS}.0::double + 0.5::double) as bigint)"
    )
    finite = f"filter (isfinite({x}))"
    return [
        f"map_values(histogram({x}, $b{at}::double[]) filter (not isnan({x})))",
        f"coalesce(sum({z}) {finite}, 0)::bigint",
        f"coalesce(sum({z} * {z}) {finite}, 0)::bigint",
    ]


def _count_slices(
    store: Store,
    bins: Bins,
    spans: Sequence[Span],
    column: str,
    keys: Sequence[Key],
    places: Mapping[Key, slice],
    found: list[Counted],
) -> None:
    """Count a version's answers within each value of a column; all slices share the bins."""
    by_value = {msgspec.json.decode(key[1])[1]: key for key in keys}
    first = bins.frozen[keys[0]]
    values = _values(bins, spans) | {"shape": msgspec.json.encode({column: "VARCHAR"}).decode()}
    grid = tally.grid(first) if isinstance(first, NumericProfile) else None
    if grid is not None:
        values["b"] = grid.bounds
        picked = "map_values(histogram(answer[1], $b::double[]) filter (not isnan(answer[1])))"
    else:
        picked = "histogram(decision)"
    with store.read() as db:
        table = db.execute(
            f"select span, f.{name_of(column)} as part, {picked} from ({_rows()}) "
            "where mine and part is not null group by span, part",
            values,
        ).fetchall()
    for span, value, counts in table:
        if (key := by_value.get(value)) is None:
            continue
        one = bins.frozen[key]
        if isinstance(one, CategoricalProfile):
            found[span].cells[places[key]] = tally.category_cells(one, counts or {}, 0)[0]
        elif grid is not None:
            found[span].cells[places[key]] = tally.numeric_cells(grid, counts, 0, 0, 0)


def _rows() -> str:
    """Return the rows of all spans with the number of theirs, as a query; a span is in one hour."""
    spans = (
        "select unnest($begins::timestamp[]) as begins, unnest($ends::timestamp[]) as ends, "
        "generate_subscripts($begins::timestamp[], 1) - 1 as span"
    )
    return (
        "select span, version = $version as mine, answer, decision, "
        f"json_transform(features, $shape) as f from predictions join ({spans}) "
        "on date_trunc('hour', ts) = date_trunc('hour', begins) and ts >= begins and ts < ends "
        f"where {_CLIENTS} and ts >= $since and ts < $until"
    )


def _values(bins: Bins, spans: Sequence[Span]) -> dict[str, Any]:
    return {
        "model": bins.model,
        "version": bins.version,
        "begins": [begin for begin, _ in spans],
        "ends": [end for _, end in spans],
        "since": spans[0][0],
        "until": spans[-1][1],
    }


def _blocks(stale: Sequence[datetime], sent: Mapping[datetime, int]) -> Iterator[list[datetime]]:
    """Split hours into blocks of at most so many hours and rows, one hour at least."""
    block: list[datetime] = []
    held = 0
    for hour in stale:
        if block and (len(block) == SPANS or held + sent[hour] > ROWS):
            yield block
            block, held = [], 0
        block.append(hour)
        held += sent[hour]
    if block:
        yield block


def _commonest(counts: Mapping[str, int]) -> dict[str, int]:
    short: dict[str, int] = {}
    for name, n in counts.items():
        short[name[:LONGEST]] = short.get(name[:LONGEST], 0) + n
    names = sorted(short, key=lambda name: (-short[name], name))
    return {name: short[name] for name in names[:NAMED]}


def _text(unseen: Unseen) -> str:
    return msgspec.json.encode(unseen, order="sorted").decode()


def _united(texts: Sequence[str]) -> Unseen:
    found: Unseen = {}
    for text in texts:
        if text != "{}":
            for column, counts in msgspec.json.decode(text, type=Unseen).items():
                here = found.setdefault(column, {})
                for name, n in counts.items():
                    here[name] = here.get(name, 0) + n
    return found


def _sum(parts: Sequence[Counted]) -> Counted:
    cells = parts[0].cells.copy()
    for part in parts[1:]:
        cells += part.cells
    return Counted(cells, _united([_text(part.unseen) for part in parts]))


def _down(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _up(moment: datetime) -> datetime:
    return _down(moment) if _down(moment) == moment else _down(moment) + HOUR
