"""A KPI's SQL over the joined log, checked each time before it runs, within a deadline."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import duckdb
import msgspec
import numpy as np

from engine.errors import InvalidError
from engine.settings import Settings
from engine.store import kpi_sql
from engine.store.confined import connect
from engine.store.connection import Store, naive
from engine.store.files import name_of
from engine.store.predictions import ANSWERED, JOINED
from engine.store.snapshots import plain

DEADLINE_S = 5.0

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


def check(model: str, name: str, sql: str, columns: Collection[str] | None = None) -> None:
    """Refuse SQL that is not one expression of pure functions over these columns of the log."""
    found = kpi_sql.fault(sql, columns)
    if found:
        raise InvalidError(
            f'Reading KPI "{name}" of model "{model}": {found}. Write one aggregate over score, '
            "decision, label, version, time and the features, such as avg(...).",
            code="bad_kpi",
            field=f"models.{model}.kpi.{name}.sql",
        )


def check_all(settings: Settings, features: Mapping[str, Collection[str]] | None = None) -> None:
    """Refuse settings with a KPI that could not be measured.

    `features` are those of the models whose rows have been delivered.
    """
    for model, wanted in settings.models.items():
        delivered = (features or {}).get(model)
        columns = {*delivered, *_taken(wanted.task)} if delivered else None
        for name, kpi in wanted.kpi.items():
            check(model, name, kpi.sql, columns)


def _checked(sql: str, columns: Collection[str]) -> str:
    """Return the expression ready to be put into a query, checked each time it is."""
    found = kpi_sql.fault(sql, columns)
    if found:
        raise _bad(found)
    return kpi_sql.whole(sql)


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
    except duckdb.InterruptException:
        raise  # the deadline of the reader
    except (duckdb.ProgrammingError, duckdb.DataError, duckdb.OutOfMemoryException) as e:
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
    decided = decision if decision is not None else _DECISIONS.get(task, "null")
    columns = {*_taken(task), *(k.lower() for k in kinds)}
    wanted = _checked(sql, columns)
    view, values = _view(task, sql, kinds, JOINED, decided, _label(task))
    if task == "binary":
        values["classes"] = list(classes)
    with _said(), store.read(DEADLINE_S) as db:
        row = db.execute(
            f"with log as (select * from ({view}) where label is not null) "
            f"select {wanted}, count(*) from log",
            values | {"model": model, "since": naive(since), "until": naive(until)},
        ).fetchone()
    if row is None or row[1] == 0:
        return None, 0
    return (None if row[0] is None else float(row[0])), int(row[1])


def each_label(
    store: Store,
    model: str,
    task: str,
    sql: str,
    kinds: dict[str, str],
    since: datetime,
    until: datetime,
    classes: Sequence[str] = ("false", "true"),
) -> Any:
    """Return what each answered row adds to a KPI with each label: rows x classes, as `answered`.

    None where the KPI is no plain average of rows, or a row adds nothing with some label.
    """
    inner = kpi_sql.averaged(sql)
    if inner is None or task == "regression":
        return None
    _checked(sql, {*_taken(task), *(k.lower() for k in kinds)})
    label = "cast(place as boolean)" if task == "binary" else "list_extract($classes, place + 1)"
    each = f"select unnest(range({len(classes)})) as place"
    rows = f"select a.*, e.place from ({ANSWERED}) a, ({each}) e"
    view, values = _view(task, sql, kinds, rows, _DECISIONS[task], f"{label} as label, place")
    values |= {"classes": list(classes)} if task == "multiclass" else {}
    with _said(), store.read(DEADLINE_S) as db:
        found = db.execute(
            f"select cast(({inner}) as double) as v from ({view}) as log "
            'order by log."time", log."row of log", log.place',
            values | {"model": model, "since": naive(since), "until": naive(until)},
        ).fetchnumpy()["v"]
    terms = plain(found).reshape(-1, len(classes))
    return None if np.isnan(terms).any() else terms


def by_window(
    store: Store,
    model: str,
    task: str,
    sql: str,
    kinds: dict[str, str],
    since: datetime,
    until: datetime,
    length_us: int,
    classes: Sequence[str] = ("false", "true"),
) -> dict[int, tuple[float | None, int]]:
    """Return a KPI and its n for each window of a length, by the number of windows since 1970."""
    wanted = _checked(sql, {*_taken(task), *(k.lower() for k in kinds)})
    view, values = _view(task, sql, kinds, JOINED, _DECISIONS.get(task, "null"), _label(task))
    values |= {"classes": list(classes)} if task == "binary" else {}
    with _said(), store.read(DEADLINE_S) as db:
        found = db.execute(
            f"with log as (select * from ({view}) where label is not null) select "
            f'epoch_us(log."time") // $length as place, {wanted}, count(*) from log group by place',
            values
            | {
                "model": model,
                "since": naive(since),
                "until": naive(until),
                "length": length_us,
            },
        ).fetchall()
    return {int(at): (None if v is None else float(v), int(n)) for at, v, n in found}


def _view(
    task: str, sql: str, kinds: dict[str, str], rows: str, decision: str, label: str
) -> tuple[str, dict[str, Any]]:
    """Return what a KPI may read of rows of the log, and the values that this takes.

    Only features that the SQL names are taken out of what clients sent.
    """
    used, taken = kpi_sql.names(sql), _taken(task)
    shape = {c: k for c, k in kinds.items() if c.lower() in used - taken}
    features = "".join(f", f.{name_of(c)} as {name_of(c)}" for c in shape)
    shaped = "json_transform(features, $shape)" if shape else "null"
    answer = _ANSWERS.get(task, "answer as probabilities")
    view = (
        f"select {answer}, {decision} as decision, {label}, version, ts as time, "
        f'prediction_id as "row of log"{features} from  (select *, {shaped} as f from ({rows}) '
        "where ts >= $since and ts < $until and role <> 'shadow')"
    )
    return view, {"shape": msgspec.json.encode(shape).decode()} if shape else {}


def by_threshold(
    sql: str, facts: dict[str, Any], thresholds: Sequence[float]
) -> list[float | None]:
    """Return a binary KPI at each decision threshold, over rows that are not in the store."""
    wanted = _checked(sql, _lower(facts))
    with connect() as db, _said():
        db.register("facts", facts)
        found = db.execute(
            "with log as (select facts.*, facts.score >= c.cut as decision, "
            'c.cut as "cut of row" from facts, (select unnest($cuts) as cut) c) '
            f'select "cut of row", {wanted} from log group by "cut of row"',
            {"cuts": list(thresholds)},
        ).fetchall()
    values = dict(found)
    return [values.get(t) for t in thresholds]


def expected_by_threshold(
    sql: str, facts: dict[str, Any], thresholds: Sequence[float]
) -> list[float | None]:
    """Return what a binary KPI comes to at each threshold if the scores are right, labels unseen.

    None for each where the KPI is no plain average of rows.
    """
    inner = kpi_sql.averaged(sql)
    if inner is None:
        return [None for _ in thresholds]
    _checked(sql, _lower(facts))
    with connect() as db, _said():
        db.register("facts", {k: v for k, v in facts.items() if k != "label"})
        found = db.execute(
            "with log as (select facts.*, e.label, case when e.label then facts.score else 1 - "
            'facts.score end as "weight of row", facts.score >= c.cut as decision, c.cut as '
            '"cut of row" from facts, (select unnest([true, false]) as label) e, '
            "(select unnest($cuts) as cut) c) "
            f'select "cut of row", sum("weight of row" * cast(({inner}) as double)) '
            '/ sum("weight of row") from log group by "cut of row"',
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
    wanted = _checked(sql, _lower(facts))
    with connect() as db, _said():
        db.register("log", {**facts, "decision": decisions})
        row = db.execute(f"select {wanted} from log").fetchone()
    return None if row is None or row[0] is None else float(row[0])


def resampled(
    sql: str, facts: dict[str, Any], decisions: dict[str, Any], blocks: Any, draws: Any
) -> dict[str, Any]:
    """Return a KPI for each draw of blocks (draws x blocks), one array per decision rule.

    Every rule sees the same draws, so that differences are paired.
    """
    count, width = draws.shape
    drawn = {"draw of row": np.repeat(np.arange(count), width), "block": draws.ravel()}
    found, wanted = {}, _checked(sql, _lower(facts))
    with connect() as db, _said():
        db.register("drawn", drawn)
        for name, decided in decisions.items():
            db.register("facts", {**facts, "decision": decided, "block of row": blocks})
            values = db.execute(
                'with log as (select facts.*, drawn."draw of row" from drawn join facts '
                f'on facts."block of row" = drawn.block) select {wanted} from log '
                'group by "draw of row" order by "draw of row"'
            ).fetchall()
            found[name] = np.array([np.nan if v[0] is None else v[0] for v in values], float)
    return found


def _taken(task: str) -> set[str]:
    answer = {"binary": "score", "regression": "value"}.get(task, "probabilities")
    return {answer, "decision", "label", "version", "time"}


def _label(task: str) -> str:
    return f"{_LABELS[task]} as label"


def _lower(facts: dict[str, Any]) -> set[str]:
    return {*(name.lower() for name in facts), "decision"}
