"""A workspace of a gigabyte under load: copied, brought back, looked at by the doctor."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from engine.clock import SystemClock
from engine.doctor import verb
from engine.doctor.finding import Patient
from engine.engine_link import EngineLink
from engine.ledger.ledger import Ledger
from engine.settings import load
from engine.workspace import Workspace
from tests.bench.box import Box, Load, shared
from tests.bench.figure import Figure, median, quantile
from tests.bench.gigabyte import filled
from tests.bench.ports import free_port
from tests.bench.process import CDML, cdml, metered

PER_SECOND = 200.0
CALM_S = 6.0
COPIES = 3
ASKED = 5


def measure() -> list[Figure]:
    """Look at the usual workspace first, then fill it."""
    box = shared()
    usual = _doctor(box, "a usual workspace")
    box.down()
    filled(Workspace(box.workspace), "late", _champion(box), box.rows)
    box.up()
    return [*usual, *_backed_up(box), *_doctor(box, "1 GB"), *_checks(box)]


def _backed_up(box: Box) -> Iterator[Figure]:
    calm: list[float] = []
    moved: list[float] = []
    took: list[float] = []
    size, failed, folder = 0, 0, ""
    with Load(box, PER_SECOND) as clients:
        time.sleep(2.0)
        for _ in range(COPIES):
            since = time.monotonic()
            time.sleep(CALM_S)
            began = time.monotonic()
            made = json.loads(cdml("backup", "-w", str(box.workspace), "--json"))
            took.append(time.monotonic() - began)
            calm += [a.came - a.sent for a in clients.answers if since <= a.sent < began]
            moved += [a.came - a.sent for a in clients.answers if a.sent >= began]
            size, former, folder = made["bytes"], folder, made["folder"]
            if former:
                shutil.rmtree(former)
        failed = clients.failed
    yield Figure("a workspace to copy", size / 2**20, "MiB", 1, 1000, at_least=True)
    yield quantile("`cdml backup` of it, hot, verified", took, 100, "s", 30)
    before = quantile("an answer before, 200/s", [1000 * s for s in calm], 99, "ms")
    during = quantile("an answer while it is copied", [1000 * s for s in moved], 99, "ms")
    yield from (before, during)
    yield Figure("p99 while it is copied over before", during.value / before.value, "times",
                 len(moved), 1.5)  # fmt: skip
    yield Figure("requests that failed meanwhile", failed, "requests", len(calm) + len(moved), 0)
    yield from _restored(box, Path(folder))


def _restored(box: Box, backup: Path) -> Iterator[Figure]:
    """Bring a backup back, start it, and have it answer as the original does."""
    with tempfile.TemporaryDirectory(prefix="cdml-restored-", dir=box.folder) as home:
        to = Path(home) / "w"
        began = time.monotonic()
        cdml("restore", str(backup), str(to))
        yield Figure("`cdml restore` of it, every byte and signature verified",
                     time.monotonic() - began, "s", 1)  # fmt: skip
        port = free_port()
        config = to / "cdml.toml"
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace(f":{box.port}", f":{port}"), encoding="utf-8")
        other = Box(Path(home))
        other.workspace, other.port = to, port
        try:
            other.up()
            link, body = other.link(), box.body()
            while other.predict(link, body) != box.champion():
                time.sleep(0.01)
            yield Figure("restore to the first right answer", time.monotonic() - began, "s", 1)
            cdml("audit", "--verify", "-w", str(to))
        finally:
            other.down()


def _doctor(box: Box, of: str) -> list[Figure]:
    asked = [*CDML, "doctor", "-w", str(box.workspace)]
    took = [metered(asked, may_fail=True).wall_s for _ in range(ASKED)]
    return [median(f"`cdml doctor`, {of}", took, "s", 5)]


def _checks(box: Box) -> Iterator[Figure]:
    """Say which checks the time goes to, each alone."""
    workspace = Workspace(box.workspace)
    engine = EngineLink(workspace.engine_socket, 5.0).get("/api/v1/state")
    patient = Patient(workspace, load(workspace.config), engine)
    took = {}
    for check in verb.CHECKS:
        began = SystemClock().monotonic()
        list(check(patient))
        took[check.__name__] = SystemClock().monotonic() - began
    for name in sorted(took, key=lambda n: -took[n])[:3]:
        yield Figure(f"its check of {name.replace('_', ' ')}, alone", took[name], "s", 1)


def _champion(box: Box) -> str:
    """Return who serves, from the ledger: the engine is down."""
    ledger = Ledger(Workspace(box.workspace).ledger, readonly=True)
    try:
        return ledger.roles("late").champion or ""
    finally:
        ledger.close()
