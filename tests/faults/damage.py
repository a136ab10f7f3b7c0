"""Cases 7 and 8: each file of a workspace damaged in six ways, and a log of 100 MB at the start."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.box import ENVIRONMENT, Box, copied, eventually
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import Changer, within
from tests.traffic import traffic

READY_S = 5.0
LOG_BYTES = 100 * 2**20


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
# Which files, and whether the model can be answered without them: what is not verified is not.
FILES = {
    "metrics.duckdb": "serves", "metrics.duckdb.wal": "serves", "spool/*.seg": "serves",
    "batches/*.parquet": "serves", "batches/*.batch.json": "serves", "cdml.toml": "said",
    "ledger.sqlite": "said", "ledger.sqlite-wal": "said", "keys/public": "said",
    "artifacts/champion.skops": "another", "artifacts/champion.json": "another",
    "artifacts/champion.sig": "another",
}  # fmt: skip


PAIRS = tuple((file, how) for file in FILES for how in DAMAGE)


def worn(stock: Path, folder: Path) -> tuple[Path, Path, list[str]]:
    """Return a killed workspace with traffic in every file, an older copy, and its answers."""
    older = folder / "older"
    shutil.copytree(stock, older)
    with copied(stock, folder / "worn") as box:
        box.up()
        with traffic(box, 100.0) as clients:
            changer = Changer(box.control.socket, 0.1, 7)
            for verb in ("promote", "hold", "resume", "rollback"):
                changer.one(verb)
            log = box.path / "metrics.duckdb.wal"
            eventually("rows are in the log", lambda: log.exists() and log.stat().st_size > 9000)
        for verb in ("supervise", "run", "serve"):
            box.kill(verb)
        shutil.rmtree(box.path / "run")
        kept = folder / "kept"
        shutil.copytree(box.path, kept)
    return kept, older, [p for a in clients.answered for p in a.prediction_ids if a.logged]


def files(workspace: Path, pattern: str) -> list[Path]:
    """Return the files that a pattern means; `champion` are those of the version that leads."""
    if "champion" not in pattern:
        return [p for p in sorted(workspace.glob(pattern)) if p.is_file()][-1:]
    import json
    import sqlite3

    with sqlite3.connect(workspace / "ledger.sqlite") as db:
        (name,) = db.execute(
            "select manifest from versions v join models m on v.version = m.champion"
        ).fetchone()
    artifact = json.loads((workspace / "artifacts" / f"{name}.json").read_text())["artifact"]
    ending = pattern.rpartition(".")[2]
    return [workspace / "artifacts" / f"{artifact if ending == 'skops' else name}.{ending}"]


def harm(box: Box, pattern: str, how: str, older: Path) -> bool:
    """Damage a file of a stopped workspace; False where there is none, or no older one."""
    found = files(box.path, pattern)
    if not found:
        return False
    (file,) = found
    content, former = file.read_bytes(), older / file.relative_to(box.path)
    if how == "older" and (not former.exists() or former.read_bytes() == content):
        return False
    made = former.read_bytes() if how == "older" else b""
    if (act := DAMAGE[how]) is not None:
        made = act(content)
    file.chmod(0o640)
    file.unlink()
    if how != "gone":
        file.write_bytes(made)
    return True


def matrix(stock: Path, folder: Path, chosen: Sequence[tuple[str, str]] = PAIRS) -> Outcome:
    """Damage every file in every way; nothing unverified is served, nothing is lost unsaid."""
    outcome = Outcome("7", "each file cut, zeroed, flipped, gone, older")
    folder.mkdir()
    kept, older, owed = worn(stock, folder)
    served, refused, slowest = 0, 0, 0.0
    for file, how in chosen:
        with copied(kept, folder / "one") as box:
            if harm(box, file, how, older):
                wrong, took = looked_at(box, file, how, owed)
                served += took is not None
                refused += took is None
                slowest = max(slowest, took or 0.0)
                outcome.struck([f"{file} {how}: {text}" for text in wrong])
        shutil.rmtree(folder / "one")
    outcome.figures = {"served": served, "refused in words": refused}
    outcome.figures["served after s, max"] = slowest
    return outcome


def looked_at(box: Box, file: str, how: str, owed: list[str]) -> tuple[list[str], float | None]:
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
    if version is not None and FILES[file] == "another" and version == "v1" and how != "older":
        wrong.append("a version was served whose files are damaged")
    if process.returncode == 0:
        wrong += lost_unsaid(box, owed)
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


def lost_unsaid(box: Box, owed: list[str]) -> list[str]:
    """Say whether rows are missing of which no event speaks."""
    eventually("the engine answers", box.answers)
    told = [e.text for e in box.control.recent_events(1000) if e.level in ("WARN", "CRIT")]
    box.down()
    stored = {p for (p,) in box.query("select prediction_id from predictions")}
    missing = [p for p in owed if p not in stored]
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
    if missing and not any(word in text for text in told for word in about):
        return [f"{len(missing)} of {len(owed)} rows lost and nothing said: {told[-3:]}"]
    return []


LOG = """
import duckdb, os, sys
db = duckdb.connect(sys.argv[1])
db.execute("set wal_autocheckpoint = '1TB'")
db.execute("create table ballast (n bigint, text varchar)")
at = 0
while not os.path.exists(sys.argv[1] + ".wal") or os.path.getsize(sys.argv[1] + ".wal") < {size}:
    db.execute("insert into ballast select range, md5(range::varchar) || md5((range + 7)::varchar) "
               "from range({rows})")
os._exit(9)
"""


def long_log(stock: Path, folder: Path, size: int = LOG_BYTES) -> Outcome:
    """Start on a write-ahead log of 100 MB, as an engine killed before its checkpoint leaves it."""
    outcome = Outcome("8", "a log of 100 MB at the start: serving first")
    with copied(stock, folder / "box") as box:
        store = str(box.path / "metrics.duckdb")
        code = LOG.format(size=size, rows=100_000)
        subprocess.run([sys.executable, "-c", code, store], env=ENVIRONMENT, check=False)
        log = Path(store + ".wal").stat().st_size
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine", "up", "-w", str(box.path)],
            env=ENVIRONMENT, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        took = within(lambda: answered(box), 60.0)
        eventually("the engine answers", box.answers)
        store_s = time.monotonic() - began
        process.wait(60)
        outcome.struck([] if took is not None else ["not served"])
        outcome.figures = {
            "log MB": log // 10**6, "served after s": took or 60.0, "engine after s": store_s,
        }  # fmt: skip
    return outcome


CASES: dict[str, Case] = {"7": matrix, "8": long_log}
