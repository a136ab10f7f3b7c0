"""A KPI's SQL, checked before it runs: one aggregate over one view, nothing else."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import msgspec
import numpy as np

from engine.errors import InvalidError
from engine.store.connection import Store, naive
from engine.store.predictions import JOINED

_LABELS = {"binary": "cast(label as boolean)", "regression": "cast(label as double)"}
_ANSWERS = {"binary": "answer[1] as score", "regression": "answer[1] as value"}
_DECISIONS = {"binary": "cast(decision as boolean)", "multiclass": "decision"}


def check(model: str, name: str, sql: str) -> None:
    """Refuse SQL that is not one aggregate expression over the joined log."""
    with duckdb.connect() as db:
        row = db.execute("select json_serialize_sql(?)", [f"select {sql} from log"]).fetchone()
    parsed: Any = msgspec.json.decode(row[0]) if row else {}
    found = None
    if parsed.get("error"):
        found = str(parsed.get("error_message", "it cannot be parsed")).splitlines()[0]
    elif len(parsed["statements"]) != 1:
        found = "it is more than one statement"
    else:
        node = parsed["statements"][0]["node"]
        source = node.get("from_table", {})
        if node.get("type") != "SELECT_NODE" or source.get("table_name") != "log":
            found = "it reads something else than the joined log"
        elif len(node.get("select_list", [])) != 1:
            found = "it is more than one value"
        elif '"class":"SUBQUERY"' in msgspec.json.encode(node).decode():
            found = "it holds a subquery"
    if found:
        raise InvalidError(
            f'Reading KPI "{name}" of model "{model}": {found}. Write one aggregate over score, '
            "decision, label, version, time and the features, such as avg(...).",
            code="bad_kpi",
            field=f"models.{model}.kpi.{name}.sql",
        )


def served(
    store: Store,
    model: str,
    task: str,
    sql: str,
    kinds: dict[str, str],
    since: datetime,
    until: datetime,
    decision: str | None = None,
) -> tuple[float | None, int]:
    """Return a KPI and its n over mature labelled rows; `decision` replaces what was decided."""
    features = ", ".join(f'f."{c}" as "{c}"' for c in kinds if c not in _taken(task))
    decided = decision if decision is not None else _DECISIONS.get(task, "null")
    label = _LABELS.get(task, "json_extract_string(label, '$')")
    answer = _ANSWERS.get(task, "answer as probabilities")
    view = (
        f"select {answer}, {decided} as decision, {label} as label, version, ts as time"
        f"{', ' + features if features else ''} from (select *, "
        f"json_transform(features, $shape) as f from ({JOINED}) "
        "where ts >= $since and ts < $until and role <> 'shadow')"
    )
    with store.read() as db:
        row = db.execute(
            f"with log as ({view}) select {sql}, count(*) from log",
            {
                "model": model,
                "shape": msgspec.json.encode(kinds).decode(),
                "since": naive(since),
                "until": naive(until),
            },
        ).fetchone()
    if row is None or row[1] == 0:
        return None, 0
    return (None if row[0] is None else float(row[0])), int(row[1])


def by_threshold(
    sql: str, scores: Any, labels: Any, features: dict[str, Any], thresholds: Sequence[float]
) -> list[float | None]:
    """Return a binary KPI at each decision threshold, over rows that are not in the store."""
    block = {**features, "score": np.asarray(scores, float), "label": np.asarray(labels, bool)}
    with duckdb.connect(config={"threads": 1}) as db:
        db.register("facts", block)
        found = db.execute(
            "with log as (select facts.*, facts.score >= c.cut as decision, '' as version, "
            f"timestamp 'epoch' as time, c.cut from facts, (select unnest($cuts) as cut) c) "
            f"select cut, {sql} from log group by cut",
            {"cuts": list(thresholds)},
        ).fetchall()
    values = dict(found)
    return [values.get(t) for t in thresholds]


def of_rows(sql: str, facts: dict[str, Any], decisions: Any) -> float | None:
    """Return a binary KPI over rows that are not in the store: facts and how each was decided."""
    with duckdb.connect(config={"threads": 1}) as db:
        db.register("log", {**facts, "decision": decisions})
        row = db.execute(f"select {sql} from log").fetchone()
    return None if row is None or row[0] is None else float(row[0])


def resampled(
    sql: str, facts: dict[str, Any], decisions: dict[str, Any], blocks: Any, draws: Any
) -> dict[str, Any]:
    """Return a KPI for each draw of blocks (draws x blocks), one array per decision rule.

    Every rule sees the same draws, so that differences are paired.
    """
    count, width = draws.shape
    drawn = {"draw": np.repeat(np.arange(count), width), "block": draws.ravel()}
    found = {}
    with duckdb.connect(config={"threads": 1}) as db:
        db.register("drawn", drawn)
        for name, decided in decisions.items():
            db.register("facts", {**facts, "decision": decided, "block of row": blocks})
            values = db.execute(
                "with log as (select facts.*, drawn.draw from drawn join facts "
                f'on facts."block of row" = drawn.block) select {sql} from log '
                "group by draw order by draw"
            ).fetchall()
            found[name] = np.array([np.nan if v[0] is None else v[0] for v in values], float)
    return found


def _taken(task: str) -> set[str]:
    answer = {"binary": "score", "regression": "value"}.get(task, "probabilities")
    return {answer, "decision", "label", "version", "time"}
