"""Client programs for the tests: they predict and label at an even pace and remember it all."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.box import Box, row

ROWS = 3


def outcome(name: str) -> dict[str, Any]:
    """Return the label of a row: its value hangs on nothing but its name."""
    return {"id": name, "ts": "2024-02-01T09:00:00Z", "value": len(name) % 2 == 0}


@dataclass(frozen=True, slots=True)
class World:
    """What clients ask by the name of a row, and what is told of it later."""

    row: Callable[[str], dict[str, Any]] = row
    outcome: Callable[[str], dict[str, Any]] = outcome


STILL = World()


@dataclass(frozen=True, slots=True)
class Answered:
    """One prediction request that was answered with 200."""

    began: float
    ended: float
    versions: tuple[str, ...]
    logged: bool
    ids: tuple[str, ...]
    prediction_ids: tuple[str, ...]

    @property
    def version(self) -> str:
        """Return who answered its first row."""
        return self.versions[0]


class Predictor(threading.Thread):
    """Asks for predictions over one connection; a lost connection counts as one failure."""

    def __init__(self, box: Box, name: str, per_second: float, world: World = STILL) -> None:
        super().__init__(daemon=True)
        self._box = box
        self._world = world
        self.client = name
        self._pause = 1 / per_second
        self.over = threading.Event()
        self.asked: list[tuple[str, ...]] = []
        self.answered: list[Answered] = []
        self.failed: list[str] = []

    def run(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._box.port, timeout=30)
        due, number = time.monotonic(), 0
        while not self.over.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._pause, time.monotonic() - 1.0)
            number += 1
            names = tuple(f"{self.client}-{number}-{k}" for k in range(ROWS))
            self.asked.append(names)
            try:
                self.answered.append(self._ask(link, names))
            except (OSError, http.client.HTTPException, ValueError, KeyError) as fault:
                self.failed.append(repr(fault))
                link.close()
        link.close()

    def _ask(self, link: http.client.HTTPConnection, names: tuple[str, ...]) -> Answered:
        body = json.dumps({"rows": [self._world.row(name) for name in names]})
        began = time.monotonic()
        link.request("POST", "/v1/models/late/predict", body, {"x-client-id": self.client})
        reply = link.getresponse()
        content = reply.read()
        ended = time.monotonic()
        if reply.status != 200:
            raise ValueError(f"{reply.status} {content[:200]!r}")
        answer = json.loads(content)
        found = answer["predictions"]
        return Answered(
            began, ended, tuple(p["version"] for p in found), answer["logged"], names,
            tuple(p["prediction_id"] for p in found),
        )  # fmt: skip


class Labeller(threading.Thread):
    """Labels rows of predictors some moments after; remembers what was acknowledged."""

    def __init__(self, box: Box, predictors: list[Predictor], world: World = STILL) -> None:
        super().__init__(daemon=True)
        self._box = box
        self._world = world
        self._predictors = predictors
        self.over = threading.Event()
        self.sent: dict[str, bool] = {}
        self.acknowledged: dict[str, bool] = {}
        self.failed: list[str] = []

    def run(self) -> None:
        seen = [0] * len(self._predictors)
        while not self.over.wait(0.05):
            for at, predictor in enumerate(self._predictors):
                names = [n for a in predictor.answered[seen[at] :] for n in a.ids[:1]]
                seen[at] += len(names)
                if names:
                    self._send([self._world.outcome(name) for name in names])

    def _send(self, labels: list[dict[str, Any]]) -> None:
        values = {label["id"]: label["value"] for label in labels}
        self.sent |= values
        try:
            status, answer = self._box.post("labels", json.dumps({"labels": labels}).encode())
        except (OSError, http.client.HTTPException, ValueError) as fault:
            self.failed.append(repr(fault))
            return
        if status == 200:
            self.acknowledged |= values
        else:
            self.failed.append(f"{status} {answer}")


@dataclass(frozen=True, slots=True)
class Traffic:
    """All clients of one test."""

    predictors: list[Predictor]
    labeller: Labeller

    @property
    def answered(self) -> list[Answered]:
        """Return every answer, in the order in which the requests began."""
        return sorted((a for p in self.predictors for a in p.answered), key=lambda a: a.began)

    @property
    def failed(self) -> list[str]:
        """Return what went wrong with predictions."""
        return [fault for p in self.predictors for fault in p.failed]

    def stop(self) -> None:
        """Let every client finish what it has begun."""
        clients: list[Predictor | Labeller] = [*self.predictors, self.labeller]
        for client in clients:
            client.over.set()
        for client in clients:
            client.join(60.0)


@contextmanager
def traffic(box: Box, per_second: float = 100.0, world: World = STILL) -> Iterator[Traffic]:
    """Send predictions from two clients and their labels while the block runs."""
    predictors = [Predictor(box, name, per_second / 2, world) for name in ("left", "right")]
    clients = Traffic(predictors, Labeller(box, predictors, world))
    for client in (*predictors, clients.labeller):
        client.start()
    try:
        yield clients
    finally:
        clients.stop()


def missing(box: Box, clients: Traffic) -> dict[str, list[str]]:
    """Return what was promised and is not in the store exactly once; ask after `cdml down`."""
    stored = dict(box.query("select prediction_id, count(*) from predictions group by all"))
    sent = {name for a in clients.answered for name in a.ids}
    owed = [p for a in clients.answered if a.logged for p in a.prediction_ids]
    labels = dict(
        box.query("select id, any_value(value) from labels group by id having count(*) = 1")
    )
    torn = box.query(
        "select regexp_replace(id, '-\\d+$', '') as request from predictions "
        f"where client in ('left', 'right') group by all having count(*) <> {ROWS}"
    )
    return {
        "lost predictions": [p for p in owed if p not in stored],
        "doubled predictions": [p for p, n in stored.items() if n != 1],
        "half requests": [request for (request,) in torn],
        "lost labels": [
            n for n, value in clients.labeller.acknowledged.items()
            if labels.get(n) != str(value).lower()
        ],
        "sent": [] if sent else ["nothing was sent"],
    }  # fmt: skip
