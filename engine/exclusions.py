"""Which columns of a user's table are no features: useless ones, and outcomes in disguise."""

import re
from collections.abc import Sequence

from engine.draft_time import OUTCOME, Ask, clocked
from engine.settings import Task
from engine.store.tables import Column, Tables, is_whole

_CATEGORIES = 250  # more texts than this are names, not categories
_FEW_TEXTS = 20
_MANY = 100
_KNOWN = 50  # rows with an outcome, below which a column tells it by chance
_NAMING = re.compile(r"(^|_)(id|uuid|guid|key|nr|no|code|zip|plz|postcode)$|Id$|ID$")
_SIGNED = re.compile(
    r"-?[$€£¥]\s?-?\d[\d.,' ]*|-?\d[\d.,' ]*\s?[%$€£¥]|-?\d{1,3}([,' ]\d{3})+(\.\d+)?"
)
_NEAR_PERFECT = 0.02
_SUSPECT = 0.3


def useless(tables: Tables, columns: Sequence[Column]) -> dict[str, str]:
    """Return the columns that no estimator can learn from, each with the reason."""
    found = {column.name: _useless(tables, column) for column in columns}
    return {name: why for name, why in found.items() if why is not None}


def _useless(tables: Tables, column: Column) -> str | None:
    if column.distinct <= 1:
        return "one value only" if column.distinct else "always empty"
    if column.kind == "other":
        return f"its type is {column.sql_type}; only numbers, text, true/false and times are taken"
    if clocked(column):
        return "a time is no number, truth or category"
    if column.kind == "text":
        return _useless_text(tables, column)
    if is_whole(column.sql_type) and tables.rows >= _MANY:
        if column.distinct == tables.rows and _counts_up(column, tables.rows):
            return "a whole number that differs in every row, like a running number"
        if _NAMING.search(column.name) and column.distinct > _CATEGORIES:
            return f"a number that names something: {column.distinct} are too many categories"
    return None


def _counts_up(column: Column, rows: int) -> bool:
    """Say whether whole numbers name rows: by their name, or being close to one another."""
    if _NAMING.search(column.name):
        return True
    return int(column.high or 0) - int(column.low or 0) < 2 * rows


def _useless_text(tables: Tables, column: Column) -> str | None:
    share, others = tables.numbers_in(column.name)
    numbers = 0.2 <= share < 1.0 and others
    signs = next((text for text in column.samples if _SIGNED.fullmatch(text.strip())), None)
    if signs is not None and column.distinct > _FEW_TEXTS:
        return f'numbers with signs like "{signs[:20]}" are text; write them without'
    if numbers and column.distinct > _FEW_TEXTS:
        return (
            f'{share:.0%} of its texts are numbers, others are like "{others[0][:20]}"; '
            "leave those cells empty to have a number"
        )
    if column.distinct >= 0.9 * (tables.rows - column.nulls):
        return "a text that differs in nearly every row"
    if column.distinct > _CATEGORIES:
        return f"{column.distinct} different texts are too many categories"
    return None


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
    if tables.rows - target.nulls < _KNOWN:
        return None
    numeric = column.kind == "number"
    left = tables.unexplained(column, target.name, numeric=numeric, number=task == "regression")
    if left <= _NEAR_PERFECT:
        return f'it alone tells "{target.name}" in nearly every row'
    if left <= _SUSPECT and OUTCOME.search(column.name):
        return f'it alone tells most of "{target.name}", and by its name it comes with an outcome'
    if left <= _SUSPECT:
        said.append(
            f'look at "{column.name}": it alone tells most of "{target.name}". If it is known only '
            "with the outcome, put it under exclude"
        )
    return None
