"""Cases 11 and 26: an answer that never came, asked again; files that come twice, half, changed.

The engine is really stopped (SIGSTOP) in the midst of a change, and files are really written while
it reads them.
"""

import contextlib
import hashlib
import os
import signal
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from cdml_tui.client import Client, ConsoleError, EngineLost
from engine.wire import Change, ChangeAnswer, LockRequest
from tests.box import Box, deliver, eventually
from tests.faults.kills import LATER, points
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import AGAIN, Inside, watched, within

TIMEOUT_S = 0.4
# A rollback sets a hold: each of these changes something after the one before it.
VERBS = ("promote", "rollback", "resume", "hold")
SWAPPED = 12


def asked(box: Box, verb: str, key: str, timeout_s: float = 20.0) -> Any:
    """Ask for a change over a connection of its own."""
    with contextlib.closing(Client(box.control.socket, timeout=timeout_s)) as client:
        if verb in ("hold", "resume"):
            return client.lock(verb, "late", LockRequest(key, "as a test"))
        to = "v2" if verb == "promote" else None
        return client.change(verb, "late", Change(key, to=to, reason="again", override=AGAIN))


def timed_out(stock: Path, folder: Path, rounds: int) -> Outcome:
    """Stop the engine before or after it commits a change; the client gives up and asks again."""
    outcome = Outcome("11", "a change answered after its client gave up, asked again by its key")
    with watched(stock, folder) as (box, inside):
        box.up()
        passed = {}
        for verb in VERBS:
            before = set(points(inside))
            asked(box, verb, f"learn-{verb}")
            fresh = [p for p in points(inside) if p not in before]
            # What shares its way with another verb passes nothing that was not passed before.
            fresh = [p for p in fresh if "commit ledger ledger/ledger.change <" in p]
            passed[verb] = fresh or passed.get(VERBS[VERBS.index(verb) - 1], [])
        for number in range(rounds):
            verb = VERBS[number % len(VERBS)]
            found = [p for p in passed[verb] if f" {'before' if number % 8 < 4 else 'after'} " in p]
            if not found:
                outcome.struck([f"no point of {verb} is known: {passed[verb]}"])
                continue
            outcome.struck(gave_up(box, inside, verb, found[0]))
    return outcome


def gave_up(box: Box, inside: Inside, verb: str, point: str) -> list[str]:
    """Stop the engine at a point of a change until its client has given up; ask again."""
    key, engine = uuid.uuid4().hex, box.pid("run")
    inside.strike("stop", point=point)
    said = ""
    try:
        asked(box, verb, key, TIMEOUT_S)
    except EngineLost as fault:
        said = "given up" if fault.sent else "not sent"
    finally:
        stopped = inside.struck()
        os.kill(engine, signal.SIGCONT)
    inside.leave()
    answers: list[Any] = []
    for _ in range(3):
        try:
            answers.append(asked(box, verb, key))
        except ConsoleError as fault:
            answers.append(fault.message)
    entries = [e for e in box.ask("audit", "--limit", "1000")["entries"] if e.get("key") == key]
    wrong = []
    if (said, stopped) != ("given up", True):
        wrong.append(f"{verb} at {point}: the client was not kept waiting ({said}, {stopped})")
    if any(answer != answers[0] for answer in answers):
        wrong.append(f"{verb} at {point}: other answers to the same key: {answers}")
    changed = isinstance(answers[0], ChangeAnswer) and answers[0].changed
    if len(entries) != 1 and (changed or len(entries) > 1):
        wrong.append(f"{verb} at {point}: {len(entries)} entries of its key")
    return wrong


# ---------------------------------------------------------------- case 26


def content_of(folder: Path, seed: int) -> bytes:
    """Return a file of 600 rows that no other seed has."""
    return deliver(folder / "made.csv", seed, LATER).read_bytes()


def dropped(incoming: Path, name: str, content: bytes) -> None:
    """Rename a whole file into the drop folder."""
    part = incoming / f".{name}.part"
    part.write_bytes(content)
    part.rename(incoming / name)


def taken(box: Box) -> list[str]:
    """Return what was told of files."""
    return [text for text in box.events() if "accepted" in text or "duplicate" in text]


