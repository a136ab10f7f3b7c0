"""What answers to the same labelled rows say of each other: measured, not yet judged.

Arrays in, one result out, so that the gate measures its own test data by the very same lines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from engine.stats import calibration, comparison, performance
from engine.stats.comparison import Estimate

SLICE_SUPPORT = 200
SLICE_DRAWS = 500


class Comparison(msgspec.Struct, frozen=True):
    """An improvement over something else on the same rows; positive is better.

    `other` is what the something else measured.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    other: float | None


class Slice(msgspec.Struct, frozen=True):
    """The improvement over the champion within one slice, with its standard error."""

    name: str
    value: float
    se: float
    n: int


class Differences(msgspec.Struct, frozen=True):
    """How far two versions' answers to the same rows lie apart; `changed` is None without classes.

    `changed` is the share of rows that they decide differently, each at its own threshold. `right`
    are the rows that only the candidate decides right, and those that only the champion does.
    """

    mean: float
    largest: float
    changed: float | None
    right: tuple[int, int] | None = None


class ValidateResult(msgspec.Struct, frozen=True):
    """What a validation job measured. KPI values are of candidate, champion, never, always.

    `kpi_gain` is the candidate's improvement over the better of never and always acting, `kpi_kept`
    that over the champion. `calibration` is the candidate's own error, `calibration_gain` by how
    much it is smaller than the champion's. `recalled` are former versions against the champion,
    `measured` the candidate's other metrics.
    """

    n: int
    blocks: int
    value: float | None
    low: float | None
    high: float | None
    against: dict[str, Comparison]
    slices: list[Slice]
    kpi: dict[str, float | None]
    kpi_gain: Comparison | None
    latency_ms: dict[str, float]
    kpi_kept: Comparison | None = None
    calibration: Comparison | None = None
    calibration_gain: Comparison | None = None
    file_bytes: dict[str, int] = {}
    memory_bytes: dict[str, int] = {}
    differences: Differences | None = None
    recalled: dict[str, Comparison] = {}
    block: str = "days"
    measured: dict[str, float | None] = {}


@dataclass(frozen=True, slots=True)
class Held:
    """Labelled rows that no version has seen: labels as numbers, and what is drawn as one.

    `columns` are the values of the declared slices by their column's name.
    """

    task: str
    metric: str
    labels: Any
    blocks: Any
    columns: Mapping[str, Any]
    block: str = "days"


def nothing(held: Held) -> ValidateResult:
    """Return the result where there are no rows."""
    return ValidateResult(0, 0, None, None, None, {}, [], {}, None, {}, block=held.block)


def measured(
    held: Held, candidate: Any, others: Mapping[str, Any], seed: Sequence[int]
) -> ValidateResult:
    """Compare the candidate's answers with every other's, by rows, slices and calibration."""
    rng = np.random.default_rng([*seed, 2])
    own = comparison.interval(held.metric, held.task, held.labels, candidate, held.blocks, rng)
    against = {role: compared(held, a, candidate, rng) for role, a in others.items()}
    found = nothing(held)
    champion = others.get("champion")
    apart = np.random.default_rng([*seed, 3])
    if held.task != "regression":
        error = calibration.error(held.task, held.labels, candidate, held.blocks, apart)
        found = msgspec.structs.replace(found, calibration=_told(error, None))
    if champion is not None:
        found = msgspec.structs.replace(
            found,
            slices=_slices(held, champion, candidate, apart),
            calibration_gain=_calibration_gain(held, champion, candidate, apart),
        )
    return msgspec.structs.replace(
        found,
        n=len(held.labels),
        blocks=own.blocks,
        value=own.value,
        low=own.low,
        high=own.high,
        against=against,
        measured=others_of(held.metric, held.task, held.labels, candidate),
    )


def others_of(metric: str, task: str, labels: Any, answers: Any) -> dict[str, float | None]:
    """Return the metrics that people ask for beside the one that decides."""
    wanted = [m for m in performance.shown(metric, task) if m != metric]
    return {m: performance.value(m, task, labels, answers) for m in wanted}


def compared(
    held: Held, other: Any, one: Any, rng: np.random.Generator, level: float = 0.95
) -> Comparison:
    """Return how much better `one` is than `other` in the metric that decides."""
    found = comparison.paired(
        held.metric, held.task, held.labels, other, one, held.blocks, rng, level=level
    )
    return _told(found, performance.value(held.metric, held.task, held.labels, other))


def differences(task: str, one: Any, other: Any, thresholds: tuple[float, float]) -> Differences:
    """Return how far two versions' answers lie apart, and how often they decide differently."""
    apart = np.abs(np.asarray(one) - np.asarray(other)).max(axis=1)
    changed = None
    if task != "regression":
        mine = performance.decisions(task, one, thresholds[0])
        changed = float(np.mean(mine != performance.decisions(task, other, thresholds[1])))
    return Differences(float(apart.mean()), float(apart.max()), changed)


def only_right(
    held: Held, one: Any, other: Any, thresholds: tuple[float, float]
) -> tuple[int, int] | None:
    """Count the rows that only `one` decides right, and only `other`; None without classes."""
    if held.task == "regression":
        return None
    mine = performance.decisions(held.task, one, thresholds[0]) == held.labels
    its = performance.decisions(held.task, other, thresholds[1]) == held.labels
    return int(np.sum(mine & ~its)), int(np.sum(its & ~mine))


def _told(found: Estimate, other: float | None) -> Comparison:
    return Comparison(found.value, found.low, found.high, found.n, other)


def _calibration_gain(
    held: Held, champion: Any, candidate: Any, rng: np.random.Generator
) -> Comparison | None:
    if held.task == "regression":
        return None
    rows = (held.labels, champion, candidate, held.blocks)
    found = calibration.paired(held.task, *rows, rng)
    other = calibration.error(held.task, held.labels, champion, held.blocks, rng)
    return _told(found, other.value)


def _slices(held: Held, champion: Any, candidate: Any, rng: np.random.Generator) -> list[Slice]:
    """Return the gain of each slice with support; its error counts days, not rows, as one."""
    found: list[Slice] = []
    for name, column in held.columns.items():
        values = np.array([str(v) for v in column], dtype=object)
        for value in sorted(set(values)):
            picked = values == value
            if picked.sum() < SLICE_SUPPORT:
                continue
            one = comparison.paired(
                held.metric,
                held.task,
                held.labels[picked],
                champion[picked],
                candidate[picked],
                held.blocks[picked],
                rng,
                draws=SLICE_DRAWS,
            )
            if one.value is not None and one.se is not None:
                found.append(Slice(f"{name}={value}", one.value, one.se, one.n))
    return found
