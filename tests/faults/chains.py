"""The audit edited by hand while the engine runs, and who each change is said to be by."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from engine.wire import (
    AuditQuestion,
    Change,
    LockRequest,
    RunRequest,
    TaintRequest,
)
from tests.box import Box, deliver, eventually
from tests.faults.kills import LATER
from tests.faults.scene import AGAIN

LAST = "(select max(seq) from audit)"
HEAD = f"(select hash from audit where seq = {LAST})"
NEW_HEAD = f"update meta set value = {HEAD} where key = 'audit_head'"
ENTRY = "update audit set entry = replace(entry, '{}', '{}') where seq = {}"
MINE = "(select max(seq) from audit where entry like '%\"human\"%')"
MOVE = "update audit set seq = {1} where seq = {0}"
FORGED = f"select seq + 1, entry, null, null, hash, '{'0' * 64}' from audit where seq = {LAST}"
EDITS = {
    "an actor altered": [ENTRY.format('"human"', '"engine"', MINE)],
    "a version altered": [ENTRY.format("v1", "v2", LAST)],
    "the first deleted": ["delete from audit where seq = 1"],
    "one deleted": ["delete from audit where seq = 3"],
    "one deleted, the others renumbered": [
        "delete from audit where seq = 3",
        "update audit set seq = seq - 1 where seq > 3",
    ],
    "two reordered": [MOVE.format(2, -1), MOVE.format(3, 2), MOVE.format(-1, 3)],
    "the last cut off": [f"delete from audit where seq = {LAST}"],
    "all but one cut off with the head": ["delete from audit where seq > 1", NEW_HEAD],
    "a forged one added": [f"insert into audit {FORGED}"],
    "roles moved behind it": ["update models set generation = generation + 7"],
}


def edited(box: Box) -> list[str]:
    """Edit the ledger in every way under the running engine; return what its verify missed."""
    wrong = []
    path = box.path / "ledger.sqlite"
    eventually("nothing runs that would write", lambda: not _running(box))
    for name, statements in EDITS.items():
        with closing(sqlite3.connect(path)) as db:
            tables = {
                t: db.execute(f"select * from {t}").fetchall() for t in ("audit", "meta", "models")
            }
            for statement in statements:
                db.execute(statement)
            db.commit()
            found = box.control.audit(1, AuditQuestion(verify=True))
            for table, rows in tables.items():
                db.execute(f"delete from {table}")
                marks = ", ".join("?" * len(rows[0]))
                db.executemany(f"insert into {table} values ({marks})", rows)
            db.commit()
        wrong += [] if found.verified is False else [f"{name}: not found"]
    if not box.control.audit(1, AuditQuestion(verify=True)).verified:
        wrong.append("the chain does not hold once all is put back")
    return wrong


def deeds(box: Box, folder: Path) -> dict[str, Callable[[], object]]:
    """Return every kind of change that a person may ask for, with what the audit calls it."""
    control, lock, run = box.control, LockRequest, RunRequest
    more, labels = folder / "more.csv", folder / "labels.csv"
    return {
        "hold": lambda: control.lock("hold", "late", lock("1", "a test")),
        "resume": lambda: control.lock("resume", "late", lock("2", "a test")),
        "freeze": lambda: control.lock("freeze", "late", lock("3", "a test")),
        "thaw": lambda: control.lock("thaw", "late", lock("4", "a test")),
        "pin": lambda: control.lock("pin", "late", lock("5", "a test")),
        "unpin": lambda: control.lock("unpin", "late", lock("6", "a test")),
        "canary": lambda: control.change(
            "canary", "late", Change("7", to="v2", share_pct=5.0, override=AGAIN, reason="a test")),
        "abort": lambda: control.change("abort", "late", Change("8", reason="a test")),
        "promote": lambda: control.change(
            "promote", "late", Change("9", to="v2", override=[*AGAIN, "v2"], reason="a test")),
        "note": lambda: control.change("note", "late", Change("10", reason="a test")),
        "undo": lambda: control.change("undo", "late", Change("11", reason="a test")),
        "rollback": lambda: control.change(
            "rollback", "late", Change("12", to="v1-safe", override=AGAIN, reason="a test")),
        "taint": lambda: control.taint("late", TaintRequest("13", version="v2", reason="a test")),
        "train": lambda: control.start("train", "late", run("14", reason="a test")),
        "monitor": lambda: control.start("monitor", "late", run("15", reason="a test")),
        "upload": lambda: control.ingest("late", more),
        "upload_labels": lambda: control.labels("late", labels),
        "reload": control.reload,
        "backup": control.back_up,
    }  # fmt: skip


def files(folder: Path) -> None:
    """Write what is uploaded."""
    deliver(folder / "more.csv", 31, LATER)
    (folder / "labels.csv").write_text("id,value,ts\n1-1,true,2024-02-01T09:00:00Z\n")


KINDS = 19


def _running(box: Box) -> bool:
    return any(run.state in ("queued", "running") for run in box.control.jobs())


def told(box: Box, folder: Path, who: int) -> list[str]:
    """Do all of it as the present user; return what the audit does not say of it."""
    wrong = []
    for action, do in deeds(box, folder).items():
        before = box.control.audit(1, AuditQuestion()).entries[-1].seq
        do()
        entries = [e for e in box.control.audit(20, AuditQuestion()).entries if e.seq > before]
        mine = [e for e in entries if e.action == action]
        if not mine:
            wrong.append(f"{action}: entries are {[e.action for e in entries]}")
        elif mine[0].detail["actor"]["uid"] != who or mine[0].detail["actor"]["pid"] != os.getpid():
            wrong.append(f"{action}: by {mine[0].detail['actor']}")
    return wrong
