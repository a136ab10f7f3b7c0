"""Cases 10 and 12: two consoles at one instant, a restart at 25 %."""

import threading
import uuid
from contextlib import closing
from pathlib import Path

from cdml_tui.client import Client, ConsoleError
from engine.wire import AuditQuestion, Change
from tests.box import Box, copied, row
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import AGAIN

KEYS = 10_000
ROWS = 1000


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


CASES: dict[str, Case] = {
    "10": lambda stock, at: two_consoles(stock, at, 200),
    "12": restart_of_a_canary,
}
