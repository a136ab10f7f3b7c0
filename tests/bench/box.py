"""The workspace that the benches share: real flights, three versions, engine and serving up."""

import functools
import http.client
import itertools
import json
import socket
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import duckdb

from cdml_tui.client import Client
from engine.clock import SystemClock, iso
from engine.wire import Change, ChangeAnswer
from tests.bench.process import ROOT, cdml

FLIGHTS = ROOT / "data" / "flights_lga.parquet"
OUTCOMES = ("arr_delay_min", "air_time_min", "cancelled")
NO_FEATURES = (*OUTCOMES, "origin", "flight_id", "event_time", "label_time", "late")
PARTS = (
    "event_time < '2013-08-01'",
    "event_time >= '2013-08-01' and event_time < '2013-10-01'",
    "event_time >= '2013-10-01' and event_time < '2013-12-01'",
)
TRAINING_S = 180.0


class Box:
    """A running workspace with the versions v1 (champion), v2 and v3."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = folder / "box"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.client = Client(self.workspace / "run" / "engine.sock", timeout=30.0)
        self.rows = flights(200)
        self.changed_at = time.monotonic()

    def prepare(self) -> None:
        """Make the workspace, start it and train every version."""
        files = [self.folder / f"part{at}.parquet" for at in range(len(PARTS))]
        for file, when in zip(files, PARTS, strict=True):
            duckdb.execute(f"copy (from '{FLIGHTS}' where {when}) to '{file}' (format parquet)")
        leaks = [word for column in OUTCOMES for word in ("--exclude", column)]
        cdml("init", str(self.workspace), "--data", str(files[0]), "--name", "late", "--target",
             "late", "--time", "event_time", "--label-time", "label_time", "--id", "flight_id",
             *leaks, "--yes")  # fmt: skip
        config = self.workspace / "cdml.toml"
        text = config.read_text(encoding="utf-8")
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        # Who serves and what is trained is decided here alone.
        text = text.replace('mode = "automatic"', 'mode = "manual"')
        config.write_text(text.replace('on = ["new_data"]', "on = []"), encoding="utf-8")
        self.up()
        self._wait_for(1)
        for count, file in enumerate(files[1:], 2):
            cdml("ingest", "late", str(file), "-w", str(self.workspace))
            cdml("train", "late", "--wait", "-w", str(self.workspace), fine=(0, 1, 4))
            self._wait_for(count)
        self.changed_at = time.monotonic()

    def _wait_for(self, count: int) -> None:
        end = time.monotonic() + TRAINING_S
        while True:
            jobs = self.client.jobs()
            if len(self.client.versions("late")) >= count and all(j.ended_at for j in jobs):
                return
            if time.monotonic() > end or any(j.state == "failed" for j in jobs):
                sys.exit(f"there are no {count} versions: {jobs}")
            time.sleep(0.2)

    def up(self) -> None:
        """Start engine and prediction service."""
        cdml("up", "-w", str(self.workspace))

    def down(self) -> None:
        """Stop them."""
        if (self.workspace / "cdml.toml").exists():
            cdml("down", "-w", str(self.workspace), fine=(0, 3))

    def champion(self) -> str:
        """Return who serves."""
        return next(r.version for r in self.client.versions("late") if "champion" in r.roles)

    def promote(self, version: str) -> ChangeAnswer:
        """Make a version champion, whatever its gate said."""
        self.changed_at = time.monotonic()
        change = Change(uuid.uuid4().hex, to=version, override=[version], reason="bench")
        return self.client.change("promote", "late", change)

    def rollback(self, leaving: str) -> ChangeAnswer:
        """Roll back from a version."""
        self.changed_at = time.monotonic()
        return self.client.change(
            "rollback", "late", Change(uuid.uuid4().hex, leaving, reason="bench")
        )

    def body(self, count: int = 1) -> bytes:
        """Return a request of so many rows, each with an id of its own, that happened just now."""
        at, names = iso(SystemClock().now()), uuid.uuid4().hex
        chosen = itertools.islice(itertools.cycle(self.rows), count)
        rows = [{"id": f"{names}{i}", "ts": at, "features": row} for i, row in enumerate(chosen)]
        return json.dumps({"rows": rows}).encode()

    def labels(self, link: http.client.HTTPConnection, body: bytes) -> None:
        """Send the outcomes of the rows of a request, all of them punctual."""
        labels = [
            {"id": row["id"], "ts": row["ts"], "value": at % 4 == 0}
            for at, row in enumerate(json.loads(body)["rows"])
        ]
        content = json.dumps({"labels": labels})
        link.request("POST", "/v1/models/late/labels", content, {"content-type": _JSON})
        answer = link.getresponse()
        said = answer.read()
        if answer.status != 200:
            sys.exit(f"sending labels: {said.decode()}")

    def predict(self, link: http.client.HTTPConnection, body: bytes) -> str | None:
        """Ask for predictions; return the version that answered, None where none did."""
        try:
            link.request("POST", "/v1/models/late/predict", body, {"content-type": _JSON})
            answer = link.getresponse()
            content = answer.read()
            if answer.status != 200:
                return None
            version: str = json.loads(content)["predictions"][0]["version"]
        except (OSError, http.client.HTTPException):
            link.close()
            return None
        return version

    def link(self) -> http.client.HTTPConnection:
        """Return a connection to the prediction port; it opens at its first request."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=5.0)


_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered request: when it went out, when it came back, who answered."""

    sent: float
    came: float
    version: str


class Load:
    """Clients that ask for predictions at an even pace, also while an earlier answer is awaited."""

    def __init__(self, box: Box, per_second: float, clients: int = 4) -> None:
        self.answers: list[Answer] = []
        self.failed = 0
        self._box = box
        self._over = threading.Event()
        self._every = clients / per_second
        begin = time.monotonic() + 0.05
        self._threads = [
            threading.Thread(target=self._ask, args=(begin + at / per_second,), daemon=True)
            for at in range(clients)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, due: float) -> None:
        link, body = self._box.link(), self._box.body()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            sent = time.monotonic()
            version = self._box.predict(link, body)
            if version is None:
                self.failed += 1
            else:
                self.answers.append(Answer(sent, time.monotonic(), version))
            due += self._every
        link.close()

    def first_by(self, version: str, since: float) -> float:
        """Wait for the first answer by a version after a moment; return when it came."""
        while time.monotonic() < since + 10:
            found = [a.came for a in self.answers[-50:] if a.came > since and a.version == version]
            if found:
                return min(found)
            time.sleep(0.001)
        sys.exit(f"no answer by {version} within 10 s; {self.failed} requests failed")


def flights(count: int) -> list[dict[str, object]]:
    """Return the features of real departures."""
    leave = ", ".join(NO_FEATURES)
    asked = duckdb.execute(f"select * exclude ({leave}) from '{FLIGHTS}' limit {count}")
    names = [column[0] for column in asked.description or ()]
    return [dict(zip(names, row, strict=True)) for row in asked.fetchall()]


@functools.cache
def _made() -> tuple[tempfile.TemporaryDirectory[str], Box]:
    folder = tempfile.TemporaryDirectory(prefix="cdml-bench-")
    box = Box(Path(folder.name))
    try:
        sys.stderr.write("training three versions\n")
        box.prepare()
    except BaseException:
        box.down()
        folder.cleanup()
        raise
    return folder, box


def shared() -> Box:
    """Return the workspace, made at the first call."""
    return _made()[1]


def put_away() -> None:
    """Stop and remove the workspace if it was made."""
    if _made.cache_info().currsize:
        folder, box = _made()
        box.down()
        folder.cleanup()
