"""What a version answers and which labels join it, in the order in which they were stored."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.store.connection import Store
from engine.store.snapshots import plain


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of one version beyond a place of their table and up to another; places are rowids.

    `answered` is the place in the prediction log from which on answers count at all.
    """

    model: str
    version: str
    after: int
    upto: int
    answered: int = -1


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in their order: when the client asked, what was answered (n x k), label texts if any."""

    times: Any
    answers: Any
    labels: list[str]


def ends(store: Store) -> tuple[int, int]:
    """Return the last places of the prediction log and of the labels, -1 where there is none."""
    with store.read() as db:
        found = db.execute(
            "select (select max(rowid) from predictions), (select max(rowid) from labels)"
        ).fetchone()
    tables = zip(("predictions", "labels"), found or (None, None), strict=True)
    rows, outcomes = (
        -1 if place is None else int(place) + store.shifts.get(table, 0) for table, place in tables
    )
    return rows, outcomes


_ANSWERED = (
    "select ts, answer, null as label from predictions where rowid > $after "
    "and rowid <= $upto and model = $model and version = $version and $answered < rowid "
    "and client is distinct from 'cdml-probe' order by rowid"
)
_LABELLED = (
    "select p.ts, p.answer, l.value as label from "
    "(select rowid as place, id, value, received, ts from labels where rowid > $after "
    "and rowid <= $upto and model = $model and value is not null) l join "
    "(select * from predictions where model = $model and version = $version "
    "and rowid > $answered and client is distinct from 'cdml-probe') p on p.id = l.id "
    "qualify row_number() over (partition by l.place order by p.ts, p.prediction_id) = 1 "
    # Places of labels that were stored at once say nothing of their order.
    "order by l.received, l.ts, l.id"
)


def answered(store: Store, span: Span, skip: int = 0, most: int | None = None) -> Rows:
    """Return what a version answered, each row as it was stored."""
    return _rows(store, _ANSWERED, _values(store, "predictions", span), skip, most)


def labelled(store: Store, span: Span, skip: int = 0, most: int | None = None) -> Rows:
    """Return answers in the order in which their labels came; of several to one id the first."""
    return _rows(store, _LABELLED, _values(store, "labels", span), skip, most)


def count_answered(store: Store, span: Span) -> int:
    """Return how many of a version's answers are still in the store."""
    return _count(store, _ANSWERED, _values(store, "predictions", span))


def count_labelled(store: Store, span: Span) -> int:
    """Return how many of a version's answers with their labels are still in the store."""
    return _count(store, _LABELLED, _values(store, "labels", span))


def _values(store: Store, table: str, span: Span) -> dict[str, Any]:
    """Return a span as the store numbers its rows now."""
    shift = store.shifts.get(table, 0)
    return {
        "model": span.model,
        "version": span.version,
        "after": span.after - shift,
        "upto": span.upto - shift,
        "answered": span.answered - store.shifts.get("predictions", 0),
    }


def _count(store: Store, sql: str, values: dict[str, Any]) -> int:
    with store.read() as db:
        row = db.execute(f"select count(*) from ({sql})", values).fetchone()
    return int(row[0]) if row else 0


def _rows(store: Store, sql: str, values: dict[str, Any], skip: int, most: int | None) -> Rows:
    limit = "" if most is None else f" limit {int(most)}"
    with store.read() as db:
        found = db.execute(f"{sql}{limit} offset {int(skip)}", values).fetchnumpy()
    answers = found["answer"]
    matrix = np.array([list(a) for a in answers], dtype=np.float64) if len(answers) else None
    return Rows(
        plain(found["ts"]),
        np.empty((0, 1)) if matrix is None else matrix,
        list(found["label"]) if len(answers) else [],
    )
