"""From a measured table to the draft of a model's settings: every guess is made here, and said."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from engine.errors import InvalidError
from engine.exclusions import Ask, leaks, useless
from engine.settings import METRIC_OF_TASK, METRICS, Task
from engine.settings_file import nearest
from engine.store.tables import Column, Tables, is_whole, kind_of

_EVENT = ("event_time", "timestamp", "time", "ts", "datetime", "event_date", "date", "occurred_at")
_OUTCOME = re.compile(
    "label|outcome|known|result|resolved|closed|settled|paid|arriv|deliver|finish|end",
    re.IGNORECASE,
)
_ID = re.compile(r"(^|_)(id|uuid|guid|key|number|nr|no)$|Id$|ID$")
_CLASSES = 20  # a whole number with more values than this is a quantity
_TEXT_CLASSES = 100
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user said on the command line."""

    target: str
    time: str | None = None
    label_time: str | None = None
    id: str | None = None
    task: Task | None = None
    metric: str | None = None
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A model's settings as guessed; `exclude` has the reason per column."""

    task: Task
    target: str
    time: str
    label_time: str | None
    id: str | None
    metric: str
    exclude: dict[str, str]
    features: tuple[str, ...]
    rows: int
    first: datetime
    last: datetime
    label_maturity: str = "0d"
    train_every: str = "7d"
    holdout: str = "14d"
    monitor_every: str = "1d"
    monitor_window: str = "7d"
    non_inferiority: float = 0.01
    shadow_rows: int = 500
    proven_requests: int = 500
    proven_labels: int = 200
    assumed: tuple[str, ...] = field(default=())


def draft(tables: Tables, wishes: Wishes, ask: Ask) -> Draft:
    """Guess the settings of a model; InvalidError where the table allows none."""
    _check_types(tables)
    _check_names(tables, wishes)
    said: list[str] = []
    target = next(c for c in tables.columns if c.name == wishes.target)
    task = wishes.task or _task(target, said)
    _check_task(task, target)
    metric = _metric(wishes, task)
    time = wishes.time or _time(tables, wishes, ask, said)
    _check_time(tables, time, "time")
    first, last = _span(tables, time)
    label_time = wishes.label_time or _label_time(tables, wishes, time, said)
    if label_time:
        _check_time(tables, label_time, "label-time")
    row_id = wishes.id or _id(tables, (wishes.target, time, label_time, *wishes.exclude), said)
    if target.nulls:
        said.append(
            f'{target.nulls} of {tables.rows} rows have no "{target.name}": no use for them'
        )
    roles = {target.name, time, label_time, row_id, *wishes.exclude}
    free = [c for c in tables.columns if c.name not in roles]
    exclude = dict.fromkeys(wishes.exclude, "named with --exclude")
    exclude |= useless(free, tables.rows)
    exclude |= leaks(tables, [c for c in free if c.name not in exclude], target, task, ask, said)
    made = Draft(
        task=task,
        target=target.name,
        time=time,
        label_time=label_time,
        id=row_id,
        metric=metric,
        exclude=exclude,
        features=tuple(c.name for c in free if c.name not in exclude),
        rows=tables.rows,
        first=first,
        last=last,
    )
    _check_features(made)
    for name, why in exclude.items():
        if name not in wishes.exclude:
            said.append(f'"{name}" is no feature: {why}')
    return _paced(tables, made, said)


def _check_types(tables: Tables) -> None:
    for column in tables.columns:
        if kind_of(column.sql_type) == "other":
            raise InvalidError(
                f'Reading the column "{column.name}": its type is {column.sql_type}. Only numbers, '
                "text, true/false, dates and timestamps can be delivered. Convert or remove it.",
                code="bad_column_type",
                field="data",
            )


def _check_names(tables: Tables, wishes: Wishes) -> None:
    names = [c.name for c in tables.columns]
    pairs = [
        ("target", wishes.target),
        ("time", wishes.time),
        ("label-time", wishes.label_time),
        ("id", wishes.id),
        *(("exclude", name) for name in wishes.exclude),
    ]
    taken: dict[str, str] = {}
    for key, name in pairs:
        if name is None:
            continue
        found = None if name in names else f"the data has no such column.{nearest(name, names)}"
        if name in taken and not (key == "exclude" and taken[name] in ("exclude", "id")):
            found = f"it is --{taken[name]} already. Give each its own column."
        if found:
            raise InvalidError(
                f'Taking the column "{name}" as --{key}: {found}',
                code="bad_column",
                field=key.replace("-", "_"),
            )
        taken[name] = key


