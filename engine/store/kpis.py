"""A KPI's SQL, checked before it runs: one aggregate over one view, nothing else."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any

import duckdb
import msgspec
import numpy as np

from engine.errors import InvalidError
from engine.settings import Settings
from engine.store.connection import Store, naive
from engine.store.files import name_of
from engine.store.predictions import JOINED

# The place of a class among two, by its name; true and 1, false and 0 are the same class.
_NAME = "regexp_replace(json_extract_string(label, '$'), '^(-?[0-9]+)\\.0+$', '\\1')"
_LABELS = {
    "binary": (
        f"cast(coalesce(list_position($classes, {_NAME}), list_position($classes, "
        f"case {_NAME} when 'true' then '1' when 'false' then '0' "
        "when '1' then 'true' when '0' then 'false' end)) - 1 as boolean)"
    ),
    "multiclass": _NAME,
    "regression": "try_cast(label as double)",
}
_ANSWERS = {"binary": "answer[1] as score", "regression": "answer[1] as value"}
_DECISIONS = {"binary": "cast(decision as boolean)", "multiclass": "decision"}


def check(model: str, name: str, sql: str) -> None:
    """Refuse SQL that is not one aggregate expression over the joined log."""
    found = fault(sql)
    if found:
        raise InvalidError(
            f'Reading KPI "{name}" of model "{model}": {found}. Write one aggregate over score, '
            "decision, label, version, time and the features, such as avg(...).",
            code="bad_kpi",
            field=f"models.{model}.kpi.{name}.sql",
        )


def check_all(settings: Settings) -> None:
    """Refuse settings with a KPI that could not be measured."""
    for model, wanted in settings.models.items():
        for name, kpi in wanted.kpi.items():
            check(model, name, kpi.sql)


@lru_cache(maxsize=64)
def fault(sql: str) -> str | None:
    """Return why SQL is no single expression over the joined log, or None."""
    with duckdb.connect(config={"threads": 1}) as db:
        row = db.execute("select json_serialize_sql(?)", [f"select {_whole(sql)} from log"])
        parsed: Any = msgspec.json.decode((row.fetchone() or ["{}"])[0])
    if parsed.get("error"):
        return str(parsed.get("error_message", "it cannot be parsed")).splitlines()[0]
    if len(parsed["statements"]) != 1:
        return "it is more than one statement"
    node = parsed["statements"][0]["node"]
    if node.get("type") != "SELECT_NODE" or node.get("from_table", {}).get("table_name") != "log":
        return "it reads something else than the joined log"
    if len(node.get("select_list", [])) != 1:
        return "it is more than one value"
    text = msgspec.json.encode(node).decode()
    return next((said for sign, said in _NEVER.items() if sign in text), None)


_NEVER = {
    '"class":"SUBQUERY"': "it holds a subquery",
    '"class":"STAR"': "it holds a star that stands for columns",
    '"class":"WINDOW"': "it holds a window function",
    '"class":"PARAMETER"': "it holds a parameter",
    '"function_name":"row"': "it is not one value",
}


def _whole(sql: str) -> str:
    """Return the expression so that a comment or a parenthesis of its own cannot end it."""
    return f"cast((\n{sql}\n) as double)"


def _checked(sql: str) -> str:
    """Return the expression ready to be put into a query, checked each time it is."""
    found = fault(sql)
    if found:
        raise _bad(found)
    return _whole(sql)


def _bad(found: str) -> InvalidError:
    return InvalidError(
        f"Measuring a KPI: {found}. Write one aggregate over the columns there are, and use "
        "cdml reload.",
        code="bad_kpi",
        field="kpi",
    )


@contextmanager
def _said() -> Iterator[None]:
    """Say in our words what DuckDB finds wrong with a KPI."""
    try:
        yield
    except (duckdb.ProgrammingError, duckdb.DataError) as e:
        raise _bad(str(e).splitlines()[0][:200]) from e


def served(
    store: Store,
    model: str,
    task: str,
    sql: str,
    kinds: dict[str, str],
    since: datetime,
    until: datetime,
    decision: str | None = None,
    classes: Sequence[str] = ("false", "true"),
) -> tuple[float | None, int]:
    """Return a KPI and its n over mature labelled rows; `decision` replaces what was decided.

    A label that is none of the classes, or no number where one is predicted, is no label.
    """
    taken = _taken(task)
    features = ", ".join(f"f.{name_of(c)} as {name_of(c)}" for c in kinds if c.lower() not in taken)
    decided = decision if decision is not None else _DECISIONS.get(task, "null")
    answer = _ANSWERS.get(task, "answer as probabilities")
    shaped = "json_transform(features, $shape)" if kinds else "null"
    view = (
        f"select {answer}, {decided} as decision, {_LABELS[task]} as label, version, ts as time"
        f"{', ' + features if features else ''} from (select *, "
        f"{shaped} as f from ({JOINED}) where role <> 'shadow')"
    )
    known: dict[str, Any] = {"classes": list(classes)} if task == "binary" else {}
    known |= {"shape": msgspec.json.encode(kinds).decode()} if kinds else {}
    with store.read() as db, _said():
        row = db.execute(
            f"with log as (select * from ({view}) where label is not null) "
            f"select {_checked(sql)}, count(*) from log",
            known
            | {
                "model": model,
                "since": naive(since),
                "until": naive(until),
            },
        ).fetchone()
    if row is None or row[1] == 0:
        return None, 0
    return (None if row[0] is None else float(row[0])), int(row[1])


def by_threshold(
    sql: str, facts: dict[str, Any], thresholds: Sequence[float]
) -> list[float | None]:
    """Return a binary KPI at each decision threshold, over rows that are not in the store."""
    with duckdb.connect(config={"threads": 1}) as db, _said():
        db.register("facts", facts)
        found = db.execute(
            "with log as (select facts.*, facts.score >= c.cut as decision, "
            'c.cut as "cut of row" from facts, (select unnest($cuts) as cut) c) '
            f'select "cut of row", {_checked(sql)} from log group by "cut of row"',
            {"cuts": list(thresholds)},
        ).fetchall()
    values = dict(found)
    return [values.get(t) for t in thresholds]


def facts(features: dict[str, Any], scores: Any, labels: Any, times: Any = None) -> dict[str, Any]:
    """Return what a binary KPI may read of rows that are not in the store, but the decision."""
    n = len(labels)
    taken = _taken("binary")
    return {name: values for name, values in features.items() if name.lower() not in taken} | {
        "score": np.asarray(scores, float),
        "label": np.asarray(labels, bool),
        "version": np.full(n, "", dtype=object),
        "time": np.zeros(n, "datetime64[us]") if times is None else times,
    }


def of_rows(sql: str, facts: dict[str, Any], decisions: Any) -> float | None:
    """Return a binary KPI over rows that are not in the store: facts and how each was decided."""
    with duckdb.connect(config={"threads": 1}) as db, _said():
        db.register("log", {**facts, "decision": decisions})
        row = db.execute(f"select {_checked(sql)} from log").fetchone()
    return None if row is None or row[0] is None else float(row[0])


def resampled(
    sql: str, facts: dict[str, Any], decisions: dict[str, Any], blocks: Any, draws: Any
) -> dict[str, Any]:
    """Return a KPI for each draw of blocks (draws x blocks), one array per decision rule.

    Every rule sees the same draws, so that differences are paired.
    """
    count, width = draws.shape
    drawn = {"draw of row": np.repeat(np.arange(count), width), "block": draws.ravel()}
    found = {}
    with duckdb.connect(config={"threads": 1}) as db, _said():
        db.register("drawn", drawn)
        for name, decided in decisions.items():
            db.register("facts", {**facts, "decision": decided, "block of row": blocks})
            values = db.execute(
                'with log as (select facts.*, drawn."draw of row" from drawn join facts '
                f'on facts."block of row" = drawn.block) select {_checked(sql)} from log '
                'group by "draw of row" order by "draw of row"'
            ).fetchall()
            found[name] = np.array([np.nan if v[0] is None else v[0] for v in values], float)
    return found


def _taken(task: str) -> set[str]:
    answer = {"binary": "score", "regression": "value"}.get(task, "probabilities")
    return {answer, "decision", "label", "version", "time"}
