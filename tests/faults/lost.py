"""What "nothing lost" means, looked up in the files of a stopped workspace without any of its code.

python -m tests.faults.lost WORKSPACE CLIENTS: `CLIENTS` is what clients know, a JSON line each.
"""

import hashlib
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

GENESIS = "0" * 64
Found = dict[str, list[str]]
Line = dict[str, Any]


def lost(workspace: Path, clients: list[Line]) -> Found:
    """Return what is wrong, by the kind of loss; empty lists where nothing is."""
    with duckdb.connect(str(workspace / "metrics.duckdb"), read_only=True) as db:
        archived(db, workspace)
        found = records(db, clients)
    uri = f"file:{workspace / 'ledger.sqlite'}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as ledger:
        found |= changes(ledger, clients)
        found |= chain(ledger)
        found |= unproven(ledger)
        found |= artifacts(ledger, workspace)
    return found


def archived(db: duckdb.DuckDBPyConnection, workspace: Path) -> None:
    """Have two views of all rows: those in the store, and those that have left it by their age."""
    files = [str(p) for p in workspace.glob("history/predictions/*/*.parquet")]
    left = f"read_parquet({files!r}, union_by_name = true)"
    more = f"union all select prediction_id, id, client from {left}" if files else ""
    known = f"union all select model, id, label from {left} where label_ts is not null"
    db.execute(
        f"create temp view answers as select prediction_id, id, client from predictions {more}"
    )
    db.execute(
        f"create temp view outcomes as select model, id, value from labels {known if files else ''}"
    )


def records(db: duckdb.DuckDBPyConnection, clients: list[Line]) -> Found:
    """Compare predictions and labels: acknowledged ones once, none half, none invented."""
    asked = [line for line in clients if line["kind"] == "predict"]
    answered = [line for line in asked if line["state"] == "ok"]
    names = {line["client"] for line in asked}
    rows = db.execute("select prediction_id, id, client from answers").fetchall()
    stored: dict[str, int] = {}
    for prediction, _, _ in rows:
        stored[prediction] = stored.get(prediction, 0) + 1
    by_id: dict[str, int] = {}
    for _, name, client in rows:
        if client in names:
            by_id[name] = by_id.get(name, 0) + 1
    sent = {name for line in asked for name in line["ids"]}
    labels = dict(db.execute("select id, any_value(value) from outcomes group by id").fetchall())
    doubled = db.execute(
        "select id from outcomes group by model, id having count(*) > 1"
    ).fetchall()
    told = [line for line in clients if line["kind"] == "label"]
    values: dict[str, set[str]] = {}
    for line in told:
        for name, value in line["values"].items():
            values.setdefault(name, set()).add(value)
    return {
        "lost predictions": [
            p for line in answered if line["logged"] for p in line["predictions"] if p not in stored
        ],
        "doubled predictions": [p for p, n in stored.items() if n > 1],
        "half requests": [
            line["ids"][0] for line in asked if len({by_id.get(n, 0) for n in line["ids"]}) != 1
        ],
        "invented predictions": [name for name in by_id if name not in sent],
        "lost labels": [
            n for line in told if line["state"] == "ok" for n in line["values"]
            if labels.get(n) not in values[n]
        ],
        "doubled labels": [n for (n,) in doubled],
        "invented labels": [
            n for n, value in labels.items()
            if n.startswith(tuple(f"{name}-" for name in names)) and value not in values.get(n, ())
        ],
        "nothing was asked": [] if answered else ["no answer at all"],
    }  # fmt: skip