def _metric(wishes: Wishes, task: Task) -> str:
    metric = wishes.metric or METRIC_OF_TASK[task]
    fitting = [name for name, (tasks, _) in METRICS.items() if task in tasks]
    if metric not in fitting:
        raise InvalidError(
            f'Taking the metric "{metric}" for a {task} task: it does not fit. '
            f"Possible: {', '.join(fitting)}.",
            code="bad_metric",
            field="metric",
        )
    return metric


def _check_features(made: Draft) -> None:
    if not made.features:
        raise InvalidError(
            f'Choosing features for "{made.target}": no column is left. Excluded: '
            + "; ".join(f"{name} ({why})" for name, why in made.exclude.items())
            + ". Give data with columns that vary.",
            code="no_features",
            field="data",
        )


def _task(target: Column, said: list[str]) -> Task:
    kind = kind_of(target.sql_type)
    task: Task
    if kind == "boolean" or target.distinct == 2:
        task, why = "binary", "it has two values"
    elif kind == "text" or (is_whole(target.sql_type) and target.distinct <= _CLASSES):
        task, why = "multiclass", f"it has {target.distinct} values"
    else:
        task, why = "regression", "it is a number"
    said.append(f'task {task}: "{target.name}" is {target.sql_type}, {why}')
    return task


def _check_task(task: Task, target: Column) -> None:
    kind = kind_of(target.sql_type)
    found = ""
    if target.distinct < 2:
        found = f"it has {target.distinct} different values, so there is nothing to learn"
    elif kind in ("time", "other"):
        found = f"its type is {target.sql_type}"
    elif task == "binary" and target.distinct != 2:
        found = f"it has {target.distinct} different values, not two"
    elif task == "multiclass" and target.distinct > _TEXT_CLASSES:
        found = f"it has {target.distinct} different values, too many to be classes"
    elif task == "regression" and kind != "number":
        found = f"its type is {target.sql_type}, no number"
    if found:
        raise InvalidError(
            f'Predicting "{target.name}" as {task}: {found}. '
            "Name another column with --target, or another task with --task.",
            code="bad_target",
            field="target",
        )


def _time(tables: Tables, wishes: Wishes, ask: Ask, said: list[str]) -> str:
    taken = {wishes.target, wishes.label_time, wishes.id, *wishes.exclude}
    times = [c for c in tables.columns if kind_of(c.sql_type) == "time" and c.name not in taken]
    if not times:
        raise InvalidError(
            "Looking for the time of each row: no column is a date or a time. cdml orders "
            "everything by it; name one with --time. The columns are: "
            + ", ".join(f"{c.name} ({c.sql_type})" for c in tables.columns[:40])
            + ".",
            code="no_time_column",
            field="time",
        )
    ranked = sorted(times, key=_time_rank)
    best = ranked[0].name
    if len(ranked) > 1 and _time_rank(ranked[0])[:2] == _time_rank(ranked[1])[:2]:
        names = ", ".join(c.name for c in ranked)
        best = ask(f"Which column says when the event is? ({names})", best)
        if best not in {c.name for c in times}:
            raise InvalidError(
                f'Taking "{best}" as the time: it is none of {names}. Name one with --time.',
                code="bad_time_column",
                field="time",
            )
    said.append(f'time "{best}"' + (f", of {len(ranked)} columns with times" if ranked[1:] else ""))
    return best


def _time_rank(column: Column) -> tuple[bool, int, str]:
    name = column.name.lower()
    place = _EVENT.index(name) if name in _EVENT else len(_EVENT)
    return (bool(_OUTCOME.search(name)) or column.nulls > 0, place, column.low or "")


def _check_time(tables: Tables, name: str, key: str) -> None:
    column = next(c for c in tables.columns if c.name == name)
    if kind_of(column.sql_type) != "time":
        sample = f', for example "{column.samples[0][:40]}"' if column.samples else ""
        raise InvalidError(
            f'Taking "{column.name}" as --{key}: its type is {column.sql_type}{sample}. '
            "Name a column of dates or times; in CSV write them like 2013-07-01 14:05:00.",
            code="bad_time_column",
            field=key.replace("-", "_"),
        )
    if not column.distinct or (key == "time" and column.nulls):
        raise InvalidError(
            f'Taking "{column.name}" as --{key}: it is empty in {column.nulls} rows. '
            "Name another column, or remove those rows.",
            code="bad_time_column",
            field=key.replace("-", "_"),
        )


