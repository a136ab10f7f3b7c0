"""What was counted of each hour, kept with its version: counted again when rows have come.

A window is the sum of its days and hours. Hours go in blocks, so that memory stays flat.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import numpy as np
from duckdb import DuckDBPyConnection

from engine.stats import tally
from engine.store.connection import Store, insert, naive
from engine.store.counting import CLIENTS, Bins, Counted, Unseen, counted

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ROWS = 50_000
SPANS = 168


def rows(store: Store, model: str, since: datetime, until: datetime) -> dict[datetime, int]:
    """Return how many rows clients sent in each hour that has some, since <= ts < until."""
    with store.read() as db:
        found = db.execute(
            f"select date_trunc('hour', ts), count(*) from predictions where {CLIENTS} "
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


def forget(store: Store, model: str, since: datetime | None = None) -> None:
    """Forget counted hours and evidence of a model, which are made again of raw rows.

    `since` is where those begin, a whole day: what was counted before can no longer be made.
    """
    with store.write() as db:
        for table, column in (("hours", "begins"), ("days", "begins"), ("stillness", "day")):
            db.execute(
                f"delete from {table} where model = $model "
                f"and ($since is null or {column} >= $since)",
                {"model": model, "since": naive(since) if since else None},
            )


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
