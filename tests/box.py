"""A workspace with real processes for the tests of flows and faults, and a stock one to copy."""

import contextlib
import csv
import http.client
import json
import os
import random
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from cdml_tui.client import Client, ConsoleError

ROOT = Path(__file__).parent.parent
CDML = [sys.executable, "-P", "-m", "cdml_tui.cli"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests' / 'fence'}:{ROOT}"}
COLUMNS = ["id", "time", "known", "wind", "kind", "hour", "late"]
FIRST, SECOND = datetime(2024, 1, 1), datetime(2024, 1, 9, 8)  # noqa: DTZ001 - as in a file
PATIENCE_S = 120.0
# Below those that the kernel gives to whoever connects, and may give before a test listens.
PORTS = range(10_000, 32_768)
# What init writes, with the least training that is one, and nothing that happens by itself.
QUIET = {
    "seeds = 3": "seeds = 1",
    '"hist_gradient_boosting"': '"linear"',
    'on = ["new_data"]': "on = []",
    'mode = "automatic"': 'mode = "manual"',
    'every = "1d"': 'every = "3650d"',
    'holdout = "1d"': 'holdout = "3d"',
    "renewal = true": "renewal = false",
    "refit = true": "refit = false",
}


def free_port() -> int:
    """Return a port that nothing listens on; two test processes of one run never get the same."""
    at = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ours = PORTS[at :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    while True:
        port = secrets.choice(ours)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def eventually(what: str, look: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Return what `look` finds once it is true; fail with `what` when the patience ends."""
    began = time.monotonic()
    while not (found := look()):
        waited = time.monotonic() - began
        assert waited < patience_s, f"not within {patience_s:g} s: {what}"
        # A look takes time from what is waited for: the longer it takes, the fewer looks.
        time.sleep(min(max(0.01, waited / 20), 0.1))
    return found


def deliver(path: Path, seed: int, start: datetime, columns: list[str] = COLUMNS) -> Path:
    """Write 600 rows; from January 9th on one sees far better who will be late."""
    draw, at = random.Random(seed), start
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        for number in range(600):
            at += timedelta(minutes=20)
            wind, kind = round(draw.gauss(10, 4), 3), draw.choice("abc")
            often, seldom = (0.6, 0.4) if start < SECOND else (0.97, 0.03)
            late = draw.random() < (often if wind > 12 or kind == "c" else seldom)
            known = (at + timedelta(hours=2)).isoformat()
            table.writerow([f"{seed}-{number}", at.isoformat(), known, wind, kind, at.hour, late])
    return path


class Box:
    """A workspace and everything that runs for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port = free_port()
        self.supervisor = 0
        self.environment = ENVIRONMENT
        self.control = Client(path / "run" / "engine.sock", timeout=30.0)

    # -- commands

    def run(self, *words: str, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
        """Run `cdml` on this workspace as an operator would, and look at its exit code."""
        run = subprocess.run(
            [*CDML, *words, "-w", str(self.path)],
            env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if code is not None:
            assert run.returncode == code, f"{words}: {run.returncode}\n{run.stdout}{run.stderr}"
        return run

    def ask(self, *words: str, code: int = 0) -> Any:
        """Run a verb with --json; stdout must be one JSON value and nothing else."""
        return json.loads(self.run(*words, "--json", code=code).stdout)

    def refused(self, *words: str, code: int) -> dict[str, str]:
        """Run a verb that fails; stdout must be empty, stderr end with the one JSON error."""
        run = self.run(*words, "--json", code=code)
        assert run.stdout == ""
        error: dict[str, str] = json.loads(run.stderr.splitlines()[-1])["error"]
        return error

    def up(self) -> None:
        """Start the engine and the prediction service."""
        self.supervisor = self.ask("up")["supervisor"]

    def down(self) -> None:
        """Stop them, and see that nothing of them is left."""
        self.run("down")
        eventually("every process has ended", lambda: not self.processes())

    # -- settings

    def write(self, changes: dict[str, str]) -> None:
        """Replace text in cdml.toml."""
        config = self.path / "cdml.toml"
        text = config.read_text(encoding="utf-8")
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        config.write_text(text, encoding="utf-8")

    def on_own_port(self) -> None:
        """Listen where nobody else does."""
        config = self.path / "cdml.toml"
        lines = config.read_text(encoding="utf-8").splitlines()
        own = f'listen = "127.0.0.1:{self.port}"'
        text = "\n".join(own if line.startswith("listen = ") else line for line in lines)
        config.write_text(text + "\n", encoding="utf-8")

    # -- processes

    def processes(self) -> dict[int, str]:
        """Return pid -> verb of every process of this workspace."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode().split("\0")
                alive = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
                ours = any(word.startswith(str(self.path)) for word in words)
                if alive and ours and "engine" in words:
                    found[int(entry.name)] = words[words.index("engine") + 1]
        return found

    def pid(self, verb: str) -> int:
        """Return the one process of a verb: run, serve, supervise, job; 0 where there is none."""
        return next((pid for pid, found in self.processes().items() if found == verb), 0)

    def hang_up(self) -> None:
        """Close what connects us with the engine; the next question connects anew."""
        self.control.close()
        self.control = Client(self.control.socket, timeout=30.0)

    def kill(self, verb: str) -> int:
        """Kill -9 the process of a verb, wait until it is gone, and return its pid."""
        self.hang_up()
        pid = eventually(f"a process {verb} to kill", lambda: self.pid(verb))
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        # Readable once its last thread has ended, and with it every socket it held.
        gone, _, _ = select.select([handle], [], [], 10.0)
        os.close(handle)
        assert gone, f"{verb} did not die"
        return int(pid)

    def answers(self) -> bool:
        """Say whether the engine answers; a new one is a new connection."""
        with contextlib.closing(Client(self.control.socket)) as client:
            try:
                return client.status().engine == "ready"
            except ConsoleError:
                return False

    def end(self) -> None:
        """Kill whatever is left, the supervisor first so that nothing is started again."""
        self.hang_up()
        for _ in range(3):
            order = sorted(self.processes().items(), key=lambda item: item[1] != "supervise")
            for pid, _verb in order:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(AssertionError):
                eventually("all are gone", lambda: not self.processes(), 2.0)
                return

    # -- looking

    def champion(self) -> str | None:
        """Return who answers by default."""
        return self.control.status().models[0].champion

    def events(self) -> list[str]:
        """Return the texts of the newest events."""
        return [event.text for event in self.control.recent_events(1000)]

    def predict(self, *rows: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Send one predict request over a fresh connection."""
        return self.post("predict", json.dumps({"rows": rows or [row("f-1")]}).encode())

    def post(self, what: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Send any bytes to predict or labels and return status and body."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(link):
            link.request("POST", f"/v1/models/late/{what}", body, {"x-client-id": "test"})
            answer = link.getresponse()
            return answer.status, json.loads(answer.read())

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the metric store, without any of our code, while no engine runs."""
        with duckdb.connect(str(self.path / "metrics.duckdb"), read_only=True) as db:
            return db.execute(sql).fetchall()


def row(name: str, ts: str = "2024-02-01T07:00:00Z") -> dict[str, Any]:
    """Return a row to predict."""
    return {"id": name, "ts": ts, "features": {"wind": 9.5, "kind": "b", "hour": 7}}


def initialised(folder: Path, first: Path | None = None) -> Box:
    """Return a workspace made by `cdml init` from a first file, not started."""
    box = Box(folder / "box")
    first = first or deliver(folder / "first.csv", 1, FIRST)
    words = ["init", str(box.path), "--data", str(first), "--target", "late", "--time", "time"]
    words += ["--label-time", "known", "--id", "id", "--name", "late", "--yes", "--json"]
    run = subprocess.run(
        [*CDML, *words], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["rows"] == 600
    box.write(QUIET)
    box.on_own_port()
    return box


def stocked(folder: Path) -> Path:
    """Return a stopped workspace with champion v1 and v2 that passed its gate."""
    box = initialised(folder)
    try:
        box.up()
        eventually("v1 is champion", box.champion)
        box.ask("ingest", "late", str(deliver(folder / "second.csv", 2, SECOND)))
        box.ask("train", "late", "--wait")
        box.down()
    finally:
        box.end()
    return box.path


@contextlib.contextmanager
def copied(source: Path, path: Path) -> Iterator[Box]:
    """Give a copy of a stopped workspace on a port of its own; end all that ran for it."""
    shutil.copytree(source, path)
    box = Box(path)
    box.on_own_port()
    try:
        yield box
    finally:
        box.end()


def flipped(path: Path) -> None:
    """Turn one bit around; size and times stay."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o640)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
