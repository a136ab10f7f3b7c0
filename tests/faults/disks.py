"""Cases 4 and 6: the n-th write fails, and the power goes: what was not synced is not there."""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

from tests.box import Box, eventually
from tests.faults.kills import Doing, answered_since, end, said
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import Changer, Inside, changing, losses, record, watched, within
from tests.traffic import traffic

CALLS = ["fsync", "fdatasync", "rename", "replace", "open", "write", "mkdir", "link",
         "commit ledger", "commit store", "commit store (checkpoint)"]  # fmt: skip
OLDEST = "oldest record lost s"
# What is answered as logged before a sync may be lost with the power: that often one is begun.
LOST_S = 0.05
DONE = ("promote", "rollback", "hold", "resume", "file", "backup", "taint")


def nth_failure(stock: Path, folder: Path, most: int) -> Outcome:
    """Have the n-th call fail with EIO or ENOSPC, n = 1, 2, ... until a thing meets no failure."""
    outcome = Outcome("4", "n-th fsync, rename, open, write or commit fails")
    with watched(stock, folder) as (box, inside):
        box.up()
        changer = Changer(box.control.socket, 0.1, 4)
        with traffic(box, 40.0) as clients:
            doing = Doing(box, changer)
            engine, serving = box.pid("run"), box.pid("serve")
            for act in ("EIO", "ENOSPC"):
                for name in DONE:
                    for n in range(1, most + 1):
                        inside.strike(act, n, verb="run", calls=CALLS)
                        doing.do(name)
                        if not inside.struck():
                            break
                        outcome.struck()
            for act in ("EIO", "ENOSPC"):
                for calls in (["fdatasync"], ["write"], ["rename"], ["fsync"]):
                    outcome.injected += failed_append(box, inside, act, calls)
            inside.leave()
            moment = time.monotonic()
            back = within(lambda: answered_since(clients, moment), 10.0)
            if (box.pid("run"), box.pid("serve")) != (engine, serving):
                outcome.wrong.append("a process died of a failed call")
            if back is None or clients.failed:
                outcome.wrong.append(f"predictions failed: {clients.failed[:3]}")
            changer.settle()
        unsettled = [line for line in changer.lines if line["state"] == "unknown"]
        outcome.wrong += [f"never settled: {line}" for line in unsettled[:3]]
        outcome.wrong += end(box, clients, changer.lines)
        outcome.figures = {
            "predictions": len(clients.answered), "failed": len(clients.failed),
            "changes": [line["state"] for line in changer.lines].count("ok"),
        }  # fmt: skip
    outcome.failed = outcome.injected if outcome.wrong else 0
    return outcome


def failed_append(box: Box, inside: Inside, act: str, calls: list[str]) -> int:
    """Have one call of the prediction log fail while labels are told; say how many were struck."""
    inside.strike(act, 1, verb="serve", calls=calls)
    label = {"id": f"never-{act}-{calls[0]}", "ts": "2024-02-01T09:00:00Z", "value": True}
    status, _ = box.post("labels", json.dumps({"labels": [label]}).encode())
    struck = inside.struck()
    # The clients' own labels may have met it; none may be acknowledged on an unsynced file.
    assert status in (200, 503), status
    return int(struck)


def power_cut(stock: Path, folder: Path, rounds: int) -> Outcome:
    """Kill everything at once, then take away all that was not synced: bytes and names."""
    outcome = Outcome("6", "power cut: what was not synced is gone")
    draw, taken, oldest = random.Random(6), 0, 0.0
    for number in range(rounds):
        place = folder / str(number)
        with watched(stock, place) as (box, inside):
            box.up()
            with traffic(box, 100.0) as clients, changing(box, seed=number) as changer:
                Doing(box, changer).do("file")
                time.sleep(0.3 + draw.random())
                cut = power_off(box)
                changer.over.set()
                clients.labeller.over.set()
            taken += unsynced(box.path, inside, draw)
            box.up()
            eventually("the engine answers", box.answers)
            changer.settle()
            box.down()
            found = losses(box, record(clients, changer.lines))
            lost = set(found.pop("lost predictions", []))
            gone = [cut - a.ended for a in clients.answered if lost & set(a.prediction_ids)]
            oldest = max([oldest, *gone])
            wrong = said(found)
            batches(box, wrong)
            outcome.struck(wrong)
        shutil.rmtree(place)
    outcome.figures = {"bytes and names taken": taken, OLDEST: oldest}
    return outcome


def power_off(box: Box) -> float:
    """Kill every process at one instant, and return it."""
    found = sorted(box.processes().items(), key=lambda process: process[1] != "serve")
    cut = time.monotonic()
    for pid, _ in found:
        os.kill(pid, signal.SIGKILL)
    eventually("all are gone", lambda: not box.processes())
    box.hang_up()
    return cut


def batches(box: Box, wrong: list[str]) -> None:
    """Note each batch that the store knows and whose rows are gone."""
    known = box.query("select batch from batches where verdict like 'accepted%'")
    gone = [b for (b,) in known if not list((box.path / "batches").rglob(f"{b}.parquet"))]
    wrong += [f"a batch without its rows: {batch[:12]}" for batch in gone]


def unsynced(workspace: Path, inside: Inside, draw: random.Random) -> int:
    """Take away what was never synced; return how many bytes and names that was."""
    lines = (inside.folder / "noted").read_text(encoding="utf-8").splitlines()
    size: dict[str, int] = {}
    names: dict[str, str] = {}
    for line in lines:
        _, kind, *words = line.split("\t")
        if kind == "renamed":
            names[words[1]] = words[0]
            size[words[1]] = size.get(words[0].removesuffix(".new"), size.get(words[0], 0))
        elif kind == "synced" and Path(words[0]).is_dir():
            names = {to: old for to, old in names.items() if str(Path(to).parent) != words[0]}
        elif kind == "synced":
            size[words[0]] = int(words[1])
    taken = 0
    for to in names:
        if Path(to).is_relative_to(workspace) and Path(to).is_file() and "/run/" not in to:
            Path(to).unlink()
            taken += 1
    tails = [*(workspace / "spool").glob("*.seg"), workspace / "metrics.duckdb.wal"]
    for file in tails:
        if not file.exists():
            continue
        whole, kept = file.stat().st_size, min(size.get(str(file), 0), file.stat().st_size)
        taken += whole - kept
        with file.open("rb+") as opened:
            opened.truncate(kept)
            if draw.random() < 0.5:  # the length came to the disk, the bytes did not
                opened.truncate(whole)
    return taken


CASES: dict[str, Case] = {
    "4": lambda stock, at: nth_failure(stock, at, 80),
    "6": lambda stock, at: power_cut(stock, at, 6).hold(OLDEST, at_most=LOST_S),
}
