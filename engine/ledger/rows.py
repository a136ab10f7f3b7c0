"""Reading roles, locks and audit entries from their rows, inside a transaction or outside one."""

import sqlite3
from typing import Any

import msgspec

from engine.domain.roles import Roles
from engine.wire import AuditEntry, Lock


def read_roles(db: sqlite3.Connection, model: str) -> Roles:
    """Read the roles of a model; a model without a row has none yet."""
    row = db.execute("select * from models where model = ?", (model,)).fetchone()
    if row is None:
        return Roles()
    return Roles(
        row["generation"],
        row["champion"],
        row["canary"],
        row["canary_share_pct"],
        row["shadow"],
        tuple(msgspec.json.decode(row["standby"], type=list[str])),
        row["anchor"],
        row["salt"],
    )


def read_locks(db: sqlite3.Connection, model: str) -> list[Lock]:
    """Read the locks that stand on a model."""
    rows = db.execute("select * from locks where model = ? order by kind", (model,))
    return [Lock(r["kind"], r["owner"], r["reason"], r["since"], r["version"]) for r in rows]


def entry_of(row: sqlite3.Row) -> AuditEntry:
    """Read one entry of the audit from its row."""
    fields = msgspec.json.decode(row["entry"], type=dict[str, Any])
    return msgspec.convert(
        fields | {"seq": row["seq"], "prev_hash": row["prev_hash"], "hash": row["hash"]},
        type=AuditEntry,
    )
