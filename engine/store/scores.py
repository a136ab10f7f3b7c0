"""Every measured number with its window, n and interval; a later measurement replaces it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from engine.store.connection import Store, insert, naive, zoned

_TEXTS = ("model", "version", "kind", "name", "detail")
_READ = "model, version, kind, name, window_from, window_to, value, n, low, high, detail"
_COLUMNS = (
    "model, version, kind, name, window_from, window_to, value, low, high, n, detail, look, "
    "measured"
)


@dataclass(frozen=True, slots=True)
class Score:
    """One number: of a version ("served" for answers as clients got them), over one window."""

    model: str
    version: str
    kind: str
    name: str
    window_from: datetime
    window_to: datetime
    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    detail: str | None = None


def put(store: Store, scores: Sequence[Score], measured: datetime) -> None:
    """Store measurements that belong to no look; the same number of the same window is replaced."""
    if not scores:
        return
    with store.write() as db:
        block = _block(scores, None, measured)
        db.register("replaced", block)
        db.execute(
            "delete from scores using replaced r where scores.model = r.model "
            "and scores.version = r.version and scores.kind = r.kind and scores.name = r.name "
            "and scores.window_to = r.window_to"
        )
        db.unregister("replaced")
        insert(db, "scores", block, _COLUMNS)


def put_look(store: Store, model: str, look: datetime, scores: Sequence[Score]) -> None:
    """Store all that a look measured, in place of what was stored of it before."""
    with store.write() as db:
        db.execute("delete from scores where model = ? and look = ?", [model, naive(look)])
        if scores:
            insert(db, "scores", _block(scores, look, look), _COLUMNS)


def of_look(store: Store, model: str, look: datetime) -> list[Score]:
    """Return what is stored of a look, in a determined order."""
    with store.read() as db:
        found = db.execute(
            f"select {_READ} from scores where model = ? and look = ? "
            "order by kind, version, name, window_to",
            [model, naive(look)],
        ).fetchall()
    return [_score(row) for row in found]


def by_look(store: Store, model: str) -> dict[datetime, list[Score]]:
    """Return what is stored of every look, oldest first."""
    with store.read() as db:
        rows = db.execute(
            f"select {_READ}, look from scores where model = ? and look is not null "
            "order by look, kind, version, name, window_to",
            [model],
        ).fetchall()
    found: dict[datetime, list[Score]] = {}
    for row in rows:
        found.setdefault(zoned(row[-1]) or row[-1], []).append(_score(row))
    return found


def _block(scores: Sequence[Score], look: datetime | None, measured: datetime) -> dict[str, Any]:
    block = {name: np.array([getattr(s, name) for s in scores], dtype=object) for name in _TEXTS}
    for name in ("window_from", "window_to"):
        times = [naive(getattr(s, name)) for s in scores]
        block[name] = np.array(times, dtype="datetime64[us]")
    for name in ("value", "low", "high"):
        block[name] = _numbers([getattr(s, name) for s in scores])
    block["n"] = np.array([s.n for s in scores], dtype=np.int64)
    for name, at in (("look", look), ("measured", measured)):
        moment = np.datetime64("NaT") if at is None else naive(at)
        block[name] = np.full(len(scores), moment, dtype="datetime64[us]")
    return block


def _numbers(values: list[float | None]) -> Any:
    """Return a column in which None is null, not NaN."""
    missing = np.array([v is None for v in values])
    return np.ma.MaskedArray([0.0 if v is None else v for v in values], mask=missing)


def latest(store: Store, model: str, kind: str, version: str | None = None) -> list[Score]:
    """Return the newest measurement of every name of a kind."""
    return _select(
        store,
        "qualify row_number() over (partition by version, name order by window_to desc) = 1",
        model,
        kind,
        version,
    )


def history(
    store: Store,
    model: str,
    kind: str,
    version: str | None = None,
    name: str | None = None,
    windows: int | None = None,
) -> list[Score]:
    """Return the measurements of a kind, or those of its newest windows, oldest first."""
    newest = f"qualify dense_rank() over (order by window_to desc) <= {windows} " if windows else ""
    return _select(store, f"{newest}order by window_to, version, name", model, kind, version, name)


def _select(
    store: Store,
    tail: str,
    model: str,
    kind: str,
    version: str | None = None,
    name: str | None = None,
) -> list[Score]:
    """Return scores of a kind; of a window that several looks measured, what the newest found."""
    with store.read() as db:
        found = db.execute(
            f"select {_READ} from (from scores where model = $model and kind = $kind "
            "and ($version is null or version = $version) and ($name is null or name = $name) "
            "qualify row_number() over (partition by version, name, window_to "
            f"order by look desc nulls last) = 1) {tail}",
            {"model": model, "kind": kind, "version": version, "name": name},
        ).fetchall()
    return [_score(row) for row in found]


def _score(row: Sequence[Any]) -> Score:
    """Return a row of _READ, whatever stands behind it."""
    model, version, kind, name, since, until, value, n, low, high, detail = row[:11]
    span = (zoned(since) or since, zoned(until) or until)
    return Score(model, version, kind, name, *span, value, n, low, high, detail)
