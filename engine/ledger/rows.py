"""Reading roles and locks from their rows, inside a transaction or outside one."""

import sqlite3

import msgspec

from engine.domain.roles import Roles
from engine.wire import Lock


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