def _span(tables: Tables, time: str) -> tuple[datetime, datetime]:
    try:
        first, last = (datetime.fromtimestamp(at, UTC) for at in tables.span(time))
    except (ValueError, OverflowError, OSError):
        raise InvalidError(
            f'Reading the times of "{time}": some lie beyond the years 1 to 9999. Correct them.',
            code="bad_time_column",
            field="time",
        ) from None
    return first, last


def _label_time(tables: Tables, wishes: Wishes, time: str, said: list[str]) -> str | None:
    taken = {wishes.target, time, wishes.id, *wishes.exclude}
    for column in tables.columns:
        fits = kind_of(column.sql_type) == "time" and _OUTCOME.search(column.name)
        if column.name in taken or not fits or not column.distinct:
            continue
        if tables.delay(time, column.name)[0] >= 0.99:
            said.append(f'label_time "{column.name}": a time that is never before "{time}"')
            return column.name
    said.append("no label_time: outcomes count as known at once")
    return None


def _id(tables: Tables, taken: Sequence[str | None], said: list[str]) -> str | None:
    for column in tables.columns:
        plain = kind_of(column.sql_type) == "text" or is_whole(column.sql_type)
        unique = column.distinct == tables.rows and not column.nulls
        if column.name not in taken and unique and plain and _ID.search(column.name):
            said.append(f'id "{column.name}": different in every row')
            return column.name
    said.append("no id: a label joins its prediction by prediction_id only")
    return None


def _paced(tables: Tables, made: Draft, said: list[str]) -> Draft:
    """Scale the pace of everything to the span of the data and its rows per day."""
    span_s = max((made.last - made.first).total_seconds(), 60.0)
    days = span_s / _DAY_S
    if made.rows < 400:
        said.append(f"{made.rows} rows are few: a version may stay inconclusive for long")
    if days < 2:
        said.append(
            f"the data spans only {_length(span_s)}: versions are judged on very little; "
            "set gate.holdout and train.every by hand once there is more"
        )
    rows_a_day = made.rows / max(days, 1 / 24)
    enough_days = 200 / rows_a_day
    scale = {"mean_absolute_error", "root_mean_squared_error"}
    margin = {"brier_score_loss": 0.005}.get(made.metric, 0.01)
    if made.metric in scale:
        margin = float(f"{0.02 * (tables.spread(made.target) or 1.0):.2g}")
    maturity = "0d"
    if made.label_time:
        maturity = _nice(tables.delay(made.time, made.label_time)[1])
        said.append(f"label_maturity {maturity}: 98 % of the outcomes are known by then")
    said.append(
        f"{made.rows} rows from {made.first:%Y-%m-%d} to {made.last:%Y-%m-%d}, times without a "
        "zone read as UTC"
    )
    return replace(
        made,
        label_maturity=maturity,
        train_every=_nice(min(max(span_s / 20, _DAY_S), 30 * _DAY_S)),
        holdout=f"{max(1, round(0.15 * days))}d" if days >= 2 else _length(0.15 * span_s),
        monitor_every="1d" if enough_days <= 30 else "7d",
        monitor_window=_nice(min(max(7.0, enough_days), 180.0) * _DAY_S),
        non_inferiority=margin,
        shadow_rows=min(500, max(20, made.rows // 50)),
        proven_requests=min(500, max(20, made.rows // 50)),
        proven_labels=min(200, max(20, made.rows // 50)),
        assumed=tuple(said),
    )


def _nice(seconds: float) -> str:
    """Return the next of the durations that people use."""
    steps = ["1h", "2h", "6h", "12h", "1d", "2d", "7d", "14d", "30d", "60d", "90d", "180d", "365d"]
    units = {"h": timedelta(hours=1), "d": timedelta(days=1)}
    for step in steps:
        if seconds <= (units[step[-1]] * int(step[:-1])).total_seconds():
            return step
    return f"{round(seconds / _DAY_S)}d"


def _length(seconds: float) -> str:
    if seconds >= _DAY_S:
        return f"{round(seconds / _DAY_S)}d"
    return f"{round(seconds / 3600)}h" if seconds >= 5400 else f"{max(1, round(seconds / 60))}m"
