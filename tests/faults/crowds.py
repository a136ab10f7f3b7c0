"""Cases 10, 12, 31, 32: two consoles at one instant, a restart at 25 %, a flood, a slow reader."""

import http.client
import json
import socket
import threading
import time
import uuid
from contextlib import closing, suppress
from pathlib import Path

from cdml_tui.client import Client, ConsoleError
from engine.wire import AuditQuestion, Change, LockRequest
from tests.box import Box, copied, eventually, row
from tests.faults.intruder import UnixConnection
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import AGAIN

KEYS = 10_000
ROWS = 1000
FLOODERS = 50


def one_of_two(socket_path: Path, to: str, start: threading.Barrier, said: list[str]) -> None:
    """Promote a version at the instant when the other does; note how that was answered."""
    change = Change(uuid.uuid4().hex, expect="v1", to=to, override=[*AGAIN, to], reason="a race")
    with closing(Client(socket_path, timeout=30.0)) as client:
        client.status()
        start.wait()
        try:
            client.change("promote", "late", change)
            said.append(to)
        except ConsoleError as fault:
            said.append(str(fault.status))


def two_consoles(stock: Path, folder: Path, rounds: int) -> Outcome:
    """Have two consoles promote different versions at once; one does, the other hears of it."""
    outcome = Outcome("10", "two consoles promote at one instant")
    with copied(stock, folder / "box") as box:
        box.up()
        control = box.control
        before = control.audit(1, _everything()).entries[-1].seq
        for _ in range(rounds):
            start, said = threading.Barrier(2), list[str]()
            threads = [
                threading.Thread(target=one_of_two, args=(control.socket, to, start, said))
                for to in ("v2", "v1-safe")
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            champion = box.champion()
            right = sorted(said) == sorted(["409", str(champion)]) and champion != "v1"
            outcome.struck([] if right else [f"answered {said}, {champion} leads"])
            back = Change(uuid.uuid4().hex, to="v1", override=AGAIN, reason="again")
            control.change("promote", "late", back)
        entries = control.audit(1, _everything()).entries[-1].seq - before
        verified = box.ask("audit", "--verify")["verified"]
        outcome.figures = {"entries": entries, "expected": 2 * rounds, "chain holds": verified}
        if entries != 2 * rounds or not verified:
            outcome.wrong.append(f"{entries} entries of {2 * rounds}, chain {verified}")
    return outcome


def _everything() -> AuditQuestion:
    return AuditQuestion()


def arms(box: Box) -> list[str]:
    """Return who answers each of the fixed keys."""
    found = []
    for since in range(0, KEYS, ROWS):
        rows = [row(f"key-{n}") for n in range(since, since + ROWS)]
        status, answer = box.predict(*rows)
        assert status == 200, answer
        found += [p["version"] for p in answer["predictions"]]
    return found


def restart_of_a_canary(stock: Path, folder: Path) -> Outcome:
    """Restart by TERM and by KILL while a canary has 25 %; every key stays where it was."""
    outcome = Outcome("12", "restart by TERM and KILL at canary 25 %")
    with copied(stock, folder / "box") as box:
        box.write({'unit = "client"': 'unit = "id"'})
        box.up()
        box.ask("canary", "late", "v2", "--share", "25")
        before = arms(box)
        for how in ("TERM", "KILL"):
            if how == "TERM":
                box.down()
            else:
                for verb in ("supervise", "run", "serve"):
                    box.kill(verb)
            box.up()
            roles = box.control.state().models[0].versions
            after = arms(box)
            same = sum(a == b for a, b in zip(before, after, strict=True)) / KEYS
            wrong = [] if same >= 0.999 else [f"{same:.2%} of the keys stayed after {how}"]
            wrong += [] if set(after) <= {v.version for v in roles} else ["an unknown version"]
            outcome.struck(wrong)
            outcome.figures[f"same after {how}"] = same
        outcome.figures["share of v2"] = before.count("v2") / KEYS
    return outcome


class Flooder(threading.Thread):
    """A connection that asks without a pause."""

    def __init__(self, box: Box, body: bytes) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.statuses: dict[int, int] = {}
        self._box, self._body = box, body

    def run(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._box.port, timeout=30)
        while not self.over.is_set():
            try:
                link.request("POST", "/v1/models/late/predict", self._body)
                answer = link.getresponse()
                answer.read()
                self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            except (OSError, http.client.HTTPException):
                link.close()
        link.close()


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def flood(stock: Path, folder: Path, seconds: float) -> Outcome:
    """Ask from fifty connections without a pause; the control socket goes on answering."""
    outcome = Outcome("31", "50 connections ask without a pause")
    with copied(stock, folder / "box") as box:
        box.up()
        box.predict()
        before, body = resident_mb(box.pid("serve")), json.dumps({"rows": [row("f")]}).encode()
        flooders = [Flooder(box, body) for _ in range(FLOODERS)]
        for flooder in flooders:
            flooder.start()
        waits, ends = [], time.monotonic() + seconds
        while time.monotonic() < ends:
            asked = time.monotonic()
            box.control.status()
            waits.append((time.monotonic() - asked) * 1000)
            time.sleep(0.02)
        for flooder in flooders:
            flooder.over.set()
        for flooder in flooders:
            flooder.join(30)
        asked = time.monotonic()
        assert box.predict()[0] == 200
        back = time.monotonic() - asked
        grown = resident_mb(box.pid("serve")) - before
        statuses: dict[int, int] = {}
        for flooder in flooders:
            for status, n in flooder.statuses.items():
                statuses[status] = statuses.get(status, 0) + n
        other = {s: n for s, n in statuses.items() if s >= 500 and s != 503}
        outcome.injected = sum(statuses.values())
        outcome.wrong += [f"answered {other}"] if other else []
        outcome.wrong += [f"memory grew by {grown:.0f} MiB"] if grown > 100 else []
        outcome.failed = sum(other.values())
        outcome.figures = {
            "requests/s": outcome.injected / seconds,
            "control ms, p99": sorted(waits)[int(len(waits) * 0.99)], "n": len(waits),
            "memory MiB": grown, "first answer after s": back,
        }  # fmt: skip
    return outcome


def slow_reader(stock: Path, folder: Path, pairs: int) -> Outcome:
    """Follow the events and read nothing; the engine holds no memory and others miss nothing."""
    outcome = Outcome("32", "a reader of the events who does not read")
    with copied(stock, folder / "box") as box:
        box.up()
        engine = box.pid("run")
        asleep = []
        for _ in range(20):
            link = UnixConnection(box.control.socket)
            link.connect()
            link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            link.putrequest("GET", "/api/v1/events?after=0")
            link.endheaders()
            asleep.append(link)
        before, begun = resident_mb(engine), box.control.recent_events(1)[-1].id
        ids: list[int] = []
        follower = threading.Thread(target=_follow, args=(box, begun, begun + 2 * pairs, ids))
        follower.start()
        for _ in range(pairs):
            box.control.lock("hold", "late", LockRequest(uuid.uuid4().hex, "x" * 400))
            box.control.lock("resume", "late", LockRequest(uuid.uuid4().hex, "x" * 400))
            outcome.injected += 2
        follower.join(30)
        grown = resident_mb(engine) - before
        for link in asleep:
            link.close()
        last = box.control.recent_events(1)[-1].id
        if ids != list(range(begun + 1, begun + 1 + len(ids))) or len(ids) < 2 * pairs:
            outcome.wrong.append(f"a follower saw {len(ids)} of {last - begun} events")
        outcome.wrong += [f"memory grew by {grown:.0f} MiB"] if grown > 50 else []
        outcome.failed = outcome.injected if outcome.wrong else 0
        eventually("the engine answers", box.answers)
        outcome.figures = {"asleep": len(asleep), "events": len(ids), "memory MiB": grown}
    return outcome


def _follow(box: Box, after: int, until: int, ids: list[int]) -> None:
    with closing(Client(box.control.socket)) as client, suppress(ConsoleError):
        for item in client.events(after):
            if item.event is not None:
                ids.append(item.event.id)
                if item.event.id >= until:
                    return


CASES: dict[str, Case] = {
    "10": lambda stock, at: two_consoles(stock, at, 200),
    "12": restart_of_a_canary,
    "31": lambda stock, at: flood(stock, at, 20.0),
    "32": lambda stock, at: slow_reader(stock, at, 200),
}
