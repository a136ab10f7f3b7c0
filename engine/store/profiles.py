"""Reference profiles, frozen with a version, and the current window of live features."""

from datetime import datetime
from typing import Any

import msgspec

from engine.store.connection import Store, naive
from engine.store.files import name_of
from engine.store.snapshots import plain


def keep(store: Store, model: str, version: str, profiles: dict[str, str]) -> None:
    """Freeze the profile of every column of a version, as JSON text by column."""
    with store.write() as db:
        db.execute("delete from profiles where model = ? and version = ?", [model, version])
        for name, profile in profiles.items():
            db.execute("insert into profiles values (?, ?, ?, ?)", [model, version, name, profile])


def of(store: Store, model: str, version: str) -> dict[str, str]:
    """Return the frozen profiles of a version, JSON text by column."""
    with store.read() as db:
        found = db.execute(
            "select name, profile from profiles where model = ? and version = ?", [model, version]
        ).fetchall()
    return dict(found)


def live(
    store: Store, model: str, kinds: dict[str, str], since: datetime, until: datetime
) -> dict[str, Any]:
    """Return what clients sent with since <= ts < until: column -> array, in order of time.

    Rows are counted once, whichever version answered. `kinds` maps a feature to its SQL type.
    """
    if not kinds:
        return {}
    shape = msgspec.json.encode(kinds).decode()
    picked = ", ".join(f"f.{name_of(name)}" for name in kinds)
    with store.read() as db:
        found = db.execute(
            f"select {picked} from (select json_transform(features, $shape) as f "
            "from predictions where model = $model and ts >= $since and ts < $until "
            "and client is distinct from 'cdml-probe' order by ts, prediction_id)",
            {"shape": shape, "model": model, "since": naive(since), "until": naive(until)},
        ).fetchnumpy()
    return {name: plain(column) for name, column in found.items()}
