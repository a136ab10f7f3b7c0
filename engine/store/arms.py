"""What the two arms of a canary have answered, from the prediction log: measured, not judged."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from engine.store.connection import Store, naive

Counts = tuple[int, int]  # answers, and those that were slow

_UNITS = {"client": "coalesce(nullif(client, ''), nullif(id, ''), prediction_id)",
          "id": "coalesce(nullif(id, ''), prediction_id)"}  # fmt: skip
_FEATURE = "coalesce(json_extract_string(features, $path), prediction_id)"


@dataclass(frozen=True, slots=True)
class Arms:
    """Rows that the canary answered; units met by it and in all; blocks of answers, in order.

    Each block is (canary, champion), an answer being a request's part of one arm.
    """

    rows: int
    canary_units: int
    units: int
    blocks: list[tuple[Counts, Counts]]


@dataclass(frozen=True, slots=True)
class Window:
    """The step looked at: by which versions, from which generation and moment on."""

    model: str
    champion: str
    canary: str
    generation: int
    received: datetime


def read(store: Store, window: Window, unit: str, slow_ms: float, block: int) -> Arms:
    """Return what both arms answered in a step; the last block, not full yet, is left out."""
    values: dict[str, Any] = {
        "model": window.model,
        "champion": window.champion,
        "canary": window.canary,
        "generation": window.generation,
        "received": naive(window.received),
    }
    seen = (
        "(select * from predictions where model = $model and version in ($champion, $canary) "
        "and generation >= $generation and received >= $received "
        "and client is distinct from 'cdml-probe')"
    )
    named = _UNITS.get(unit, _FEATURE)
    path = {} if unit in _UNITS else {"path": f'$."{unit}"'}
    with store.read() as db:
        totals = db.execute(
            "select count(*) filter (version = $canary), "
            "count(distinct unit) filter (version = $canary), count(distinct unit) "
            f"from (select version, {named} as unit from {seen})",
            values | path,
        ).fetchone()
        blocks = db.execute(
            "select count(*) filter (arm), count(*) filter (arm and slow), "
            "count(*) filter (not arm), count(*) filter (not arm and slow) from ("
            "select arm, slow, (row_number() over (order by received, first) - 1) // $block part "
            "from (select version = $canary as arm, latency_ms > $slow_ms as slow, received, "
            f"min(prediction_id) as first from {seen} "
            "group by version, received, client, latency_ms)) "
            "group by part having count(*) = $block order by part",
            values | {"block": block, "slow_ms": slow_ms},
        ).fetchall()
    rows, canary_units, units = totals or (0, 0, 0)
    return Arms(rows, canary_units, units, [((a, b), (c, d)) for a, b, c, d in blocks])


def rows_per_minute(store: Store, model: str, now: datetime) -> float:
    """Return how many rows a minute came in the day before; 0 where none did."""
    with store.read() as db:
        found = db.execute(
            "select count(*), min(ts) from predictions where model = $model and ts > $since "
            "and ts <= $now and client is distinct from 'cdml-probe'",
            {"model": model, "since": naive(now - timedelta(days=1)), "now": naive(now)},
        ).fetchone()
    if found is None or not found[0]:
        return 0.0
    minutes = (naive(now) - found[1]) / timedelta(minutes=1)
    return float(found[0] / max(minutes, 1.0))
