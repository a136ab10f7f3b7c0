"""Sixty days of the headless demo, and which of its processes the time went to."""

import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figure import Figure
from tests.bench.process import CDML, cpu_s, environment, memory_mib

DAYS = 60
LOOK_S = 0.05


@dataclass(slots=True)
class Seen:
    """One process of the demo, as last looked at."""

    verb: str
    first: float
    last: float
    cpu_s: float
    peak_mib: float


class Watch(threading.Thread):
    """Looks at the processes of one workspace until told to stop."""

    def __init__(self, workspace: Path) -> None:
        super().__init__(daemon=True)
        self.seen: dict[int, Seen] = {}
        self._workspace = str(workspace)
        self._others: set[int] = set()
        self._over = threading.Event()

    def run(self) -> None:
        """Look, and look again."""
        while not self._over.wait(LOOK_S):
            now = time.monotonic()
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit() and int(entry.name) not in self._others:
                    self._look(entry, now)

    def _look(self, entry: Path, now: float) -> None:
        pid = int(entry.name)
        if pid not in self.seen:
            verb = self._verb(entry)
            if verb is None:
                return
            self.seen[pid] = Seen(verb, now, now, 0.0, 0.0)
        used = cpu_s(pid)
        # One that has ended and was not waited for yet has no memory any more.
        if used and (peak := memory_mib(pid, "VmHWM")):
            seen = self.seen[pid]
            seen.last, seen.cpu_s, seen.peak_mib = now, used, peak

    def _verb(self, entry: Path) -> str | None:
        """Return which of our processes this is; None where it is none, or none yet."""
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            return None
        if not any(word.startswith(self._workspace) for word in words):
            # One that was forked a moment ago still has its parent's words.
            if "engine" not in words and "cdml" not in " ".join(words):
                self._others.add(int(entry.name))
            return None
        return words[words.index("engine") + 1] if "engine" in words else None

    def stop(self) -> None:
        """End."""
        self._over.set()
        self.join()


def measure() -> list[Figure]:
    """Run the demo once and say where its time went."""
    with tempfile.TemporaryDirectory(prefix="cdml-bench-demo-") as folder:
        workspace = Path(folder) / "demo"
        watch = Watch(workspace)
        watch.start()
        days, seed = str(DAYS), "1"
        command = [*CDML, "demo", "--headless", "--days", days, "--seed", seed, "--json",
                   "-w", str(workspace)]  # fmt: skip
        began = time.monotonic()
        run = subprocess.run(
            command, env=environment(), capture_output=True, text=True, check=False
        )
        wall = time.monotonic() - began
        watch.stop()
    if run.returncode != 0:
        sys.exit(f"the demo ended with {run.returncode}: {run.stderr[-2000:]}")
    summary = json.loads(run.stdout.splitlines()[-1])
    return [Figure(f"{DAYS}-day headless demo, wall", wall, "s", 1, 180), *_parts(watch, summary)]


def _parts(watch: Watch, summary: dict[str, object]) -> list[Figure]:
    versions = summary["versions"]
    assert isinstance(versions, list)

    def of(verb: str) -> list[Seen]:
        return [p for p in watch.seen.values() if p.verb == verb]

    def cpu(name: str, verb: str) -> Figure:
        return Figure(f"CPU of {name}", sum(p.cpu_s for p in of(verb)), "s", len(of(verb)))

    def peak(name: str, verb: str, target: float | None = None) -> Figure:
        most = max((p.peak_mib for p in of(verb)), default=0.0)
        return Figure(f"{name} resident at its peak", most, "MiB", len(of(verb)), target)

    jobs = of("job")
    return [
        Figure("trained versions", len(versions), "versions", 1),
        Figure("wall inside jobs", sum(p.last - p.first for p in jobs), "s", len(jobs)),
        cpu("the jobs", "job"),
        cpu("the engine", "run"),
        cpu("serving", "serve"),
        cpu("the replay", "demo"),
        peak("engine", "run", 300),
        peak("serving", "serve", 200),
        peak("a job", "job"),
    ]
