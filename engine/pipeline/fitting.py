"""Fitting, inside a job: windows, seeds, the shipped estimator, and what the manifest tells."""

import hashlib
import importlib.metadata
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine import artifacts
from engine.artifacts import Manifest
from engine.clock import iso, parse_time
from engine.errors import InvalidError
from engine.pipeline import enough, features, recipes, references, windows
from engine.pipeline.measurement import others_of
from engine.pipeline.references import Parts, Seen
from engine.stats import comparison, encoding, outcomes, performance
from engine.stats.comparison import Estimate
from engine.store import kpis, snapshots
from engine.store.snapshots import Table

PROBES = 20
ESTIMATOR = "estimator.skops"
SAFE_MODE = "safe_mode.skops"
THRESHOLDS = [k / 100 for k in range(2, 99, 2)]

Progress = Callable[[float, str], None]


class Kpi(msgspec.Struct, frozen=True):
    """The business number that a decision threshold is chosen for."""

    name: str
    sql: str
    direction: str
    unit: str


class TrainInputs(msgspec.Struct, frozen=True):
    """What a training job is handed. Rows are known by `known_by`, of events before `until`.

    `newer_than` is what the champion has seen: some rows must lie after it.
    """

    model: str
    run: str
    task: str
    recipe: str
    metric: str
    windows: list[str]
    seeds: int
    seed: int
    table: Table
    types: dict[str, str]
    until: str
    known_by: str
    newer_than: str | None
    holdout_days: float
    batches: list[str]
    kpi: Kpi | None
    created_at: str
    root: str
    group: str | None = None
    slices: list[str] = []


class Inner(msgspec.Struct, frozen=True):
    """How the chosen recipe did out of time, inside the training rows; the better is positive.

    `gain_low` and `gain_high` bound its improvement over answering the base rate; `measured` are
    its other metrics, and the KPI at its threshold.
    """

    holdout_from: str
    holdout_to: str
    n: int
    value: float | None
    low: float | None
    high: float | None
    prior: float | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    needed: int | None
    measured: dict[str, float | None] = {}


class TrainResult(msgspec.Struct, frozen=True):
    """What a training job leaves beside its estimator.skops and its safe_mode.skops.

    `simple` is the baseline on the same rows, the last way back; `shared` is frozen with both.
    """

    manifest: Manifest
    simple: Manifest
    profiles: dict[str, str]
    inner: Inner
    fits: int
    note: str
    parts: Parts = {}
    shared: Parts = {}


@dataclass(frozen=True, slots=True)
class _Rows:
    """Labelled rows: the table's columns, labels as numbers, days since the epoch."""

    table: dict[str, Any]
    labels: Any
    days: Any

    def between(self, since: float, until: float) -> "_Rows":
        picked = (self.days >= since) & (self.days < until)
        table = {name: column[picked] for name, column in self.table.items()}
        return _Rows(table, self.labels[picked], self.days[picked])


def fit(inputs: TrainInputs, folder: Path, progress: Progress) -> TrainResult:
    """Fit the windows, choose one out of time, fit it whole; write the estimator to `folder`."""
    # A recipe of the user's own lies beside cdml.toml; last, so that it can shadow nothing.
    sys.path.append(inputs.root)
    progress(0.0, "reading rows")
    rows, classes = _read(inputs)
    end = _day(parse_time(inputs.until))
    start = max(end - inputs.holdout_days, (float(rows.days[0]) + end) / 2)
    before, held = rows.between(-np.inf, start), rows.between(start, end)
    if inputs.task != "regression" and len(held.days):
        ends = [float(held.days[0]), end]
        known = windows.complete(inputs.windows, len(classes), rows.labels, rows.days, ends)
        inputs = msgspec.structs.replace(inputs, windows=known)
    chosen = _choose(inputs, classes, before, held, progress)
    whole = rows.between(windows.since(chosen.window, end), end)
    schema, estimator = _fitted(inputs, classes, whole, 0)
    content = artifacts.dump(estimator)
    (folder / ESTIMATOR).write_bytes(content)
    progress(1.0, "sealed")
    threshold, promised = _threshold(inputs, held, chosen.answers)
    manifest = Manifest(
        model=inputs.model,
        task=inputs.task,
        recipe=inputs.recipe,
        target=inputs.table.target,
        metric=inputs.metric,
        features=features.contract(inputs.types, whole.table),
        classes=classes,
        threshold=threshold,
        safe_mode=False,
        artifact=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        trained_from=_iso_day(float(whole.days[0])),
        trained_to=_iso_day(float(whole.days[-1])),
        rows=len(whole.labels),
        batches=inputs.batches,
        window=chosen.window,
        seed=inputs.seed,
        noise_floor=chosen.noise,
        packages=_packages(),
        created_at=inputs.created_at,
        run=inputs.run,
        without=inputs.table.without,
        **_probes(inputs, schema, estimator, whole),
    )
    simple = _simple(inputs, classes, whole, held, folder, manifest)
    inner = _inner_result(inputs, held, before, chosen.answers, len(classes))
    if inputs.kpi is not None:
        measured = {**inner.measured, inputs.kpi.name: promised}
        inner = msgspec.structs.replace(inner, measured=measured)
    note = f"{len(whole.labels)} rows, window {chosen.window}, {chosen.fits + 1} fits"
    profiles = references.features(inputs.types, whole.table)
    shared = references.months(profiles, whole.table, whole.table[inputs.table.time])
    shared |= references.labels(inputs.task, classes, whole.labels)
    schema, tried = chosen.fitted
    seen = Seen(schema.names, encoding.matrix(schema, held.table), held.labels, chosen.answers)
    slices = {name: held.table[name] for name in inputs.slices}
    asked = (inputs.task, inputs.metric, classes, slices, seen)
    parts = references.of_holdout(*asked, partial(_answers, inputs, tried), inputs.seed)
    return TrainResult(manifest, simple, profiles, inner, chosen.fits + 1, note, parts, shared)


