"""Case 7: each file of a workspace damaged in six ways, and what is served and said then."""

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.wire import AuditQuestion
from tests.box import ENVIRONMENT, Box, copied, eventually
from tests.faults.kills import READY_S, SERVED
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import Changer, within
from tests.traffic import Traffic, traffic


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def zero_tail(content: bytes) -> bytes:
    return content[: -(len(content) // 4 + 1)] + b"\0" * (len(content) // 4 + 1)


def flip_head(content: bytes) -> bytes:
    return bytes(b ^ 0xFF for b in content[:64]) + content[64:]


def flip_middle(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes(b ^ 0xFF for b in content[at : at + 16]) + content[at + 16 :]


DAMAGE: dict[str, Callable[[bytes], bytes] | None] = {
    "cut": cut, "zero tail": zero_tail, "flip head": flip_head, "flip middle": flip_middle,
    "gone": None, "older": None,
}  # fmt: skip
# What is served then: the same version, another whose files are whole, or nobody, in words.
FILES = {
    "metrics.duckdb": "serves", "metrics.duckdb.wal": "serves", "spool/*.seg": "serves",
    "batches/*.parquet": "serves", "batches/*.batch.json": "serves", "cdml.toml": "serves",
    "keys/public": "serves", "ledger.sqlite": "said", "ledger.sqlite-wal": "said",
    "artifacts/champion.skops": "another", "artifacts/champion.json": "another",
    "artifacts/champion.sig": "another",
}  # fmt: skip
PAIRS = tuple((file, how) for file in FILES for how in DAMAGE)
# Sockets and the lock are of processes that no longer live; half files may vanish meanwhile.
_still = shutil.ignore_patterns("*.sock", "*.part", "*.new", "lock", "metrics", "reserve")


@dataclass(frozen=True, slots=True)
class Worn:
    """A killed workspace with traffic in every file, former copies of these, and its answers."""

    kept: Path
    older: Path
    owed: list[str]
    champion: str
    head: str


def worn(stock: Path, folder: Path) -> Worn:
    """Use a workspace, copy it, use it on so that each file is another one, and kill it."""
    kept, older = folder / "kept", folder / "older"
    with copied(stock, folder / "worn") as box:
        box.up()
        with traffic(box, 100.0) as clients:
            used(box, clients, "promote", "hold", "resume")
            shutil.copytree(box.path, older, ignore=_still)
        box.down()  # brings both logs into their files
        box.write({"[models.late]": "# The model of this test.\n[models.late]"})
        box.up()
        with traffic(box, 100.0) as after:
            used(box, after, "rollback")
            shutil.copytree(box.path / "spool", older / "spool", dirs_exist_ok=True)
            used(box, after, "hold", "resume")
        champion, head = (
            box.champion() or "",
            box.control.audit(1, AuditQuestion()).entries[-1].hash,
        )
        mark = box.path / "run" / "audit.head"
        eventually("the head of the audit is noted", lambda: head in mark.read_text())
        for verb in ("supervise", "run", "serve"):
            box.kill(verb)
        shutil.copytree(box.path, kept, ignore=_still)
    answered = [*clients.answered, *after.answered]
    owed = [p for a in answered for p in a.prediction_ids if a.logged]
    return Worn(kept, older, owed, champion, head)


def used(box: Box, clients: Traffic, *verbs: str) -> None:
    """Change things, and wait until rows of this time are in the store's log."""
    changer, sent = Changer(box.control.socket, 0.1, 7), len(clients.answered)
    for verb in verbs:
        changer.one(verb)
    eventually("there is traffic", lambda: len(clients.answered) > sent + 50)
    log = box.path / "metrics.duckdb.wal"
    size = log.stat().st_size if log.exists() else 0
    eventually("it is in the log", lambda: log.exists() and log.stat().st_size not in (0, size))


def files(workspace: Path, pattern: str) -> list[Path]:
    """Return the files that a pattern means; `champion` are those of the version that leads."""
    if "champion" not in pattern:
        found = [p for p in workspace.glob(pattern) if p.is_file()]
        return sorted(found, key=lambda p: p.name.rpartition("-")[2])[-1:]
    with sqlite3.connect(workspace / "ledger.sqlite") as db:
        (name,) = db.execute(
            "select manifest from versions v join models m on v.version = m.champion"
        ).fetchone()
    artifact = json.loads((workspace / "artifacts" / f"{name}.json").read_text())["artifact"]
    ending = pattern.rpartition(".")[2]
    return [workspace / "artifacts" / f"{artifact if ending == 'skops' else name}.{ending}"]


def harm(box: Box, pattern: str, how: str, older: Path) -> None:
    """Damage a file of a stopped workspace."""
    # What serving did when it last began.
    shutil.copyfile(box.path / "cdml.toml", box.path / "run" / "cdml.toml")
    (file,) = files(box.path, pattern)
    content = file.read_bytes()
    act = DAMAGE[how]
    made = act(content) if act else former(file, content, older / file.relative_to(box.path))
    file.chmod(0o640)
    file.unlink()
    if how != "gone":
        file.write_bytes(made)
        if (pattern, how) == ("cdml.toml", "older"):
            box.on_own_port()


def former(file: Path, content: bytes, older: Path) -> bytes:
    """Return what a file was; for one that never changes, what another of its kind is."""
    if file.name == "public":
        return Ed25519PrivateKey.from_private_bytes(b"7" * 32).public_key().public_bytes_raw()
    others = [p for p in file.parent.glob(f"*{file.suffix}") if p != file]
    found = [p.read_bytes() for p in (older, *sorted(others)) if p.is_file()]
    return next(bytes_ for bytes_ in found if bytes_ != content)


def matrix(stock: Path, folder: Path, chosen: Sequence[tuple[str, str]] = PAIRS) -> Outcome:
    """Damage every file in every way; nothing unverified is served, nothing is lost unsaid."""
    outcome = Outcome("7", "each file cut, zeroed, flipped, gone, older")
    folder.mkdir()
    before = worn(stock, folder)
    served, refused, slowest = 0, 0, 0.0
    for file, how in chosen:
        with copied(before.kept, folder / "one") as box:
            harm(box, file, how, before.older)
            wrong, took = looked_at(box, file, how, before)
            served += took is not None
            refused += took is None
            slowest = max(slowest, took or 0.0)
            outcome.struck([f"{file} {how}: {text}" for text in wrong])
        shutil.rmtree(folder / "one")
    outcome.figures = {"served": served, "refused in words": refused, SERVED: slowest}
    return outcome


def looked_at(box: Box, file: str, how: str, before: Worn) -> tuple[list[str], float | None]:
    """Start a damaged workspace; return what is wrong, and after how long it was served."""
    wrong: list[str] = []
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "engine", "up", "-w", str(box.path)],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    took = within(lambda: answered(box) or process.poll() not in (None, 0), 20.0)
    said = process.communicate(timeout=60)[1]
    version = answered(box)
    if "Traceback" in said:
        wrong.append("a trace reached the operator")
    if version is None and not (said.strip() or refusal(box)):
        wrong.append("neither served nor said why")
    if file == "ledger.sqlite" and how == "gone" and process.returncode == 0:
        wrong.append("an empty ledger was begun")
    if version is None and FILES[file] == "serves":
        wrong.append(f"not served: {said.strip()[-200:]}")
    if version == before.champion and FILES[file] == "another":
        wrong.append("a version was served whose files are damaged")
    if process.returncode == 0:
        if file == "metrics.duckdb":  # is read through once, some seconds after the start
            within(lambda: any("metric store" in e for e in box.events()), 8.0)
        told = heard(box)
        wrong += lost_unsaid(box, before.owed, told)
        wrong += silent(box, (file, how), told, before.head)
    return wrong, took if version is not None else None


def answered(box: Box) -> str | None:
    """Return who answers a row, None where nobody does."""
    try:
        status, answer = box.predict()
    except (OSError, ValueError):
        return None
    return str(answer["predictions"][0]["version"]) if status == 200 else None


def refusal(box: Box) -> str:
    """Return the words with which a row is refused, nothing where there are none."""
    try:
        return str(box.predict()[1]["error"]["message"])
    except (OSError, ValueError, KeyError):
        return ""


def heard(box: Box) -> list[tuple[str, str, str]]:
    """Stop the engine; return level, kind and text of what it told people to look at."""
    eventually("the engine answers", box.answers)
    box.down()
    with contextlib.closing(sqlite3.connect(box.path / "ledger.sqlite")) as ledger:
        return ledger.execute(
            "select level, kind, text from events where level <> 'INFO' order by id desc limit 1000"
        ).fetchall()


def silent(
    box: Box, pair: tuple[str, str], told: list[tuple[str, str, str]], head: str
) -> list[str]:
    """Say whether a damage was met without a word that is due."""
    (file, how), loud = pair, {kind for level, kind, _ in told if level == "CRIT"}
    wrong = []
    # A commit may be younger than the count of them; its rows come back from the log then.
    if file.endswith(".wal") and how in ("flip head", "gone", "older") and "store" not in loud:
        wrong.append("the store was not suspected")
    if file.endswith(".parquet") and "batch" not in loud:
        wrong.append("rows are not what they were, and nobody said so")
    if file.endswith(".batch.json") and not any("written anew" in text for _, _, text in told):
        wrong.append("a note is not what it was, and nobody said so")
    if file.startswith("ledger") and "audit" not in loud and is_hurt(box, head):
        wrong.append("the ledger is damaged or lacks changes, and nobody said so")
    return wrong


def is_hurt(box: Box, head: str) -> bool:
    """Say whether the ledger is damaged, or lacks the newest change of before."""
    with contextlib.closing(sqlite3.connect(box.path / "ledger.sqlite")) as ledger:
        try:
            (found,) = ledger.execute("pragma integrity_check").fetchone()
            there = ledger.execute("select 1 from audit where hash = ?", (head,)).fetchone()
        except sqlite3.DatabaseError:
            return True
    return found != "ok" or there is None


def stored(box: Box) -> set[str]:
    """Return what the store has; nothing where it cannot be read."""
    with contextlib.suppress(duckdb.Error):
        return {p for (p,) in box.query("select prediction_id from predictions")}
    return set()


def lost_unsaid(box: Box, owed: list[str], told: list[tuple[str, str, str]]) -> list[str]:
    """Say whether rows are missing of which no event speaks."""
    there = stored(box)
    missing = [p for p in owed if p not in there]
    about = (
        "damage",
        "lacks",
        "skipped",
        "gone",
        "was cut or removed",
        "set aside",
        "not a whole record",
        "missing",
    )
    if missing and not any(word in text for _, _, text in told for word in about):
        return [f"{len(missing)} of {len(owed)} rows lost and nothing said: {told[-3:]}"]
    return []


CASES: dict[str, Case] = {
    "7": lambda stock, at: matrix(stock, at).hold(SERVED, at_most=READY_S),
}
