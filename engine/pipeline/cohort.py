"""The labelled rows of a training: read from the accepted batches, checked, cut by time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from engine.clock import iso, parse_time
from engine.errors import InvalidError
from engine.pipeline import enough
from engine.pipeline.training import TrainInputs
from engine.stats import outcomes
from engine.store import snapshots


@dataclass(frozen=True, slots=True)
class Rows:
    """Labelled rows: the table's columns, labels as numbers, days since the epoch."""

    table: dict[str, Any]
    labels: Any
    days: Any

    def between(self, since: float, until: float) -> "Rows":
        """Return the rows with since <= day < until."""
        return self.where((self.days >= since) & (self.days < until))

    def where(self, picked: Any) -> "Rows":
        """Return the picked rows, by a mask or by their places."""
        table = {name: column[picked] for name, column in self.table.items()}
        return Rows(table, self.labels[picked], self.days[picked])


def read(inputs: TrainInputs) -> tuple[Rows, list[str]]:
    """Return the rows of a training and the classes of its target; an error where they won't do."""
    until, known = parse_time(inputs.until), parse_time(inputs.known_by)
    columns = [*inputs.types, *inputs.slices, *([inputs.group] if inputs.group else [])]
    table = snapshots.rows(inputs.table, columns, since=None, until=until, known_by=known)
    targets = table.get(inputs.table.target, [])
    enough.check(inputs.model, len(targets), None, inputs.holdout_days)
    classes = outcomes.classes_of(inputs.task, targets)
    if inputs.task == "binary" and len(classes) != 2:
        raise InvalidError(
            f'Training {inputs.model}: the target "{inputs.table.target}" has {len(classes)} '
            f"classes ({', '.join(classes[:5])}), a binary task needs two. Deliver rows of both, "
            'or set task = "multiclass".',
            code="bad_target",
            field="target",
        )
    labels = outcomes.codes(inputs.task, classes, targets)
    if not np.isfinite(labels).all():
        raise InvalidError(
            f"Training {inputs.model}: {int((~np.isfinite(labels)).sum())} values of the target "
            f'"{inputs.table.target}" are no finite numbers, which a regression task needs. '
            'Deliver numbers, or set task = "multiclass".',
            code="bad_target",
            field="target",
        )
    days = enough.days_of(table[inputs.table.time])
    if inputs.newer_than is not None:
        newer = enough.newer(days, inputs.newer_than)
        enough.check(inputs.model, len(targets), newer, inputs.holdout_days)
    return Rows(table, labels, days), classes


def day(moment: datetime) -> float:
    """Return a moment as days since the epoch."""
    return moment.timestamp() / 86_400


def iso_day(at: float) -> str:
    """Return days since the epoch as a moment, to the second."""
    return iso(datetime.fromtimestamp(round(at * 86_400), tz=parse_time("1970-01-01").tzinfo))
