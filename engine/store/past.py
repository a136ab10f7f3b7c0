"""The metric store as far as it reached at a moment: the same queries, on views that end there.

What a look measured then is shown as it is known now: labels that came since are in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import duckdb

from engine.errors import RefusedError
from engine.store.connection import Store, naive

_VIEWS = {
    "scores": "select * from {table} where coalesce(look, measured, window_to) <= '{then}'",
    "runs": (
        "select * replace (case when ended_at <= '{then}' then state "
        "when started_at <= '{then}' then 'running' else 'queued' end as state, "
        "case when started_at <= '{then}' then started_at end as started_at, "
        "case when ended_at <= '{then}' then ended_at end as ended_at, "
        "case when ended_at <= '{then}' then error end as error, "
        "case when ended_at <= '{then}' then verdict end as verdict, "
        "case when ended_at <= '{then}' then note else '' end as note) "
        "from {table} where queued_at <= '{then}'"
    ),
}


class PastStore(Store):
    """A store that can only be read, and ends at a moment."""

    def __init__(self, store: Store, then: datetime) -> None:
        self.batches = store.batches
        self.history = store.history
        self.shifts = store.shifts
        self.changes = store.changes
        self._store = store
        self._then = naive(then).isoformat(" ")

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Refuse: the past is not written to."""
        raise RefusedError(
            "Writing to the metric store of a past moment: the past is only looked at. "
            "Return to the present first.",
            code="past",
        )
        yield

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a cursor that sees nothing later."""
        with self._store.cursor() as cursor:
            (file,) = cursor.execute("select current_database()").fetchone() or ("",)
            for name, view in _VIEWS.items():
                table = f'"{file}".main.{name}'
                # A cursor's temporary view hides the table of its name, from this cursor alone.
                select = view.format(table=table, then=self._then)
                cursor.execute(f"create temp view {name} as {select}")
            yield cursor
