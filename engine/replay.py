"""Replaying a table against a running workspace, as its clients and its data would have come.

Rows go through the public port at their event time, labels when they became known, files when
they were complete; between the steps the engine's clock is moved and all that is due is done.
"""

import itertools
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

from engine.clock import iso
from engine.engine_link import EngineLink
from engine.errors import CdmlError
from engine.port import Port
from engine.store import excerpts
from engine.store.connection import naive
from engine.wire import Label, PredictRow
from engine.workspace import Workspace

STEP = timedelta(hours=6)
AHEAD = timedelta(days=14)
FILE_EVERY = timedelta(days=1)
OUTAGE_SPEED = 43_200.0
# What falls due in a step of a replay may be a training run.
ASK_S = 3600.0


@dataclass(frozen=True, slots=True)
class Source:
    """The table that is replayed and its special columns."""

    path: Path
    model: str
    features: list[str]
    id: str
    time: str
    label_time: str
    target: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What a client got for one row."""

    id: str
    time: datetime
    version: str
    score: float
    decision: bool


@dataclass(slots=True)
class Tally:
    """What the clients saw: their answers by id, labels sent, requests that failed."""

    answers: dict[str, Answered] = field(default_factory=dict)
    labels: dict[str, bool] = field(default_factory=dict)
    failed: int = 0


class _Ahead:
    """Rows of the table in the order of their second column, read a fortnight at a time."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self._path, self._columns = path, columns
        self._rows: list[tuple[Any, ...]] = []
        self._times: list[datetime] = []
        self._until: datetime | None = None

    def between(self, since: datetime, until: datetime) -> list[tuple[Any, ...]]:
        """Return the rows of [since, until); each call begins where the last one ended."""
        if self._until is None or until > self._until:
            self._until = max(until, since + AHEAD)
            self._rows = excerpts.happened(
                self._path, self._columns, self._columns[1], since, self._until
            )
            self._times = [row[1] for row in self._rows]
        first = bisect_left(self._times, naive(since))
        return self._rows[first : bisect_left(self._times, naive(until))]


class Replay:
    """One pass over the table. `speed` is simulated over real time, None for full speed."""

    def __init__(
        self,
        workspace: Workspace,
        source: Source,
        listen: str,
        speed: float | None,
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self.tally = Tally()
        self.engine = EngineLink(workspace.engine_socket, ASK_S)
        self._workspace = workspace
        self.source = source
        self._port = Port(listen)
        self._speed = speed
        self._tell = tell
        self._file_from: datetime | None = None
        self._lost = False
        self._event = 0
        self._rows = _Ahead(source.path, [source.id, source.time, *source.features])
        self._labels = _Ahead(source.path, [source.id, source.label_time, source.target])

    def run(self, start: datetime, end: datetime, stopping: Event) -> None:
        """Replay [start, end) step by step until the end or until told to stop."""
        now = self._file_from = start
        while now < end and not stopping.is_set():
            begin = time.monotonic()
            until = min(now + STEP, end)
            self._send(now, until, stopping)
            self._deliver(until)
            self._move(until)
            speed = OUTAGE_SPEED if self._lost else self._speed
            if speed is not None:
                pause = (until - now) / timedelta(seconds=1) / speed
                stopping.wait(max(0.0, pause - (time.monotonic() - begin)))
            now = until
        self._wait_for_engine(now, stopping)

    def _send(self, since: datetime, until: datetime, stopping: Event) -> None:
        """Send the step's rows and labels in the order of time."""
        rows = self._rows.between(since, until)
        labels = self._labels.between(since, until)
        at = 0
        for moment, group in _groups(rows):
            while at < len(labels) and labels[at][1] <= moment:
                at = self._send_labels(labels, at)
            self._predict(moment, group)
            if stopping.is_set():
                return
        while at < len(labels):
            at = self._send_labels(labels, at)

    def _predict(self, moment: datetime, group: list[tuple[Any, ...]]) -> None:
        ts = iso(moment.replace(tzinfo=UTC))
        names = self.source.features
        rows = [PredictRow(dict(zip(names, r[2:], strict=True)), str(r[0]), ts) for r in group]
        try:
            answer = self._port.predict(self.source.model, rows)
        except CdmlError:
            self.tally.failed += len(group)
            return
        for p in answer.predictions:
            self.tally.answers[str(p.id)] = Answered(
                str(p.id), moment, p.version, p.score or 0.0, bool(p.decision)
            )

    def _send_labels(self, labels: list[tuple[Any, ...]], at: int) -> int:
        """Send the labels of one hour, in the order they became known; return the next place."""
        hour = labels[at][1].replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        end = at
        while end < len(labels) and labels[end][1] < hour:
            end += 1
        sent = [Label(str(i), iso(t.replace(tzinfo=UTC)), v) for i, t, v in labels[at:end]]
        try:
            self._port.label(self.source.model, sent)
        except CdmlError:
            self.tally.failed += len(sent)
        else:
            self.tally.labels.update({label.id: bool(label.value) for label in sent})
        return end

    def _deliver(self, until: datetime) -> None:
        """Drop the file of the rows that are complete by now, once a day."""
        since = self._file_from
        if since is None or until - since < FILE_EVERY:
            return
        source = self.source
        folder = self._workspace.incoming(source.model)
        into = folder / f"complete-{until:%Y-%m-%dT%H}.parquet"
        if excerpts.deliver(source.path, into, source.time, source.label_time, since, until) == 0:
            into.unlink()
        self._file_from = until

    def _move(self, until: datetime) -> None:
        """Move the engine's clock; without an engine, go on at a pace and tell once."""
        try:
            self.engine.post("/api/v1/clock", {"now": iso(until)})
            self._tell_events()
        except CdmlError:  # the engine is away, or what it needs is: go on and ask again
            if not self._lost:
                self._tell({"type": "engine_lost", "time": iso(until)})
            self._lost = True
        else:
            if self._lost:
                self._tell({"type": "engine_back", "time": iso(until)})
            self._lost = False

    def _tell_events(self) -> None:
        for event in self.engine.get("/api/v1/events/recent?limit=200"):
            if event["id"] > self._event:
                self._event = event["id"]
                # Processes come and go by chance; the rest of a run is the same for a seed.
                if event["kind"] not in ("engine", "serving"):
                    self._tell({"type": "event", **{k: event[k] for k in _EVENT_FIELDS}})

    def _wait_for_engine(self, now: datetime, stopping: Event) -> None:
        while self._lost and not stopping.is_set():
            stopping.wait(0.2)
            self._move(now)


_EVENT_FIELDS = ("time", "level", "kind", "model", "text")


def _groups(rows: list[tuple[Any, ...]]) -> list[tuple[datetime, list[tuple[Any, ...]]]]:
    """Group neighbouring rows of the same moment."""
    return [(moment, list(group)) for moment, group in itertools.groupby(rows, lambda r: r[1])]
