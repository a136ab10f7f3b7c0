"""Which columns of a user's table are no features: useless ones, and outcomes in disguise."""

from collections.abc import Callable, Sequence

from engine.settings import Task
from engine.store.tables import Column, Tables, is_whole, kind_of

Ask = Callable[[str, str], str]  # a question and the answer it has by default, to the answer

_CATEGORIES = 250  # more texts than this are names, not categories
_NEAR_PERFECT = 0.02
_SUSPECT = 0.3


def useless(columns: Sequence[Column], rows: int) -> dict[str, str]:
    """Return the columns that no estimator can learn from, each with the reason."""
    found: dict[str, str] = {}
    for column in columns:
        kind = kind_of(column.sql_type)
        if column.distinct <= 1:
            found[column.name] = "always empty" if not column.distinct else "one value only"
        elif kind == "time":
            found[column.name] = "a time is no number, truth or category"
        elif kind == "text" and column.distinct >= 0.9 * (rows - column.nulls):
            found[column.name] = "a text that differs in nearly every row"
        elif is_whole(column.sql_type) and column.distinct == rows and rows >= 100:
            found[column.name] = "a whole number that differs in every row"
        elif kind == "text" and column.distinct > _CATEGORIES:
            found[column.name] = f"{column.distinct} different texts are too many categories"
    return found


def leaks(
    tables: Tables,
    columns: Sequence[Column],
    target: Column,
    task: Task,
    ask: Ask,
    said: list[str],
) -> dict[str, str]:
    """Return the columns that are the outcome in disguise; what is only suspect is said."""
    found: dict[str, str] = {}
    for column in columns:
        why = _leak(tables, column, target, task, said)
        question = f'"{column.name}" looks like the outcome itself: {why}. Leave it out? (yes, no)'
        if why and not ask(question, "yes").lower().startswith("n"):
            found[column.name] = why
    return found


def _leak(
    tables: Tables, column: Column, target: Column, task: Task, said: list[str]
) -> str | None:
    if target.nulls and tables.distinct_where(column.name, target.name) <= 1:
        return f'it varies only where "{target.name}" is empty'
    if column.nulls >= 10 and tables.empty_together(column.name, target.name) >= 0.98:
        return f'it is empty exactly where "{target.name}" is: it comes with the outcome'
    numeric = kind_of(column.sql_type) == "number"
    left = tables.unexplained(column, target.name, numeric=numeric, number=task == "regression")
    if left <= _NEAR_PERFECT:
        return f'it alone tells "{target.name}" in nearly every row'
    if left <= _SUSPECT:
        said.append(
            f'look at "{column.name}": it alone tells most of "{target.name}". If it is known only '
            "with the outcome, put it under exclude"
        )
    return None
