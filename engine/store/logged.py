"""The prediction log joined with its labels, written as a table that a model could be handed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from engine.store.connection import Store, naive
from engine.store.files import name_of, text
from engine.store.snapshots import plain

DEADLINE_S = 60.0
# Beside features, what no column of a user's is called.
ID, TIME = "id \x01", "ts \x01"

# Of an id that was answered more than once, its first answer of these.
_ROWS = """
    from (
        select p.*, l.value as label, l.ts as label_ts
        from predictions p join labels l on l.model = p.model and l.id = p.id
        where p.model = $model and p.role <> 'shadow' and l.value is not null
        and p.client is distinct from 'cdml-probe'
        and greatest(p.ts + $maturity, l.ts, l.received) > $after
        and greatest(p.ts + $maturity, l.ts, l.received) <= $until
        qualify row_number() over (partition by p.id order by p.ts, p.prediction_id) = 1
    )
"""


class Special(msgspec.Struct, frozen=True):
    """Which columns are no features: the log knows them by other names."""

    target: str
    time: str
    label_time: str | None
    id: str | None


@dataclass(frozen=True, slots=True)
class Span:
    """Rows whose labels became mature after one moment and until another."""

    after: datetime
    until: datetime
    maturity: timedelta


@dataclass(frozen=True, slots=True)
class Logged:
    """How many rows were found, and of how many the decision may have changed the outcome."""

    rows: int
    influenced: int


def count(store: Store, model: str, span: Span, influences: Sequence[str] | None) -> Logged:
    """Count the rows of a span; without `influences` every decision may change the outcome."""
    told = "true" if influences is None else "list_contains($influences, decision)"
    values = _values(model, span)
    if influences is not None:
        values["influences"] = list(influences)
    with store.read(DEADLINE_S) as db:
        found = db.execute(f"select count(*), count(*) filter ({told}) {_ROWS}", values).fetchone()
    return Logged(*(int(n) for n in found)) if found else Logged(0, 0)


def write(
    store: Store,
    model: str,
    span: Span,
    columns: Mapping[str, str],
    special: Special,
    into: Path,
) -> None:
    """Write the rows of a span as Parquet; `into` lies in the store's folder of batches.

    A column that clients do not send is null.
    """
    own = {special.target, special.time, special.label_time, special.id}
    shape = {name: kind for name, kind in columns.items() if name not in own}
    picked = [f"f.{name_of(name)} as {name_of(name)}" for name in shape]
    picked.append(f"timezone('UTC', ts) as {name_of(special.time)}")
    kind = columns.get(special.target, "VARCHAR")
    value = f"cast(json_extract_string(label, '$') as {kind})"
    picked.append(f"{value} as {name_of(special.target)}")
    if special.label_time:
        picked.append(f"timezone('UTC', label_ts) as {name_of(special.label_time)}")
    if special.id:
        picked.append(f"cast(id as {columns.get(special.id, 'VARCHAR')}) as {name_of(special.id)}")
    sent = "*" if not shape else "*, json_transform(features, $shape) as f"
    body = f"select {', '.join(picked)} from (select {sent} {_ROWS}) order by ts, prediction_id"
    values = _values(model, span)
    if shape:
        values["shape"] = msgspec.json.encode(shape).decode()
    with store.read(DEADLINE_S) as db:
        db.execute(f"copy ({body}) to '{text(into)}' (format parquet)", values)


def _values(model: str, span: Span) -> dict[str, object]:
    return {
        "model": model,
        "maturity": span.maturity,
        "after": naive(span.after),
        "until": naive(span.until),
    }


def features(
    store: Store, model: str, ids: Sequence[str], shape: Mapping[str, str]
) -> dict[str, Any]:
    """Return what was asked under some ids, as columns beside those ids and their times.

    Of an id that was answered more than once, its first answer.
    """
    sql = (
        f"select id as {name_of(ID)}, ts as {name_of(TIME)}, f.* from (select id, ts, "
        "json_transform(features, $shape) f from predictions where model = $model and "
        "role <> 'shadow' and id in (select unnest($ids)) "
        "qualify row_number() over (partition by id order by ts, prediction_id) = 1) "
        "order by ts, id"
    )
    values = {"model": model, "ids": list(ids), "shape": msgspec.json.encode(dict(shape)).decode()}
    with store.read(DEADLINE_S) as db:
        found = db.execute(sql, values).fetchnumpy()
    return {name: plain(column) for name, column in found.items()}
