"""A workspace whose processes are watched and struck from inside, and clients who keep record."""

import contextlib
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cdml_tui.client import Client, ConsoleError, EngineLost
from engine.wire import Change, LockRequest
from tests.box import ENVIRONMENT, ROOT, Box, copied
from tests.traffic import Traffic

INSIDE = Path(__file__).parent / "inside"
Line = dict[str, Any]
# Once v2 was rolled back from, a person may take it again all the same.
AGAIN = ["v1", "v2", "freeze", "pin"]


class Inside:
    """What the processes note of themselves, and where they are told to fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._plan = folder / "plan"
        folder.mkdir()

    def environment(self, *, touched: bool) -> dict[str, str]:
        """Return what processes need in order to be watched."""
        found = {"PYTHONPATH": f"{INSIDE}:{ROOT}", "CDML_INSIDE": str(self.folder)}
        return {**ENVIRONMENT, **found, **({"CDML_INSIDE_TOUCHED": "1"} if touched else {})}

    def strike(self, act: str, n: int = 1, **where: Any) -> None:
        """Have the n-th call at a `point`, or of a `verb` and its `calls`, die or fail."""
        self.leave()
        part = self.folder / "plan.part"
        plan = {"id": uuid.uuid4().hex, "act": act, "n": n, **where}
        part.write_text(json.dumps(plan), encoding="utf-8")
        part.rename(self._plan)

    def struck(self) -> bool:
        """Say whether the plan was carried out."""
        return self._plan.with_name("plan.struck").exists()

    def leave(self) -> None:
        """Strike nobody any more."""
        for plan in (self._plan, self._plan.with_name("plan.struck")):
            plan.unlink(missing_ok=True)

    def noted(self, kind: str) -> list[list[str]]:
        """Return verb and words of every line of a kind, in the order of writing."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.folder / "noted").read_text(encoding="utf-8").splitlines()
            words = [line.split("\t") for line in lines]
            return [[w[0], *w[2:]] for w in words if len(w) > 2 and w[1] == kind]
        return []


@contextlib.contextmanager
def watched(stock: Path, folder: Path, *, touched: bool = False) -> Iterator[tuple[Box, Inside]]:
    """Give a copy of a stopped workspace whose processes will be watched."""
    folder.mkdir(parents=True, exist_ok=True)
    inside = Inside(folder / "inside")
    with copied(stock, folder / "box") as box:
        box.environment = inside.environment(touched=touched)
        yield box, inside


class Changer(threading.Thread):
    """An operator who never rests: changes in turn, each with a key, and what became of each."""

    def __init__(self, socket: Path, pause_s: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.lines: list[Line] = []
        self._socket = socket
        self._pause_s = pause_s
        self._draw = random.Random(seed)

    def run(self) -> None:
        while not self.over.wait(self._draw.random() * 2 * self._pause_s):
            self.one(self._draw.choice(["promote", "rollback", "hold", "resume"]))

    def one(self, verb: str) -> Line:
        """Ask for one change; a lost answer is unknown, and stays so until it is asked again."""
        line = {"kind": "change", "verb": verb, "key": uuid.uuid4().hex, "state": "unknown"}
        self.lines.append(line)
        self._ask(line)
        return line

    def settle(self) -> None:
        """Ask again, by its key, for everything that was not answered."""
        for line in self.lines:
            if line["state"] == "unknown":
                self._ask(line)

    def _ask(self, line: Line) -> None:
        verb, key = line["verb"], line["key"]
        with contextlib.closing(Client(self._socket, timeout=20.0)) as client:
            try:
                if verb in ("hold", "resume"):
                    answer: Any = client.lock(verb, "late", LockRequest(key, "as a test"))
                else:
                    to = "v2" if verb == "promote" else None
                    asked = Change(key, to=to, reason="as a test", override=AGAIN)
                    answer = client.change(verb, "late", asked)
            except EngineLost as fault:
                line["state"] = "unknown" if fault.sent or line.get("sent") else "refused"
                line["sent"] = fault.sent or line.get("sent", False)
            except ConsoleError as fault:
                line["state"] = "unknown" if fault.status >= 500 else "refused"
                line["sent"], line["said"] = True, fault.message
            else:
                line |= {"state": "ok" if answer.changed else "same", "seq": answer.audit_seq}


@contextlib.contextmanager
def changing(box: Box, pause_s: float = 0.15, seed: int = 1) -> Iterator[Changer]:
    """Have an operator change roles and locks while the block runs; all is settled at its end."""
    changer = Changer(box.control.socket, pause_s, seed)
    changer.start()
    try:
        yield changer
    finally:
        changer.over.set()
        changer.join(60.0)


def record(clients: Traffic, changes: list[Line]) -> list[Line]:
    """Return what the clients know, as the program that looks for losses reads it."""
    lines = list(changes)
    for predictor in clients.predictors:
        answered = {a.ids: a for a in predictor.answered}
        for ids in predictor.asked:
            answer = answered.get(ids)
            lines.append({
                "kind": "predict", "client": predictor.client, "ids": ids,
                "state": "ok" if answer else "unknown",
                "logged": bool(answer and answer.logged),
                "predictions": answer.prediction_ids if answer else (),
            })  # fmt: skip
    labeller = clients.labeller
    for name, value in labeller.sent.items():
        state = "ok" if name in labeller.acknowledged else "unknown"
        lines.append({"kind": "label", "state": state, "values": {name: str(value).lower()}})
    return lines


def losses(box: Box, lines: list[Line]) -> dict[str, list[str]]:
    """Return what a program without any of our code finds lost; nothing may run."""
    known = box.path.parent / "clients.jsonl"
    known.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "tests.faults.lost", str(box.path), str(known)],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode in (0, 1), run.stderr
    found: dict[str, list[str]] = json.loads(run.stdout)
    return found


def shown(link: http.client.HTTPConnection, name: str) -> float:
    """Return a number, by name and labels, as Prometheus is shown it."""
    with contextlib.closing(link):
        link.request("GET", "/metrics")
        text = link.getresponse().read().decode()
    return next(float(n) for line, _, n in (x.rpartition(" ") for x in text.splitlines())
                if line == name)  # fmt: skip


def within(look: Callable[[], Any], patience_s: float) -> float | None:
    """Return after how many seconds something became true, None where it did not."""
    began = time.monotonic()
    while not look():
        if time.monotonic() - began > patience_s:
            return None
        time.sleep(0.02)
    return time.monotonic() - began


def up(box: Box) -> None:
    """Start the engine again unless its supervisor does that."""
    if not box.pid("supervise"):
        for verb in ("run",):
            while pid := box.pid(verb):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
        box.up()