def _simple(
    inputs: TrainInputs,
    classes: list[str],
    whole: _Rows,
    held: _Rows,
    folder: Path,
    beside: Manifest,
) -> Manifest:
    """Fit the baseline on the rows of the shipped estimator and write it beside that."""
    own = msgspec.structs.replace(inputs, recipe="baseline")
    schema, estimator = _fitted(own, classes, whole, 0)
    content = artifacts.dump(estimator)
    (folder / SAFE_MODE).write_bytes(content)
    answers = _answers(own, estimator, encoding.matrix(schema, held.table))
    return msgspec.structs.replace(
        beside,
        recipe=own.recipe,
        threshold=_threshold(own, held, answers)[0],
        safe_mode=True,
        artifact=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        **_probes(own, schema, estimator, whole),
    )


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The best window, what was fitted on it and answered out of time, and the noise of seeds."""

    window: str
    fitted: tuple[Any, Any]
    answers: Any
    noise: float | None
    fits: int


def _choose(
    inputs: TrainInputs, classes: list[str], before: _Rows, held: _Rows, progress: Progress
) -> _Chosen:
    """Fit each window before the inner hold-out, take the best, fit that one by other seeds."""
    start = float(held.days[0]) if len(held.days) else np.inf
    count = len(inputs.windows) + inputs.seeds - 1
    sign = -1.0 if performance.metric_named(inputs.metric).higher_is_better else 1.0
    trials: list[tuple[float, str, Any, Any]] = []

    def tried(window: str, number: int) -> tuple[Any, Any, float | None]:
        train = before.between(windows.since(window, start), start)
        schema, estimator = _fitted(inputs, classes, train, number)
        answers = _answers(inputs, estimator, encoding.matrix(schema, held.table))
        value = performance.value(inputs.metric, inputs.task, held.labels, answers)
        done = len(trials) + number + 1
        found = f"window {window}, seed {number}: {inputs.metric} {value}"
        # The last fit, of the chosen window whole, is still to come.
        progress(
            done / (count + 1), f"fit {done} of {count + 1}, {len(train.labels)} rows, {found}"
        )
        return (schema, estimator), answers, value

    for window in inputs.windows if len(held.labels) else []:
        fitted, answers, value = tried(window, 0)
        if value is not None:
            trials.append((sign * value, window, fitted, answers))
    if not trials:
        raise InvalidError(
            f"Training {inputs.model}: {len(held.labels)} labelled rows lie in the inner hold-out, "
            "too few to choose a window. Deliver more rows, or shorten gate.holdout.",
            code="too_few_rows",
        )
    best, window, fitted, answers = min(trials, key=lambda t: t[0])
    others = [tried(window, number)[2] for number in range(1, inputs.seeds)]
    values = [sign * best, *(v for v in others if v is not None)]
    noise = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return _Chosen(window, fitted, answers, noise, len(inputs.windows) + len(others))


def _read(inputs: TrainInputs) -> tuple[_Rows, list[str]]:
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
    return _Rows(table, labels, days), classes


def _fitted(inputs: TrainInputs, classes: list[str], rows: _Rows, number: int) -> tuple[Any, Any]:
    """Return schema and fitted estimator; the seed of fit `number` comes from the run's."""
    draft = features.contract(inputs.types, rows.table)
    schema = features.schema(draft)
    seed = int(np.random.SeedSequence([inputs.seed, number]).generate_state(1)[0] % 2**31)
    places = encoding.categorical_places(schema)
    estimator = recipes.estimator(inputs.recipe, inputs.task, inputs.metric, places, seed)
    matrix = encoding.matrix(schema, rows.table)
    labels = rows.labels if inputs.task == "regression" else rows.labels.astype(int)
    if inputs.task != "regression" and len(np.unique(labels)) < len(classes):
        seen = len(np.unique(labels))
        raise InvalidError(
            f"Training {inputs.model}: only {seen} of {len(classes)} classes occur among "
            f"{len(labels)} rows of a window. Use a longer window.",
            code="missing_class",
        )
    return schema, estimator.fit(matrix, labels)


