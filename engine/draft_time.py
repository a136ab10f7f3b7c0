"""Which columns of a user's table say when: an event is, and its outcome is known."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from engine.errors import InvalidError
from engine.store.tables import Column, Tables

Ask = Callable[[str, str], str]  # a question and the answer it has by default, to the answer

OUTCOME = re.compile(
    "label|outcome|known|result|resolved|closed|settled|paid|arriv|deliver|finish|end|cancel|"
    "churn|refund|return|chargeback|fail|discharg|complet|confirm|sold",
    re.IGNORECASE,
)
_EVENT = ("event_time", "timestamp", "time", "ts", "datetime", "event_date", "date", "occurred_at")
_CLOCK = re.compile(
    "time|date|stamp|when|unix|epoch|datum|zeit|fecha|^ts|_ts$|_at$|^day$", re.IGNORECASE
)
_TELLS = 0.3


def clocked(column: Column) -> bool:
    """Say whether a column holds times: by type, by all its texts, or a number of that name."""
    named = column.reads_as_time and bool(_CLOCK.search(column.name))
    return column.kind == "time" or (column.kind == "number" and named)


def time_of(tables: Tables, taken: set[str | None], ask: Ask, said: list[str]) -> str:
    """Guess the column that says when an event is; InvalidError where no column does."""
    times = [c for c in tables.columns if clocked(c) and c.name not in taken]
    if not times:
        raise _timeless(tables, taken)
    ranked = sorted(times, key=_rank)
    best = ranked[0].name
    if len(ranked) > 1 and _rank(ranked[0])[:2] == _rank(ranked[1])[:2]:
        names = ", ".join(c.name for c in ranked)
        best = ask(f"Which column says when the event is? ({names})", best)
        if best not in {c.name for c in times}:
            raise InvalidError(
                f'Taking "{best}" as the time: it is none of {names}. Name one with --time.',
                code="bad_time_column",
                field="time",
            )
    why = "the only column of times"
    if ranked[1:]:
        why = f"of {len(ranked)} columns with times the likeliest by name, rows filled and start"
    said.append(f'time "{best}": {why}; else --time{_example(tables, best)}')
    return best


def _timeless(tables: Tables, taken: set[str | None]) -> InvalidError:
    near = [c for c in tables.columns if c.reads_as_time and c.name not in taken]
    hint = (
        f'"{near[0].name}" could be one by its values: name it with --time if it is. '
        if near
        else "Add a column with the day each row is of, like 2024-07-01, and name it with --time; "
        "a table whose rows have no time at all cannot be delivered over time. "
    )
    return InvalidError(
        "Looking for the time of each row: no column is a date or a time. cdml trains on the past, "
        f"judges on newer rows and watches what comes after, all by that time. {hint}"
        "The columns are: "
        + ", ".join(f"{c.name} ({c.sql_type}{_sample(c)})" for c in tables.columns[:20])
        + (f" and {len(tables.columns) - 20} more" if len(tables.columns) > 20 else "")
        + ".",
        code="no_time_column",
        field="time",
    )


def _sample(column: Column) -> str:
    return f', like "{column.samples[0][:24]}"' if column.kind == "text" and column.samples else ""


def _example(tables: Tables, name: str) -> str:
    column = next(c for c in tables.columns if c.name == name)
    if not column.reads_as_time or not column.samples:
        return ""
    return f". Its values are like {column.samples[0][:40]}"


def _rank(column: Column) -> tuple[bool, int, str]:
    name = column.name.lower()
    place = _EVENT.index(name) if name in _EVENT else len(_EVENT)
    return (bool(OUTCOME.search(name)) or column.nulls > 0, place, column.low or "")


def check(tables: Tables, name: str, key: str) -> None:
    """Raise InvalidError where a column is no time that `key` could be."""
    column = next(c for c in tables.columns if c.name == name)
    if column.kind != "time" and not column.reads_as_time:
        sample = f', for example "{column.samples[0][:40]}"' if column.samples else ""
        raise InvalidError(
            f'Taking "{column.name}" as --{key}: its type is {column.sql_type}{sample}. '
            "Name a column of dates or times, written like 2013-07-01 14:05:00, 01.07.2013 14:05, "
            "20130701 or in Unix time.",
            code="bad_time_column",
            field=key.replace("-", "_"),
        )
    found = ""
    if not column.distinct or (key == "time" and column.nulls):
        found = f"it is empty in {column.nulls} rows"
    elif key == "time" and column.distinct < 2:
        found = f"it is {column.low} in every row, so no row is newer than another"
    if found:
        raise InvalidError(
            f'Taking "{column.name}" as --{key}: {found}. Name another column, or mend those rows.',
            code="bad_time_column",
            field=key.replace("-", "_"),
        )


def span_of(tables: Tables, time: str) -> tuple[datetime, datetime]:
    """Return the first and the last time; InvalidError where a calendar has none of them."""
    try:
        first, last = (datetime.fromtimestamp(at, UTC) for at in tables.span(time))
    except (ValueError, OverflowError, OSError):
        raise InvalidError(
            f'Reading the times of "{time}": some lie beyond the years 1 to 9999. Correct them.',
            code="bad_time_column",
            field="time",
        ) from None
    return first, last


def label_time_of(
    tables: Tables, taken: set[str | None], time: str, target: str, *, number: bool, said: list[str]
) -> tuple[str | None, float]:
    """Guess when outcomes are known: a column, and after how many seconds 98 % of them are.

    A time that only one outcome has (of a cancellation, say) names no row's: rows of the other
    outcome would never be known. It still tells how long an outcome may come.
    """
    for column in tables.columns:
        if column.name in taken or not clocked(column) or not column.distinct:
            continue
        order, delay = tables.delay(time, column.name)
        if order < 0.99:
            continue
        filled = tables.filled(column.name, target)
        if filled < 0.95:
            left = tables.unexplained_by_filling(column.name, target, number=number)
            if left <= _TELLS:
                said.append(
                    f'no label_time: "{column.name}" is filled for some outcomes of "{target}" '
                    f"only ({filled:.0%} of rows), but tells how late an outcome may come"
                )
                return None, delay
        if OUTCOME.search(column.name):
            said.append(f'label_time "{column.name}": a time that is never before "{time}"')
            return column.name, delay
    said.append("no label_time: outcomes count as known at once; else --label-time")
    return None, 0.0
