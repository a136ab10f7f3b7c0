"""What each client sent lately: its newest distinct rows, kept small, measured as they come."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.domain.attacks import FEWEST, WINDOW, Sent
from engine.stats import probing
from engine.stats.probing import Reference

# A client is measured again after so many new distinct rows.
HOP = 50
ROWS_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it is kept: where it lies, its bins, what was decided, when it was for."""

    point: Any
    bins: Any
    decision: str | None
    ts: str
    flagged: bool


@dataclass(slots=True)
class Client:
    """One client: all it sent since the engine looks, and its newest distinct rows.

    Equal rows count once: who asks again after a failure is no prober.
    """

    total: int = 0
    repeated: int = 0
    fresh: int = 0
    measured: Sent | None = None
    rows: "OrderedDict[bytes, Row]" = field(default_factory=OrderedDict)

    def add(self, row: Row) -> int:
        """Keep a row; return by how many rows more are kept now."""
        self.total += 1
        key = row.point.tobytes()
        before = len(self.rows)
        if key in self.rows:
            self.repeated += 1
            self.rows.move_to_end(key)
        else:
            self.fresh += 1
            self.rows[key] = row
            if len(self.rows) > WINDOW:
                self.rows.popitem(last=False)
        return len(self.rows) - before

    def measure(self, known: Reference) -> Sent:
        """Measure what is kept."""
        kept = list(self.rows.values())
        self.fresh = 0
        points = np.array([r.point for r in kept], dtype=np.float64)
        bins = np.array([r.bins for r in kept], dtype=np.int64)
        crowds = probing.crowding(points, [r.decision for r in kept], known.radius)
        unlike = probing.independence(known, bins)
        self.measured = Sent(crowds.n, crowds.near, crowds.crowded, crowds.flips, unlike)
        return self.measured

    @property
    def since(self) -> str:
        """Return the earliest time among the rows kept; empty without one."""
        return min((r.ts for r in self.rows.values()), default="")

    @property
    def until(self) -> str:
        """Return the latest time among the rows kept; empty without one."""
        return max((r.ts for r in self.rows.values()), default="")

    @property
    def flagged(self) -> int:
        """Return how many of the rows kept the contract flagged: out of range, unseen, null."""
        return sum(r.flagged for r in self.rows.values())


@dataclass(slots=True)
class Clients:
    """Every client of a model that is in memory, the one heard of longest ago first."""

    by_name: "OrderedDict[str, Client]" = field(default_factory=OrderedDict)
    kept: int = 0

    def add(self, name: str, row: Row) -> Client:
        """Keep a row of a client; who was silent longest makes room."""
        client = self.by_name.get(name)
        if client is None:
            client = self.by_name[name] = Client()
        else:
            self.by_name.move_to_end(name)
        self.kept += client.add(row)
        while self.kept > ROWS_KEPT and len(self.by_name) > 1:
            _, silent = self.by_name.popitem(last=False)
            self.kept -= len(silent.rows)
        return client

    def due(self, names: Iterable[str]) -> list[tuple[str, Client]]:
        """Return which of some clients sent enough since they were last measured."""
        found = [(n, c) for n in names if (c := self.by_name.get(n)) is not None]
        return [(n, c) for n, c in found if c.fresh >= HOP and len(c.rows) >= FEWEST]
