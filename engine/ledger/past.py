"""The ledger as it stood at a moment: a copy in memory, led back along the audit chain."""

import sqlite3
from dataclasses import asdict
from datetime import UTC, datetime

import msgspec

from engine.domain.roles import Roles
from engine.ledger import audit

# What came later than :then is not there yet, and what ended later still stands.
_LED_BACK = """
delete from events where time > :then;
delete from alerts where since > :then;
update alerts set ended = null, why_ended = '' where ended > :then;
update alerts set opened = null where opened > :then;
update alerts set acked = null where json_extract(acked, '$.at') > :then;
update alerts set muted = null where json_extract(muted, '$.at') > :then;
delete from incidents where opened > :then;
update incidents set closed = null where closed > :then;
delete from incident_notes where time > :then;
delete from taints where since > :then;
update taints set lifted = null where lifted > :then;
delete from suppressed where first > :then;
delete from audit where json_extract(entry, '$.time') > :then;
delete from locks;
delete from models;
"""


def rewound(db: sqlite3.Connection, moment: datetime) -> sqlite3.Connection:
    """Copy a ledger into memory and lead the copy back to a moment; the original is only read.

    Roles, locks and fitness are what the audit entries up to then add up to.
    """
    # Times are text: "~" comes after whatever may follow the whole second.
    then = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}~"
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.backup(copy)
    copy.row_factory = sqlite3.Row
    copy.execute("begin")
    for statement in _LED_BACK.split(";"):
        copy.execute(statement, {"then": then} if ":then" in statement else {})
    entries = [row["entry"] for row in copy.execute("select entry from audit order by seq")]
    found = audit.folded(entries)
    for model, state in found.items():
        _put_roles(copy, model, msgspec.convert(state.roles, type=Roles))
        for lock in state.locks:
            names = ("kind", "owner", "reason", "since", "version")
            values = (model, *(lock.get(name) for name in names))
            copy.execute("insert into locks values (?, ?, ?, ?, ?, ?)", values)
    _put_versions(copy, found, entries)
    copy.execute("commit")
    copy.execute("pragma query_only = on")
    return copy


def _put_roles(copy: sqlite3.Connection, model: str, roles: Roles) -> None:
    values = asdict(roles) | {
        "model": model,
        "standby": msgspec.json.encode(roles.standby).decode(),
    }
    copy.execute(
        "insert into models values (:model, :generation, :champion, :canary, :canary_share_pct, "
        ":shadow, :standby, :anchor, :salt, 0)",
        values,
    )


def _put_versions(
    copy: sqlite3.Connection, found: dict[str, audit.Folded], entries: list[str]
) -> None:
    reports: dict[tuple[str, str], dict[str, object]] = {}
    for text in entries:
        entry = msgspec.json.decode(text)
        report = entry["detail"].get("report")
        for version in entry["detail"]["fitness"] if report else ():
            reports[entry["model"], version] = report
    for model, version in copy.execute("select model, version from versions").fetchall():
        fitness = found[model].fitness.get(version) if model in found else None
        if fitness is None:
            copy.execute("delete from versions where model = ? and version = ?", (model, version))
            continue
        report = reports.get((model, version))
        copy.execute(
            "update versions set fitness = ?, verdict = ?, report = ? "
            "where model = ? and version = ?",
            (
                fitness,
                report["verdict"] if report else None,
                msgspec.json.encode(report).decode() if report else None,
                model,
                version,
            ),
        )