def delivered(stock: Path, folder: Path) -> Outcome:
    """Deliver a file many times at once, one slowly, others over each other as they are read."""
    outcome = Outcome("26", "files twice, half-written, replaced during the read")
    with watched(stock, folder) as (box, _):
        box.write({"on = []": 'on = ["new_data"]'})
        box.up()
        incoming = box.path / "incoming" / "late"
        outcome.struck(many_times(box, incoming, content_of(folder, 70)))
        outcome.struck(slowly(box, incoming, content_of(folder, 71)))
        known = {content_of(folder, seed) for seed in (70, 71)}
        fresh = [content_of(folder, 80 + n) for n in range(SWAPPED)]
        for content in fresh:
            dropped(incoming, "swap.csv", content)
            time.sleep(0.15)
            outcome.injected += 1
        eventually("all files are read", lambda: not list(incoming.iterdir()))
        eventually("trainings have ended", lambda: all(j.ended_at for j in box.control.jobs()))
        trained = [j for j in box.control.jobs() if j.job == "train" and "new data" in j.cause]
        box.down()
        wrong = as_delivered(box, known | {*fresh})
        batches = box.query("select count(*) from batches where verdict like 'accepted%'")[0][0]
        if len(trained) > batches:
            wrong.append(f"{len(trained)} trainings of {batches} accepted contents")
        outcome.wrong += wrong
        outcome.failed += SWAPPED if wrong else 0
        outcome.figures = {"accepted": batches, "trainings": len(trained)}
    return outcome


def many_times(box: Box, incoming: Path, content: bytes) -> list[str]:
    """Drop and upload the same bytes at once; they are one batch and one training."""
    file = box.path.parent / "twice.csv"
    file.write_bytes(content)
    uploads = [
        threading.Thread(target=lambda: Client(box.control.socket).ingest("late", file))
        for _ in range(3)
    ]
    for upload in uploads:
        upload.start()
    for number in range(3):
        dropped(incoming, f"twice-{number}.csv", content)
    for upload in uploads:
        upload.join(60.0)
    eventually("all six are told of", lambda: sum("twice" in t for t in taken(box)) >= 6)
    accepted = [text for text in taken(box) if "twice" in text and " accepted" in text]
    return [] if len(accepted) == 1 else [f"accepted {len(accepted)} times: {accepted}"]


def slowly(box: Box, incoming: Path, content: bytes) -> list[str]:
    """Write half a file to a row's end, hold it open longer than anything settles, finish it."""
    half = content.index(b"\n", len(content) // 2) + 1
    told = len(taken(box))
    with (incoming / "slow.csv").open("wb") as file:
        file.write(content[:half])
        file.flush()
        early = within(lambda: len(taken(box)) > told, 8.0)
        file.write(content[half:])
    whole = within(lambda: len(taken(box)) > told, 20.0)
    wrong = [] if early is None else ["half a file was taken in"]
    return wrong if whole is not None else [*wrong, "the whole file was not taken in"]


def as_delivered(box: Box, sent: set[bytes]) -> list[str]:
    """Say which batches are not the rows of the very file whose digest they carry."""
    by_digest = {hashlib.sha256(content).hexdigest(): content for content in sent}
    wrong = []
    rows = box.query("select batch, source, rows, file from batches where verdict like 'accepted%'")
    for batch, source, count, name in rows:
        if name in ("first.csv", "second.csv"):
            continue
        content = by_digest.get(source)
        if content is None:
            wrong.append(f"{name}: nobody sent a file of digest {source[:12]}")
            continue
        ids = {line.split(b",")[0].decode() for line in content.splitlines()[1:]}
        path = box.path / "batches" / f"{batch}.parquet"
        found = {r[0] for r in box.query(f"select id from read_parquet('{path}')")}
        if (found, count) != (ids, len(ids)):
            wrong.append(f"{name}: {len(found & ids)} of {len(ids)} rows of its file, {count} told")
    sources = [source for _, source, _, _ in rows]
    return wrong + [f"twice: {s[:12]}" for s in {*sources} if sources.count(s) > 1]


CASES: dict[str, Case] = {
    "11": lambda stock, at: timed_out(stock, at, 24),
    "26": delivered,
}
