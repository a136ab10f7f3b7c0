"""A few thousand rows of accepted batches: drawn evenly, or the newest in order of time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from engine.store.connection import Store, naive
from engine.store.files import name_of
from engine.store.snapshots import plain


def rows(
    store: Store,
    paths: Sequence[str],
    columns: Sequence[str],
    time: str,
    until: datetime,
    n: int,
    *,
    newest: bool,
) -> dict[str, Any]:
    """Return at most n rows with time <= until as columns, the same ones for the same files.

    Evenly drawn ones come in an order that has nothing to do with what they hold.
    """
    wanted = ", ".join(name_of(c) for c in columns)
    evenly = f"hash({name_of(time)}, {wanted})"
    order = f"{name_of(time)} desc, {evenly}" if newest else evenly
    # Of equal rows one is enough: the store may not use the memory to tell which came first.
    sql = (
        f"select {wanted} from read_parquet($paths, union_by_name = true, "
        f"hive_partitioning = false) where {name_of(time)} <= $until order by {order} limit {n:d}"
    )
    with store.read() as db:
        found = db.execute(sql, {"paths": list(paths), "until": naive(until)}).fetchnumpy()
    made = {name: plain(column) for name, column in found.items()}
    return {name: values[::-1] for name, values in made.items()} if newest else made
