"""Counting what clients sent into frozen bins, inside DuckDB: columns in blocks, rows in one pass.

A row is counted once, whichever version answered; a version's score only where it answered. The
rows of our own probes never count. Whatever clients send, what comes out is as large as the bins.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from engine.stats import tally
from engine.stats.profile import CategoricalProfile, NumericProfile
from engine.stats.tally import Cells, Frozen, Grid
from engine.store.connection import Store
from engine.store.files import name_of

COLUMNS = 24
NAMED = 20
LONGEST = 80
DEADLINE_S = 120.0  # one hour may hold millions of rows
FEATURE, SCORE, SLICE = "feature", "score", "slice"
CLIENTS = "model = $model and client is distinct from 'cdml-probe'"

Key = tuple[str, str]  # part and name; a slice's name is (column, value) as JSON
Span = tuple[datetime, datetime]
Unseen = dict[str, dict[str, int]]


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


def counted(store: Store, bins: Bins, spans: Sequence[Span]) -> list[Counted]:
    """Count raw rows of spans of time (naive, rising, disjoint, each in one hour) into the bins."""
    work = _Work(
        store,
        bins,
        spans,
        bins.places,
        [Counted(np.zeros(bins.size, dtype=np.int64), {}) for _ in spans],
    )
    plain = [key for key in bins.frozen if key[0] != SLICE]
    for at in range(0, len(plain), COLUMNS):
        work.count_columns(plain[at : at + COLUMNS])
    slices: dict[str, list[Key]] = {}
    for key in bins.frozen:
        if key[0] == SLICE:
            slices.setdefault(msgspec.json.decode(key[1])[0], []).append(key)
    for column, keys in slices.items():
        work.count_slices(column, keys)
    return work.found


@dataclass(frozen=True, slots=True)
class _Work:
    """Spans being counted, with what has been found of each."""

    store: Store
    bins: Bins
    spans: Sequence[Span]
    places: Mapping[Key, slice]
    found: list[Counted]

    def count_columns(self, keys: Sequence[Key]) -> None:
        picked: list[str] = []
        values: dict[str, Any] = {}
        grids: dict[Key, Grid] = {}
        for at, key in enumerate(keys):
            one, x = self.bins.frozen[key], _value(key, self.bins.frozen[key])
            # Rows of other versions are none of this one's, so no null of a score counts.
            picked.append(f"count(*) - count({x})" if key[0] == FEATURE else "0")
            if isinstance(one, NumericProfile):
                grid = grids[key] = tally.grid(one)
                values |= {f"b{at}": grid.bounds, f"c{at}": grid.centre, f"s{at}": grid.scale}
                values |= {f"l{at}": grid.low, f"h{at}": grid.high}
                picked += _numeric(x, at)
            else:
                picked += [f"count({x})", f"histogram({_known(x, one.counts)})", "0"]
        names = [key for key in keys if key[0] == FEATURE]
        table = self._asked(
            f"select span, {', '.join(picked)} from ({_ROWS}) group by span", names, values
        )
        strange: dict[Key, CategoricalProfile] = {}
        for at, key in enumerate(keys):
            one, place = self.bins.frozen[key], self.places[key]
            found = [row[1 + 4 * at : 5 + 4 * at] for row in table]
            if isinstance(one, CategoricalProfile):
                cells = [tally.category_cells(one, s or {}, n, v) for n, v, s, _ in found]
                strange |= {key: one} if any(c[1] for c in cells) else {}
            else:
                sums = [(nulls, z, squares) for nulls, _, z, squares in found]
                cells = list(tally.numeric_rows(grids[key], [f[1] for f in found], sums))
            for row, own in zip(table, cells, strict=True):
                self.found[row[0]].cells[place] = own
        if strange:
            self._name_unseen(strange)

    def _name_unseen(self, strange: Mapping[Key, CategoricalProfile]) -> None:
        """Find the commonest unseen categories of each span and column; ties go by name."""
        keys = list(strange)
        values = {key: _value(key, one) for key, one in strange.items()}
        texts = ", ".join(
            f"case when {_known(values[key], one.counts)} is null "
            f"then left({values[key]}, {LONGEST}) end"
            for key, one in strange.items()
        )
        table = self._asked(
            f"select span, place, name, count(*) as n from (select span, "
            f"unnest(range({len(keys)})) as place, unnest([{texts}]) as name from ({_ROWS})) "
            "where name is not null group by span, place, name qualify "
            f"row_number() over (partition by span, place order by n desc, name) <= {NAMED}",
            [key for key in keys if key[0] == FEATURE],
            {},
        )
        for span, at, name, n in sorted(table):
            self.found[span].unseen.setdefault(" ".join(keys[at]), {})[name] = n

    def count_slices(self, column: str, keys: Sequence[Key]) -> None:
        """Count a version's answers within each value of a column; all slices share the bins."""
        by_value = {msgspec.json.decode(key[1])[1]: key for key in keys}
        first = self.bins.frozen[keys[0]]
        grid = tally.grid(first) if isinstance(first, NumericProfile) else None
        picked, values = "histogram(decision)", {}
        if grid is not None:
            values["b"] = grid.bounds
            picked = "map_values(histogram(answer[1], $b::double[]) filter (not isnan(answer[1])))"
        known = _known(f"f.{name_of(column)}", by_value)
        table = self._asked(
            f"select span, {known} as part, count(*), {picked} from ({_ROWS}) "
            "where mine and part is not null group by span, part",
            [(SLICE, column)],
            values,
        )
        for span, value, n, counts in table:
            key = by_value[value]
            one = self.bins.frozen[key]
            if isinstance(one, CategoricalProfile):
                cells = tally.category_cells(one, counts or {}, 0, n)
            else:
                cells = tally.numeric_cells(grid or tally.grid(one), counts, 0, 0, 0)
            self.found[span].cells[self.places[key]] = cells

    def _asked(
        self, sql: str, keys: Sequence[Key], values: dict[str, Any]
    ) -> list[tuple[Any, ...]]:
        """Ask of the rows of all spans, with these columns of what clients sent at hand."""
        shape = {
            name: "DOUBLE" if isinstance(self.bins.frozen.get((part, name)), NumericProfile)
            else "VARCHAR"
            for part, name in keys
        }  # fmt: skip
        shape = shape or {"none": "VARCHAR"}  # of no column at all DuckDB makes no object
        values |= {
            "model": self.bins.model,
            "version": self.bins.version,
            "begins": [begin for begin, _ in self.spans],
            "ends": [end for _, end in self.spans],
            "since": self.spans[0][0],
            "until": self.spans[-1][1],
            "shape": msgspec.json.encode(shape).decode(),
        }
        with self.store.read(DEADLINE_S) as db:
            return db.execute(sql, values).fetchall()


_ROWS = (
    "select span, version = $version as mine, answer, decision, "
    "json_transform(features, $shape) as f from predictions join ("
    "select unnest($begins::timestamp[]) as begins, unnest($ends::timestamp[]) as ends, "
    "generate_subscripts($begins::timestamp[], 1) - 1 as span) "
    "on date_trunc('hour', ts) = date_trunc('hour', begins) and ts >= begins and ts < ends "
    f"where {CLIENTS} and ts >= $since and ts < $until"
)


def _value(key: Key, one: Frozen) -> str:
    """Return a column's value in a row, as SQL."""
    if key[0] == FEATURE:
        return f"f.{name_of(key[1])}"
    answer = "answer[1]" if isinstance(one, NumericProfile) else "decision"
    return f"case when mine then {answer} end"


def _known(x: str, names: Iterable[str]) -> str:
    """Return a text where it is one of these, else null: as a constant, looked up by its hash."""
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f"cast(try_cast({x} as enum({listed})) as varchar)" if listed else "null::varchar"


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
