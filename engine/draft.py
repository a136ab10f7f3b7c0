"""From a measured table to the draft of a model's settings: every guess is made here, and said."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from engine import draft_target, draft_time
from engine.draft_time import Ask
from engine.errors import InvalidError
from engine.exclusions import leaks, useless
from engine.settings import METRIC_OF_TASK, METRICS, Task
from engine.settings_file import nearest
from engine.store.tables import Tables, is_whole

_ID = re.compile(r"(^|_)(id|uuid|guid|key|number|nr|no)$|Id$|ID$")
_NEARLY = 0.95
_TRAINED = 200  # rows with a known outcome; nothing is trained on fewer
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
    _check_names(tables, wishes)
    said = list(tables.notes)
    target = next(c for c in tables.columns if c.name == wishes.target)
    task = wishes.task or draft_target.task_of(target, ask, said)
    draft_target.check(tables, task, target, wished=wishes.task is not None)
    draft_target.tell_classes(tables, task, target, said)
    metric = _metric(wishes, task)
    taken = {wishes.target, wishes.label_time, wishes.id, *wishes.exclude}
    time = wishes.time or draft_time.time_of(tables, taken, ask, said)
    draft_time.check(tables, time, "time")
    first, last = draft_time.span_of(tables, time)
    label_time, delay = _label_time(tables, wishes, time, task, said)
    row_id = wishes.id or _id(tables, (wishes.target, time, label_time, *wishes.exclude), said)
    if target.nulls:
        said.append(
            f'{target.nulls} of {tables.rows} rows have no "{target.name}": no use for them'
        )
    roles = {target.name, time, label_time, row_id, *wishes.exclude}
    free = [c for c in tables.columns if c.name not in roles]
    exclude = dict.fromkeys(wishes.exclude, "named with --exclude")
    exclude |= useless(tables, free)
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
        label_maturity=_nice(delay) if delay > 0 else "0d",
    )
    _check_features(made)
    for name, why in exclude.items():
        if name not in wishes.exclude:
            said.append(f'"{name}" is no feature: {why}')
    if exclude.keys() - set(wishes.exclude):
        said.append("what is no feature stands under exclude in cdml.toml; take it off to use it")
    return _paced(tables, made, said)


def _label_time(
    tables: Tables, wishes: Wishes, time: str, task: Task, said: list[str]
) -> tuple[str | None, float]:
    if wishes.label_time:
        draft_time.check(tables, wishes.label_time, "label-time")
        return wishes.label_time, tables.delay(time, wishes.label_time)[1]
    taken = {wishes.target, time, wishes.id, *wishes.exclude}
    number = task == "regression"
    return draft_time.label_time_of(tables, taken, time, wishes.target, number=number, said=said)


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


def _id(tables: Tables, taken: Sequence[str | None], said: list[str]) -> str | None:
    for column in tables.columns:
        plain = column.kind == "text" or is_whole(column.sql_type)
        if column.name in taken or not plain or not _ID.search(column.name):
            continue
        if column.distinct == tables.rows and not column.nulls:
            said.append(f'id "{column.name}": different in every row; else --id')
            return column.name
        if column.distinct >= _NEARLY * tables.rows:
            said.append(
                f'"{column.name}" names nearly every row, but {tables.rows - column.distinct} not: '
                "no id. With --id of rows with the same one the last delivered counts"
            )
    said.append("no id: a label joins its prediction by prediction_id only; else --id")
    return None


def _paced(tables: Tables, made: Draft, said: list[str]) -> Draft:
    """Scale the pace of everything to the span of the data and its rows per day."""
    span_s = max((made.last - made.first).total_seconds(), 60.0)
    days = span_s / _DAY_S
    if made.rows < _TRAINED:
        said.append(f"{made.rows} rows: nothing is trained before {_TRAINED} have a known outcome")
    elif made.rows < 2 * _TRAINED:
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
    if made.label_maturity != "0d":
        said.append(f"label_maturity {made.label_maturity}: 98 % of the outcomes are known by then")
    said.append(
        f"{made.rows} rows from {made.first:%Y-%m-%d} to {made.last:%Y-%m-%d}, times without a "
        "zone read as UTC; else timezone in cdml.toml"
    )
    return replace(
        made,
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
