"""What a column to be predicted is: classes or a quantity, and what is wrong in how it is kept."""

import re

from engine.draft_time import Ask
from engine.errors import InvalidError
from engine.settings import Task
from engine.store.tables import Column, Tables, is_whole

_CLASSES = 12  # a whole number with more values than this is a quantity
_ASKED = 20
_TEXT_CLASSES = 100
_FEW = 20  # rows of a class, below which nothing is learned of it
_QUANTITY = re.compile(
    r"(^|_)(n|num|count|cnt|qty|quantity|visits|days|hours|minutes|seconds|min|age|amount|price|"
    r"cost|sum|total|sales|units|items|orders|number|temp|temperature)(_|$)",
    re.IGNORECASE,
)


def task_of(target: Column, ask: Ask, said: list[str]) -> Task:
    """Guess the task from a target's type, name and number of values, and say why."""
    kind, values = target.kind, f"{target.distinct} different values"
    whole = is_whole(target.sql_type) and target.distinct > 2
    task: Task
    if kind == "boolean" or target.distinct == 2:
        task, why = "binary", "it has two values"
    elif kind == "text":
        task, why = "multiclass", f"it is text, of {values}"
    elif whole and _QUANTITY.search(target.name):
        task, why = "regression", "it is a whole number and its name says a quantity"
    elif whole and target.distinct <= _CLASSES:
        task, why = "multiclass", f"it is a whole number of only {values}"
    else:
        task, why = "regression", "it is a number" + (f" of {values}" if whole else "")
    if whole and target.distinct <= _ASKED:
        task = _settled(target, task, ask)
    said.append(f'task {task}: "{target.name}" is {target.sql_type}, {why}; else --task')
    return task


def _settled(target: Column, guess: Task, ask: Ask) -> Task:
    answer = ask(
        f'Are the {target.distinct} values of "{target.name}" classes or a quantity? '
        "(multiclass, regression)",
        guess,
    )
    return "regression" if answer.lower().startswith("r") else "multiclass"


def check(tables: Tables, task: Task, target: Column, *, wished: bool) -> None:
    """Raise InvalidError where a column cannot be predicted so, with what to do instead."""
    _check_kind(tables, task, target)
    if wished or task == "regression":
        return
    spellings: dict[str, list[str]] = {}
    for value, _ in tables.values(target.name, 2 * _TEXT_CLASSES):
        spellings.setdefault(value.strip().casefold(), []).append(value)
    several = next((found for found in spellings.values() if len(found) > 1), None)
    if several:
        ways = ", ".join(f'"{way}"' for way in several[:4])
        raise InvalidError(
            f'Predicting "{target.name}" as {task}: it writes one class in several ways: {ways}. '
            "Write each class one way in the file; if they are different classes, say --task "
            "multiclass.",
            code="bad_target",
            field="target",
        )


def _check_kind(tables: Tables, task: Task, target: Column) -> None:
    found, do = "", "Name another column with --target, or another task with --task."
    if target.distinct < 2:
        found = f"it has {target.distinct} different values, so there is nothing to learn"
        if target.distinct and target.nulls:
            found += (
                f'. It is "{target.low}" in {tables.rows - target.nulls} rows and empty in '
                f"{target.nulls}, and an empty cell is an outcome that is not known"
            )
            do = "Write the other class into the empty cells if they mean one."
    elif target.kind in ("time", "other"):
        found = f"its type is {target.sql_type}"
    elif task == "binary" and target.distinct != 2:
        found = f"it has {target.distinct} different values, not two"
    elif task == "multiclass" and target.distinct > _TEXT_CLASSES:
        found = f"it has {target.distinct} different values, too many to be classes"
    elif task == "regression" and target.kind != "number":
        found = f"its type is {target.sql_type}, no number"
    if not found:
        return
    if target.kind == "text":
        share, others = tables.numbers_in(target.name)
        if share >= 0.5 and others:
            found += f'. {share:.0%} of its texts are numbers, others are like "{others[0][:40]}"'
            do = "Empty the cells that are no numbers to predict a quantity."
    raise InvalidError(
        f'Predicting "{target.name}" as {task}: {found}. {do}', code="bad_target", field="target"
    )


def tell_classes(tables: Tables, task: Task, target: Column, said: list[str]) -> None:
    """Say which class is the positive one, and which classes are too rare to be learned."""
    if task == "regression":
        return
    values = tables.values(target.name, _TEXT_CLASSES)
    if task == "binary":
        positive = max(value for value, _ in values)
        said.append(f'a score is the chance that "{target.name}" is "{positive}"')
    rare = [f'"{value}" ({rows})' for value, rows in values if rows < _FEW]
    if rare:
        said.append(
            f'few rows to learn from, below {_FEW}: {", ".join(rare[:5])} of "{target.name}"; '
            "gather more, or join rare classes into one"
        )
