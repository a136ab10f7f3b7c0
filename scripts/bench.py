"""Measures the figures of the README on this machine: python -m scripts.bench [NAME...] [--json].

Everything is real: a workspace of real flights, the engine, the prediction service, the command
line, the console in a pseudo-terminal. Prints a table, or one JSON object.
"""

import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import httpx

from cdml_tui.client import Client
from engine.wire import Change
from scripts.pseudo_terminal import PseudoTerminal

ROOT = Path(__file__).parent.parent
FLIGHTS = ROOT / "data" / "flights_lga.parquet"
CDML = [sys.executable, "-m", "cdml_tui.cli"]
OUTCOMES = ("arr_delay_min", "air_time_min", "cancelled")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number beside what it should be."""

    what: str
    goal: str
    measured: str
    n: int


def cdml(*args: str, fine: tuple[int, ...] = (0,)) -> str:
    """Run a command to its end and return what it answered."""
    run = subprocess.run([*CDML, *args], cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode not in fine:
        sys.exit(f"cdml {' '.join(args)} ended with {run.returncode}: {run.stderr}")
    return run.stdout


class Bench:
    """A workspace with an old and a new version, and the prediction service answering."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "box"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1/models/late/predict"
        self.body = {"rows": [{"id": "bench", "ts": "2013-05-01T12:00:00Z", "features": _row()}]}
        self.client = Client(self.workspace / "run" / "engine.sock")
        self.old = self.new = ""

    def prepare(self, folder: Path) -> None:
        """Make the workspace and train both versions."""
        first, second = folder / "first.parquet", folder / "second.parquet"
        self._flights(first, "event_time < '2013-08-01'")
        self._flights(second, "event_time >= '2013-08-01' and event_time < '2013-10-01'")
        leaks = [word for column in OUTCOMES for word in ("--exclude", column)]
        cdml("init", str(self.workspace), "--data", str(first), "--name", "late", "--target",
             "late", "--time", "event_time", "--label-time", "label_time", "--id", "flight_id",
             *leaks, "--yes")  # fmt: skip
        config = self.workspace / "cdml.toml"
        config.write_text(config.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{self.port}"))
        self.up()
        self._wait_for_the_first()
        cdml("ingest", "late", str(second), "-w", str(self.workspace))
        cdml("train", "late", "--wait", "-w", str(self.workspace), fine=(0, 4))
        rows = self.client.versions("late")
        self.old = next(row.version for row in rows if "champion" in row.roles)
        self.new = next(row.version for row in rows if row.version != self.old)

    @staticmethod
    def _flights(path: Path, when: str) -> None:
        duckdb.execute(f"copy (from '{FLIGHTS}' where {when}) to '{path}' (format parquet)")

    def _wait_for_the_first(self) -> None:
        end = time.monotonic() + 120
        while not any("champion" in row.roles for row in self.client.versions("late")):
            if time.monotonic() > end or any(r.state == "failed" for r in self.client.jobs()):
                sys.exit(f"no first version: {self.client.jobs()}")
            time.sleep(0.2)

    def up(self) -> None:
        """Start engine and prediction service."""
        cdml("up", "-w", str(self.workspace))

    def down(self) -> None:
        """Stop them."""
        cdml("down", "-w", str(self.workspace))

    def promote(self) -> None:
        """Make the new version champion, whatever its gate said."""
        change = Change(uuid.uuid4().hex, to=self.new, override=[self.new], reason="bench")
        self.client.promote("late", change)

    def rollback(self) -> None:
        """Roll back from the new version to the old one."""
        self.client.rollback("late", Change(uuid.uuid4().hex, expect=self.new, reason="bench"))


class Load(threading.Thread):
    """A client that asks for predictions at an even pace and remembers every answer."""

    def __init__(self, bench: Bench, per_second: float) -> None:
        super().__init__(daemon=True)
        self._bench = bench
        self._pause = 1 / per_second
        self._over = threading.Event()
        self.answers: list[tuple[float, str]] = []
        self.failed = 0

    def run(self) -> None:
        """Ask until stopped."""
        due = time.monotonic()
        with httpx.Client(timeout=5) as http:
            while not self._over.is_set():
                try:
                    answer = http.post(self._bench.url, json=self._bench.body)
                    version = answer.raise_for_status().json()["predictions"][0]["version"]
                    self.answers.append((time.monotonic(), version))
                except (httpx.HTTPError, KeyError, IndexError):
                    self.failed += 1
                due += self._pause
                time.sleep(max(0, due - time.monotonic()))

    def first_by(self, version: str, since: float) -> float:
        """Wait for the first answer by a version after a moment; return the seconds it took."""
        while time.monotonic() < since + 10:
            for at, by in self.answers[-50:]:
                if at > since and by == version:
                    return at - since
            time.sleep(0.001)
        sys.exit(f"no answer by {version} within 10 s; {self.failed} requests failed")

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
        self.join()


def swaps(bench: Bench) -> list[Figure]:
    """Measure what clients see of 25 promotions and 25 rollbacks."""
    load = Load(bench, 100)
    load.start()
    took = []
    for _ in range(25):
        bench.promote()
        load.first_by(bench.new, time.monotonic())
        began = time.monotonic()
        threading.Thread(target=bench.rollback).start()
        took.append(load.first_by(bench.old, began))
        time.sleep(0.1)
    load.stop()
    return [
        Figure("request for a rollback to the first answer by the old version, p50 / max",
               "< 0.3 s", f"{statistics.median(took):.3f} / {max(took):.3f} s", len(took)),
        Figure("failed predictions during 50 promotes and rollbacks at 100 requests/s",
               "0", str(load.failed), len(load.answers) + load.failed),
    ]  # fmt: skip


def command(bench: Bench) -> list[Figure]:
    """Measure the rollback command from the shell's side."""
    took = []
    for _ in range(10):
        bench.promote()
        began = time.monotonic()
        cdml("rollback", "late", "--expect", bench.new, "-w", str(bench.workspace))
        took.append(time.monotonic() - began)
    shown = f"{statistics.median(took):.2f} s"
    return [Figure("`cdml rollback`, wall time, p50", "0.3 s", shown, len(took))]


def console(bench: Bench) -> list[Figure]:
    """Measure the console's start and what it writes."""
    ready, first, rate = [], [], []
    for _ in range(5):
        with PseudoTerminal([*CDML, "-w", str(bench.workspace)]) as terminal:
            ready.append(terminal.read_for(10, until=b"champion"))
            terminal.read_for(5, quiet_s=0.3)
            first.append(len(terminal.seen))
    load = Load(bench, 20)
    load.start()
    with PseudoTerminal([*CDML, "-w", str(bench.workspace)]) as terminal:
        terminal.read_for(3)
        before = len(terminal.seen)
        terminal.read_for(20)
        rate.append((len(terminal.seen) - before) / 20)
    load.stop()
    return [
        Figure("console ready, p50", "0.8 s", f"{statistics.median(ready):.2f} s", len(ready)),
        Figure("first 80x24 screen", "<= 12 KB", f"{max(first) / 1000:.1f} KB", len(first)),
        Figure("console with traffic", "<= 2 KB/s", f"{rate[0] / 1000:.2f} KB/s", 20),
    ]


def start(bench: Bench) -> list[Figure]:
    """Measure from `cdml up` to the first right answer, and the memory of both processes."""
    took = []
    for _ in range(3):
        bench.down()
        began = time.monotonic()
        starting = threading.Thread(target=bench.up)
        starting.start()
        while not _answers(bench):
            time.sleep(0.01)
        took.append(time.monotonic() - began)
        starting.join()
    state = bench.client.state()
    memory = [_resident_mib(pid) for pid in (state.serving.pid, state.engine.pid)]
    return [
        Figure("`cdml up` to the first right answer, p50", "< 3 s",
               f"{statistics.median(took):.2f} s", len(took)),
        Figure("memory of serving / engine", "<= 200 / 300 MiB",
               " / ".join(f"{m:.0f}" for m in memory) + " MiB", 1),
    ]  # fmt: skip


def demo(_: Bench) -> list[Figure]:
    """Measure sixty days of the headless demo."""
    began = time.monotonic()
    cdml("demo", "--headless", "--days", "60", "--seed", "1", "--json")
    took = time.monotonic() - began
    return [Figure("60-day headless demo", "< 180 s on 2 cores", f"{took:.0f} s", 1)]


def _row() -> dict[str, object]:
    leave = (*OUTCOMES, "flight_id", "event_time", "label_time", "late", "origin")
    asked = duckdb.execute(f"select * exclude ({', '.join(leave)}) from '{FLIGHTS}' limit 1")
    names = [column[0] for column in asked.description or ()]
    return dict(zip(names, asked.fetchone() or (), strict=True))


def _answers(bench: Bench) -> bool:
    try:
        return httpx.post(bench.url, json=bench.body, timeout=5).is_success
    except httpx.HTTPError:
        return False


def _resident_mib(pid: int | None) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


PARTS: dict[str, Callable[[Bench], list[Figure]]] = {
    "swaps": swaps,
    "command": command,
    "start": start,
    "console": console,
    "demo": demo,
}


def main(named: list[str], *, as_json: bool) -> None:
    """Measure the parts that were named, or all."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="cdml-bench-") as folder:
        bench = Bench(Path(folder))
        try:
            bench.prepare(Path(folder))
            for name in named or PARTS:
                sys.stderr.write(f"measuring {name}\n")
                figures += PARTS[name](bench)
        finally:
            bench.down()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    if as_json:
        rows = [{"what": f.what, "goal": f.goal, "measured": f.measured, "n": f.n} for f in figures]
        sys.stdout.write(json.dumps({"machine": machine, "figures": rows}) + "\n")
        return
    sys.stdout.write(f"Machine: {machine}\n\n| | Goal | Measured | n |\n|---|---|---|---|\n")
    for f in figures:
        sys.stdout.write(f"| {f.what} | {f.goal} | {f.measured} | {f.n} |\n")


if __name__ == "__main__":
    main([a for a in sys.argv[1:] if not a.startswith("-")], as_json="--json" in sys.argv)
