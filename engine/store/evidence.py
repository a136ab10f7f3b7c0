"""Evidence of stillness after each day, kept so that a look need not replay all days before."""

from collections.abc import Sequence
from datetime import datetime

from engine.store.connection import Store


def days(store: Store, model: str, version: str, terms: str) -> dict[datetime, int]:
    """Return the days gathered under these terms, with the rows that each had."""
    with store.read() as db:
        found = db.execute(
            "select day, rows from stillness where model = ? and version = ? and terms = ?",
            [model, version, terms],
        ).fetchall()
    return dict(found)


def state(store: Store, model: str, version: str, day: datetime) -> str:
    """Return what was gathered after a day that is known."""
    with store.read() as db:
        found = db.execute(
            "select state from stillness where model = ? and version = ? and day = ?",
            [model, version, day],
        ).fetchall()
    return str(found[0][0])


def put(
    store: Store,
    model: str,
    version: str,
    terms: str,
    gathered: Sequence[tuple[datetime, int, str]],
) -> None:
    """Keep what was gathered after each of some days, with the rows that it had."""
    with store.write() as db:
        for day, rows, text in gathered:
            db.execute(
                "insert into stillness values (?, ?, ?, ?, ?, ?)",
                [model, version, day, rows, terms, text],
            )


def forget(store: Store, model: str, version: str, since: datetime) -> None:
    """Forget what was gathered from a day on."""
    with store.write() as db:
        db.execute(
            "delete from stillness where model = ? and version = ? and day >= ?",
            [model, version, since],
        )