def changes(ledger: sqlite3.Connection, clients: list[Line]) -> Found:
    """Compare changes: what was acknowledged is there once, what was refused is not."""
    entries = ledger.execute("select seq, key, entry from audit order by seq").fetchall()
    by_key: dict[str, list[tuple[int, Line]]] = {}
    for seq, key, text in entries:
        by_key.setdefault(key, []).append((seq, json.loads(text)))
    asked = [line for line in clients if line["kind"] == "change"]
    head = entries[-1][0] if entries else 0
    wrong: Found = {"lost changes": [], "doubled changes": [], "changes that were refused": []}
    for line in asked:
        found = by_key.get(line["key"], [])
        if len(found) > 1:
            wrong["doubled changes"].append(line["key"])
        if line["state"] == "ok" and [seq for seq, _ in found] != [line["seq"]]:
            wrong["lost changes"].append(f"{line['verb']} {line['key']} at {line['seq']}")
        if line["state"] == "refused" and found:
            wrong["changes that were refused"].append(f"{line['verb']} {line['key']}")
    acknowledged = max((line["seq"] for line in asked if line["state"] == "ok"), default=0)
    wrong["head"] = [] if head >= acknowledged else [f"{head} < {acknowledged}"]
    # Who leads is who the last entry about it says, and no acknowledged move came after that one.
    for model, champion, generation in ledger.execute(
        "select model, champion, generation from models"
    ).fetchall():
        told = [e for _, _, text in entries if (e := json.loads(text))["model"] == model]
        last = told[-1] if told else {"to_version": None, "generation_after": 0}
        if (last["to_version"], last["generation_after"]) != (champion, generation):
            wrong["head"].append(f"{model} is led by {champion}, the chain says {last}")
    return wrong


def chain(ledger: sqlite3.Connection) -> Found:
    """Follow the audit chain from its beginning: no gap, every hash that of the one before."""
    wrong, head = [], GENESIS
    rows = ledger.execute("select seq, entry, prev_hash, hash from audit order by seq").fetchall()
    for number, (seq, entry, before, found) in enumerate(rows, 1):
        if (seq, before) != (number, head):
            wrong.append(f"entry {number} is {seq} and follows {before[:8]}")
        head = hashlib.sha256((before + entry).encode()).hexdigest()
        if head != found:
            wrong.append(f"entry {seq} is not what its hash says")
    noted = ledger.execute("select value from meta where key = 'audit_head'").fetchone()
    if rows and (noted is None or noted[0] != head):
        wrong.append("the noted head is another one")
    return {"chain": wrong}


def unproven(ledger: sqlite3.Connection) -> Found:
    """Follow who led: each had passed its gate by then, or is a safe mode, which no gate judges."""
    wrong, verdicts = [], dict[tuple[str, str], str]()
    for seq, text in ledger.execute("select seq, entry from audit order by seq").fetchall():
        entry = json.loads(text)
        model, led, leads = entry["model"], entry["from_version"], entry["to_version"]
        if entry["action"] == "judge":
            said = entry["detail"].get("verdict", "inconclusive")
            verdicts |= {(model, version): said for version in entry["detail"]["fitness"]}
        found = verdicts.get((model, leads), "not judged")
        if leads not in (None, led) and found != "pass" and not leads.endswith("-safe"):
            wrong.append(f"{leads} leads since entry {seq} and its gate says: {found}")
    return {"champions that did not pass": wrong}


def artifacts(ledger: sqlite3.Connection, workspace: Path) -> Found:
    """Read every file that the ledger names: its digest is its name, its signature is ours."""
    wrong = []
    named = ledger.execute("select version, manifest from versions where manifest is not null")
    for version, name in named.fetchall():
        folder = workspace / "artifacts"
        try:
            text = (folder / f"{name}.json").read_bytes()
            public = (workspace / "keys" / "public").read_bytes()
            key = Ed25519PublicKey.from_public_bytes(public)
            key.verify((folder / f"{name}.sig").read_bytes(), text)
            artifact = json.loads(text)["artifact"]
            content = (folder / f"{artifact}.skops").read_bytes()
        except (OSError, ValueError, InvalidSignature) as fault:
            wrong.append(f"{version}: {fault!r}")
            continue
        digests = [hashlib.sha256(part).hexdigest() for part in (text, content)]
        if digests != [name, artifact]:
            wrong.append(f"{version}: a file is not what its name says")
    return {"artifacts": wrong}


def main(argv: list[str]) -> int:
    """Print what is lost as JSON; the exit code is 1 where anything is."""
    lines = Path(argv[1]).read_text(encoding="utf-8").splitlines()
    found = lost(Path(argv[0]), [json.loads(line) for line in lines])
    wrong = {kind: what[:20] for kind, what in found.items() if what}
    sys.stdout.write(json.dumps(wrong, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
