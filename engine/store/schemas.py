"""The versions of a model's columns: the one in force, those before it, and one proposed."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from engine.store.connection import Store, naive, zoned

PROPOSED = 0


@dataclass(frozen=True, slots=True)
class Version:
    """The columns from a moment on, by whom, drawn from which file; number 0 is only proposed."""

    number: int
    columns: dict[str, str]
    since: datetime
    by: str
    file: str


def versions(store: Store, model: str) -> list[Version]:
    """Return every version of a model's columns, a proposed one first."""
    with store.read() as db:
        rows = db.execute(
            "select version, columns, since, approved_by, file from schemas where model = ? "
            "order by version",
            [model],
        ).fetchall()
    return [
        Version(r[0], msgspec.json.decode(r[1]), zoned(r[2]) or r[2], r[3] or "", r[4])
        for r in rows
    ]


def add(store: Store, model: str, version: Version) -> None:
    """Remember a version; a proposed one replaces the one proposed before."""
    text = msgspec.json.encode(version.columns).decode()
    with store.write() as db:
        db.execute("delete from schemas where model = ? and version = ?", [model, version.number])
        db.execute(
            "insert into schemas values (?, ?, ?, ?, ?, ?)",
            [model, version.number, text, naive(version.since), version.by, version.file],
        )


def enforce(store: Store, model: str, version: Version) -> None:
    """Make a version the columns of its model; nothing is proposed any more."""
    add(store, model, version)
    with store.write() as db:
        db.execute("delete from schemas where model = ? and version = ?", [model, PROPOSED])
        db.execute("delete from columns where model = ?", [model])
        for name, kind in version.columns.items():
            db.execute("insert into columns values (?, ?, ?)", [model, name, kind])
