"""Loading the spool: records to tables, each exactly once, in blocks with their marks."""

import shutil
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from engine import spool
from engine.domain.locks import EVERYWHERE
from engine.errors import CorruptError
from engine.pipeline import locks
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.spool import LabelRecord, PredictionRecord, ShadowRecord, SpoolDamageError
from engine.store import predictions
from engine.store.labels import LabelRow
from engine.store.predictions import Block
from engine.wire import Label

# Fewer and larger commits are quicker; all of a block is in memory at once, here and in the store.
BLOCK_RECORDS = 10_000
BLOCK_ROWS = 10_000
# So many at once are no everyday's work: people are told that they wait no more.
MANY = 50_000
KEEP = timedelta(days=1)
DAMAGED = ".damaged"
TIDE = "store_tide"
FREE_FLOOR = 64 * 2**20


def load(site: Site) -> int:
    """Load what the spool holds beyond the marks; return how many records that was.

    Stops at a floor of free space: what is not loaded stays in the spool.
    """
    if shutil.disk_usage(site.workspace.root).free < FREE_FLOOR:
        return 0
    total = _load_all(site)
    note_tide(site)
    if total >= MANY:
        said = f"caught up: {total} records of the prediction log were loaded"
        site.tell("INFO", "spool", None, said)
    return total


def note_tide(site: Site) -> None:
    """Have the ledger know how many commits the store has, so that a loss is seen at its opening.

    While the store is known to lack some, the count that was lost stays.
    """
    tide = str(site.store.tide)
    if not site.suspect and site.ledger.meta(TIDE) != tide:
        site.ledger.set_meta(TIDE, tide)


def _load_all(site: Site) -> int:
    marks = predictions.marks(site.store)
    total = 0
    found = spool.segments(site.workspace.spool)
    _tell_of_short_ones(site, marks, found)
    for segment in found:
        for block, count in _blocks(site, segment, marks.get(segment.path.name, 0)):
            predictions.load(site.store, block)
            total += count
    return total


def _tell_of_short_ones(site: Site, marks: dict[str, int], found: list[spool.Segment]) -> None:
    """Tell once of a segment that holds less than was loaded from it: who knows what came after."""
    sizes = {s.path.name: s.size for s in found}
    last = spool.last_number(site.workspace.spool)
    for name, mark in marks.items():
        # One that was let go has newer ones beside it; the newest is never let go.
        size = sizes.get(name, mark if spool.number_of(name) < last else 0)
        path = site.workspace.spool / name
        if size < mark and not path.with_suffix(DAMAGED).exists():
            site.tell(
                "CRIT", "spool", None,
                f'Reading spool segment "{name}": {mark} bytes of it were loaded and it has '
                f"{size}. It was cut or removed; what it held after those is lost. Find out who "
                f"can write to {site.workspace.spool}.",
            )  # fmt: skip
            _keep(path)


def _blocks(site: Site, segment: spool.Segment, offset: int) -> Iterator[tuple[Block, int]]:
    """Yield blocks of a segment and their records; damaged bytes are told, skipped and marked."""
    rows, count, marked = _Rows(), 0, offset
    while offset < segment.size:
        try:
            for record in spool.read(segment.path, offset, sealed=segment.sealed):
                _sort(site, record.payload, rows, segment.path)
                count, offset = count + 1, record.after
                if count == BLOCK_RECORDS or rows.total >= BLOCK_ROWS:
                    yield rows.block({segment.path.name: offset}), count
                    rows, count, marked = _Rows(), 0, offset
            break
        except SpoolDamageError as e:
            site.tell("CRIT", "spool", None, e.message)
            _keep(segment.path)
            offset = e.resume
    if offset > marked:
        yield rows.block({segment.path.name: offset}), count


def _keep(segment: Path) -> None:
    """Mark a segment whose bytes could not all be loaded: it is never deleted."""
    segment.with_suffix(DAMAGED).touch()


