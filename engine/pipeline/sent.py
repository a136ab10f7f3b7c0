"""What each client sent lately: its newest distinct rows, kept small, measured as they come."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from threading import Lock

import numpy as np

from engine.domain.attacks import FEWEST, WINDOW, Sent
from engine.stats import probing
from engine.stats.probing import Reference

# A client is measured again after so many new distinct rows.
HOP = 50
ROWS_KEPT = 30_000
POINT, BIN = np.float64, np.int16
HOURS = 48


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it is kept, small: its bins as bytes, what was decided, when it was for."""

    bins: bytes
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
    hours: dict[str, int] = field(default_factory=dict)

    def add(self, point: bytes, row: Row) -> int:
        """Keep a row by where it lies; return by how many rows more are kept now."""
        self.total += 1
        hour = row.ts[:13]
        self.hours[hour] = self.hours.get(hour, 0) + 1
        if len(self.hours) > HOURS:
            del self.hours[min(self.hours)]
        before = len(self.rows)
        if point in self.rows:
            self.repeated += 1
            self.rows.move_to_end(point)
        else:
            self.fresh += 1
            self.rows[point] = row
            if len(self.rows) > WINDOW:
                self.rows.popitem(last=False)
        return len(self.rows) - before

    def measure(self, known: Reference) -> Sent:
        """Measure what is kept."""
        kept = list(self.rows.values())
        self.fresh = 0
        points = np.frombuffer(b"".join(self.rows), dtype=POINT).reshape(len(kept), -1)
        bins = np.frombuffer(b"".join(r.bins for r in kept), dtype=BIN).reshape(len(kept), -1)
        crowds = probing.crowding(points, [r.decision for r in kept], known.radius)
        unlike = probing.independence(known, bins.astype(np.int64))
        self.measured = Sent(crowds.n, crowds.near, crowds.crowded, crowds.flips, unlike)
        return self.measured

    def pace(self) -> tuple[int, float | None]:
        """Return the rows of its last hour, and the median of its hours before; None without."""
        last = max(self.hours, default="")
        before = [n for hour, n in self.hours.items() if hour != last]
        return self.hours.get(last, 0), median(before) if before else None

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

    def add(self, name: str, point: bytes, row: Row) -> Client:
        """Keep a row of a client; who was silent longest makes room."""
        client = self.by_name.get(name)
        if client is None:
            client = self.by_name[name] = Client()
        else:
            self.by_name.move_to_end(name)
        self.kept += client.add(point, row)
        while self.kept > ROWS_KEPT and len(self.by_name) > 1:
            _, silent = self.by_name.popitem(last=False)
            self.kept -= len(silent.rows)
        return client

    def due(self, names: Iterable[str]) -> list[tuple[str, Client]]:
        """Return which of some clients sent enough since they were last measured."""
        found = [(n, c) for n in names if (c := self.by_name.get(n)) is not None]
        return [(n, c) for n, c in found if c.fresh >= HOP and len(c.rows) >= FEWEST]


@dataclass(slots=True)
class Watched:
    """What is watched of a model: against which champion's rows, how far the log was read.

    `known` is None where there is nothing to compare with, and `missing` says why.
    """

    version: str
    known: Reference | None
    mark: int
    missing: str = ""
    clients: Clients = field(default_factory=Clients)
    lock: Lock = field(default_factory=Lock)