def _answers(inputs: TrainInputs, estimator: Any, matrix: Any) -> Any:
    if inputs.task == "regression":
        return estimator.predict(matrix).reshape(-1, 1)
    probabilities = estimator.predict_proba(matrix)
    return probabilities[:, 1:2] if inputs.task == "binary" else probabilities


def _inner_result(inputs: TrainInputs, held: _Rows, before: _Rows, answers: Any, k: int) -> Inner:
    rng = np.random.default_rng([inputs.seed, 1])
    blocks = np.floor(held.days).astype(int)
    if inputs.group:
        blocks = np.array([str(v) for v in held.table[inputs.group]], dtype=object)
    own = comparison.interval(inputs.metric, inputs.task, held.labels, answers, blocks, rng)
    prior = performance.baseline_answers(
        "prior", inputs.task, before.labels, len(held.labels), max(k, 1), inputs.metric
    )
    gain = Estimate(None, None, None, 0, 0, None, 0.95, 0)
    trivial = None
    if prior is not None:
        gain = comparison.paired(
            inputs.metric, inputs.task, held.labels, prior, answers, blocks, rng
        )
        trivial = performance.value(inputs.metric, inputs.task, held.labels, prior)
    effect = abs(gain.value) if gain.value else 0.0
    return Inner(
        holdout_from=_iso_day(float(held.days[0])),
        holdout_to=_iso_day(float(held.days[-1])),
        n=len(held.labels),
        value=own.value,
        low=own.low,
        high=own.high,
        prior=trivial,
        gain=gain.value,
        gain_low=gain.low,
        gain_high=gain.high,
        needed=comparison.needed(gain, effect),
        measured=others_of(inputs.metric, inputs.task, held.labels, answers),
    )


def _threshold(inputs: TrainInputs, held: _Rows, answers: Any) -> tuple[float, float | None]:
    """Return the threshold, the KPI's optimum on the inner hold-out or 0.5, and the KPI there."""
    if inputs.kpi is None:
        return 0.5, None
    sql, sign = inputs.kpi.sql, 1.0 if inputs.kpi.direction == "minimize" else -1.0
    columns = {name: held.table[name] for name in inputs.types}
    rows = kpis.facts(columns, answers[:, 0], held.labels > 0, held.table[inputs.table.time])
    found = kpis.by_threshold(sql, rows, THRESHOLDS)
    usable = [(sign * v, t) for v, t in zip(found, THRESHOLDS, strict=True) if v is not None]
    return (min(usable)[1], sign * min(usable)[0]) if usable else (0.5, None)


def _probes(inputs: TrainInputs, schema: Any, estimator: Any, rows: _Rows) -> dict[str, Any]:
    """Return rows spread over the training time and what this estimator answers to them."""
    picked = np.linspace(0, len(rows.labels) - 1, PROBES).astype(int)
    table = {name: rows.table[name][picked] for name in inputs.types}
    probe_rows = [
        {name: _plain(table[name][at]) for name in inputs.types} for at in range(len(picked))
    ]
    answers = _answers(inputs, estimator, encoding.rows_matrix(schema, probe_rows))
    return {"probe_rows": probe_rows, "probe_answers": answers.tolist()}


def _plain(value: Any) -> Any:
    """Return a value as JSON can carry it."""
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(value)
    return value.item() if isinstance(value, np.generic) else value


def _packages() -> dict[str, str]:
    return {p: importlib.metadata.version(p) for p in ("numpy", "scikit-learn", "scipy", "skops")}


def _day(moment: datetime) -> float:
    return moment.timestamp() / 86_400


def _iso_day(day: float) -> str:
    return iso(datetime.fromtimestamp(round(day * 86_400), tz=parse_time("1970-01-01").tzinfo))