class _Rows:
    """What becomes one block."""

    def __init__(self) -> None:
        self.predictions: list[tuple[Any, ...]] = []
        self.shadows: list[tuple[Any, ...]] = []
        self.labels: list[LabelRow] = []

    @property
    def total(self) -> int:
        """Return how many rows there are."""
        return len(self.predictions) + len(self.shadows) + len(self.labels)

    def block(self, marks: dict[str, int]) -> Block:
        """Return them as a block that reaches so far."""
        return Block(self.predictions, self.shadows, self.labels, marks)


def _sort(site: Site, payload: bytes, rows: _Rows, segment: Path) -> None:
    try:
        record = spool.decode(payload)
    except CorruptError as e:
        site.tell("CRIT", "spool", None, e.message)
        _keep(segment)
        return
    if isinstance(record, PredictionRecord):
        rows.predictions.extend(_prediction_rows(record))
    elif isinstance(record, ShadowRecord):
        pairs = zip(record.prediction_ids, record.answers, strict=True)
        rows.shadows.extend((record.model, record.version, p, _json(a)) for p, a in pairs)
    elif isinstance(record, LabelRecord):
        rows.labels.extend(label_rows(record.model, record.received, record.labels, record.source))


def _prediction_rows(record: PredictionRecord) -> list[tuple[Any, ...]]:
    """Return a tuple a row, in the order of the table's columns."""
    names = list(record.features)
    received = _naive(record.received)
    rows = zip(*record.features.values(), strict=True)
    return [
        (
            record.model,
            prediction_id,
            prediction_id if row_id is None else row_id,
            _naive(time),
            received,
            record.client,
            record.generation,
            record.version,
            record.role,
            _json(dict(zip(names, row, strict=True))),
            _json(answer),
            _decision(decision),
            " ".join(record.flags.get(at, ())),
            record.latency_ms,
        )
        for at, (prediction_id, row_id, time, answer, decision, row) in enumerate(
            zip(
                record.prediction_ids,
                record.ids,
                record.times,
                record.answers,
                record.decisions,
                rows,
                strict=True,
            )
        )
    ]


def label_rows(model: str, received: str, labels: Sequence[Label], source: str) -> list[LabelRow]:
    """Return labels as the store keeps them."""
    return [
        LabelRow(
            model,
            label.id,
            _naive(label.ts),
            None if label.value is None else _json(label.value),
            _naive(received),
            source,
        )
        for label in labels
    ]


def forget_loaded(site: Site) -> None:
    """Delete sealed segments that are loaded and a day old; those of the newest number stay.

    One with damage stays as long as all evidence does. A freeze of the whole engine stops it.
    """
    marks = predictions.marks(site.store)
    found = spool.segments(site.workspace.spool)
    oldest = (site.clock.wall() - KEEP).timestamp()
    evidence = oldest - duration(site.settings.retention.refused).total_seconds()
    newest = spool.last_number(site.workspace.spool)
    gone = [
        s.path
        for s in found
        if spool.number_of(s.path.name) < newest
        and not (s.path.with_suffix(DAMAGED).exists() and s.path.stat().st_mtime >= evidence)
        and s.sealed
        and marks.get(s.path.name, 0) >= s.size
        and s.path.stat().st_mtime < oldest
    ]
    if gone and locks.stops(site, EVERYWHERE, "retention", "forget the loaded log"):
        return
    if not gone:
        return
    # What stands in the store's write-ahead log alone would be lost with it.
    site.store.checkpoint()
    for path in gone:
        path.unlink()
        path.with_suffix(DAMAGED).unlink(missing_ok=True)
    predictions.forget_marks(site.store, [p.name for p in gone])


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _naive(moment: str) -> str:
    """Return an ISO time in UTC without its Z, as DuckDB reads it into a timestamp."""
    return moment.removesuffix("Z")


def _decision(value: bool | str | None) -> str | None:  # noqa: FBT001
    if isinstance(value, bool):
        return "true" if value else "false"
    return value
