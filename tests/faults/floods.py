"""Cases 30 to 32: clients that are slow, far too many requests, readers who do not read."""

import json
import re
import socket
import threading
import time
import uuid
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from cdml_tui.client import Client, ConsoleError
from engine.wire import LockRequest
from tests.bench.clients import busy
from tests.box import Box, copied, eventually, row
from tests.faults.dripping import Dripping, dripping
from tests.faults.flooding import flooding
from tests.faults.outcome import Case, Outcome
from tests.malformed import PREDICT, request
from tests.traffic import Predictor

BODY = json.dumps({"rows": [row("f")]}).encode()
SLOW = 200
OTHERS = 4
DEADLINE_S = 10.0
FLOODERS = 50
SLEEPERS = 20
PER_SECOND = 5_000
FLOODS = ((PER_SECOND, 20.0), (3 * PER_SECOND, 5.0))
PROBES_PER_S = 100
# Below this a pause of the machine is seen, and not the flood.
FLOOR_MS = 5.0


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def p99(values: list[float]) -> float:
    """Return the 99th percentile by the nearest rank; infinite where there is nothing."""
    return sorted(values)[max(0, -(-len(values) * 99 // 100) - 1)] if values else float("inf")


# ------------------------------------------------------------------------------- slow clients


def slow_clients(stock: Path, folder: Path) -> Outcome:
    """Hang two hundred slow clients, beginning anew when cut off, beside four that are not."""
    outcome = Outcome("30", f"{SLOW} clients of a byte a second")
    with copied(stock, folder / "box") as box:
        box.up()
        serving = box.pid("serve")
        with busy(box.port, PREDICT, OTHERS, BODY) as others:
            time.sleep(1.0)
            before = _open_files(serving)
            first, _ = _watched(serving, 3.0)
            with dripping(box.port, SLOW, request("POST", PREDICT, BODY)) as slow:
                beside, most = _watched(serving, DEADLINE_S + 3.0)
            eventually("their files are closed", lambda: _open_files(serving) <= before, 5.0)
            last, _ = _watched(serving, 3.0)
        seen = others.answers
        alone = [*seen.took_ms(*first), *seen.took_ms(*last)]
    _judge_slow(outcome, slow, alone, seen.took_ms(*beside))
    outcome.goal("others failed", seen.failed, at_most=0)
    outcome.goal("files while they hang", most - before, at_most=SLOW + 16)
    outcome.failed = outcome.injected if outcome.wrong else 0
    return outcome


def _judge_slow(outcome: Outcome, slow: Dripping, alone: list[float], beside: list[float]) -> None:
    """Note how long the slow ones lived, and what that was to the others."""
    outcome.injected = SLOW + len(slow.lives)
    outcome.goal("others' p99 beside over without", p99(beside) / p99(alone), at_most=1.5)
    outcome.goal("lived s, longest", max(slow.lives, default=1e9), at_most=DEADLINE_S + 1.5)
    outcome.goal("cut off", len(slow.lives), at_least=SLOW)
    outcome.figures |= {"p99 ms": p99(beside), "n": len(beside), "without": len(alone)}


def _open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _watched(pid: int, seconds: float) -> tuple[tuple[float, float], int]:
    """Let some time pass; return when that was and how many files a process had open at most."""
    began, most = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        most = max(most, _open_files(pid))
        time.sleep(0.1)
    return (began, time.monotonic()), most


# ------------------------------------------------------------------------------------- a flood


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What the control socket did during a flood, and how far memory grew at its most."""

    waits_ms: list[float]
    grown_mb: dict[str, float]


def floods(stock: Path, folder: Path) -> Outcome:
    """Flood as the plan has it, and once more than can be answered; soon all is as it was."""
    outcome = Outcome("31", f"floods from {FLOODERS} connections")
    with copied(stock, folder / "box") as box:
        box.up()
        for per_second, seconds in FLOODS:
            _flood(outcome, box, per_second, seconds)
    return outcome


def _flood(outcome: Outcome, box: Box, per_second: int, seconds: float) -> None:
    """Offer so many requests a second for some time; note what they, the engine and others saw."""
    calm = _probed(box, "before", 3.0)
    whole = request("POST", PREDICT, BODY)
    with flooding(box.port, FLOODERS, per_second, seconds, whole) as running:
        meanwhile = _controlled(box, seconds)
        after = _probed(box, "after", 4.0)
        seen = json.loads(running.communicate(timeout=60)[0])
    statuses = dict(sorted(seen["statuses"].items()))
    bad = sum(n for status, n in statuses.items() if status[0] == "5" and status != "503")
    outcome.injected += seen["offered"]
    outcome.failed += bad
    at = f"{per_second}/s:"
    outcome.goal(f"{at} offered/s", seen["offered"] / seen["seconds"], at_least=0.99 * PER_SECOND)
    outcome.goal(f"{at} 5xx but 503", bad, at_most=0)
    outcome.goal(f"{at} control ms, p99", p99(meanwhile.waits_ms), at_most=200)
    for verb, grown in meanwhile.grown_mb.items():
        outcome.goal(f"{at} memory of {verb} MiB", grown, at_most=100)
    outcome.goal(f"{at} p99 back s", _back_s(calm, after, seen["ended"]), at_most=2)
    outcome.figures |= {f"{at} {s}/s": n / seen["seconds"] for s, n in statuses.items()}
    outcome.figures |= {
        f"{at} p99 ms before": p99([ms for _, ms in calm]),
        f"{at} probes": len(after),
        f"{at} control asked": len(meanwhile.waits_ms),
        f"{at} connected": seen["connected"],
    }


def _probed(box: Box, name: str, seconds: float) -> list[tuple[float, float]]:
    """Ask at an even pace for some time; return when each began and how many ms it took."""
    probe = Predictor(box, name, PROBES_PER_S)
    probe.start()
    probe.join(seconds)
    probe.over.set()
    probe.join(30.0)
    lost = [(float("inf"), float("inf")) for _ in probe.failed]
    return [(a.began, (a.ended - a.began) * 1000) for a in probe.answered] + lost


def _controlled(box: Box, seconds: float) -> Meanwhile:
    """Ask the control socket again and again for some time, and look at memory."""
    pids = {verb: box.pid(verb) for verb in ("serve", "run")}
    before = {verb: resident_mb(pid) for verb, pid in pids.items()}
    waits, most, ends = list[float](), dict(before), time.monotonic() + seconds
    while time.monotonic() < ends:
        asked = time.monotonic()
        box.control.status()
        waits.append((time.monotonic() - asked) * 1000)
        most = {verb: max(most[verb], resident_mb(pid)) for verb, pid in pids.items()}
        time.sleep(0.02)
    return Meanwhile(waits, {verb: most[verb] - before[verb] for verb in pids})


def _back_s(
    calm: list[tuple[float, float]], after: list[tuple[float, float]], ended: float
) -> float:
    """Return after how many seconds p99 was, and stayed, within 1.5 times what it was before."""
    limit = max(1.5 * p99([ms for _, ms in calm]), FLOOR_MS)
    for tenth in range(40):
        since = ended + tenth / 10
        if p99([ms for began, ms in after if began >= since]) <= limit:
            return tenth / 10
    return float("inf")


# ----------------------------------------------------------------------------- a slow reader


def slow_reader(stock: Path, folder: Path, pairs: int) -> Outcome:
    """Follow the events and read nothing; the engine holds no memory and nobody misses anything."""
    outcome = Outcome("32", f"{SLEEPERS} readers of the events who do not read")
    with copied(stock, folder / "box") as box:
        box.up()
        _change(box, pairs // 2)  # what an engine takes for its first changes is not meant
        engine, begun = box.pid("run"), box.control.recent_events(1)[-1].id
        asleep = [_asleep(box, begun) for _ in range(SLEEPERS)]
        before = resident_mb(engine)
        ids: list[int] = []
        follower = threading.Thread(target=_follow, args=(box, begun, begun + 2 * pairs, ids))
        follower.start()
        _change(box, pairs)
        follower.join(30)
        grown, last = resident_mb(engine) - before, box.control.recent_events(1)[-1].id
        # Who reads again goes on where it stopped, from the ledger: it is never told half of it.
        woken = _read_on(asleep[0], last)
        for link in asleep:
            link.close()
        wanted = list(range(begun + 1, last + 1))
        outcome.goal("missed by a follower", len(set(wanted) - set(ids)), at_most=0)
        outcome.goal("missed by one who woke", len(set(wanted) - set(woken)), at_most=0)
        outcome.goal("memory MiB", grown, at_most=50)
        outcome.wrong += [] if ids == sorted(ids) and woken == sorted(woken) else ["out of order"]
        outcome.injected = len(wanted)
        outcome.failed = outcome.injected if outcome.wrong else 0
        eventually("the engine answers", box.answers)
    return outcome


def _change(box: Box, pairs: int) -> None:
    """Make two events again and again."""
    for _ in range(pairs):
        for verb in ("hold", "resume"):
            box.control.lock(verb, "late", LockRequest(uuid.uuid4().hex, "x" * 400))


def _asleep(box: Box, after: int) -> socket.socket:
    """Begin to follow the events, and read none."""
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(30)
    link.connect(str(box.control.socket))
    head = f"GET /api/v1/events HTTP/1.1\r\nhost: engine\r\nlast-event-id: {after}\r\n\r\n"
    link.sendall(head.encode())
    return link


def _read_on(link: socket.socket, until: int) -> list[int]:
    """Read what there is up to an event; return the ids."""
    text = b""
    while f"\nid: {until}\n".encode() not in text:
        part = link.recv(1 << 16)
        if not part:
            break
        text += part
    return [int(found) for found in re.findall(rb"\nid: (\d+)\n", text)]


def _follow(box: Box, after: int, until: int, ids: list[int]) -> None:
    with closing(Client(box.control.socket)) as client, suppress(ConsoleError):
        for item in client.events(after):
            if item.event is not None:
                ids.append(item.event.id)
                if item.event.id >= until:
                    return


CASES: dict[str, Case] = {
    "30": slow_clients,
    "31": floods,
    "32": lambda stock, at: slow_reader(stock, at, 400),
}
