"""Training: gather what a run needs (engine), fit candidates (job), register the best (engine)."""

import hashlib
import importlib.metadata
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine import artifacts
from engine.artifacts import Manifest
from engine.clock import iso, parse_time
from engine.errors import CorruptError, InvalidError, RefusedError
from engine.ledger.change import ENGINE
from engine.pipeline import features, recipes
from engine.pipeline.monitor import reference_profile
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.settings import ModelSettings
from engine.stats import comparison, encoding, outcomes, performance
from engine.stats.comparison import Estimate
from engine.store import batches, kpis, profiles, snapshots
from engine.store.batches import Batch
from engine.store.snapshots import Table

MIN_ROWS = 200
PROBES = 20
SECOND = 1 / 86_400
THRESHOLDS = [k / 100 for k in range(2, 99, 2)]

Progress = Callable[[float, str], None]


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
    kpi: tuple[str, str] | None
    created_at: str
    root: str


class Inner(msgspec.Struct, frozen=True):
    """How the chosen recipe did out of time, inside the training rows; the better is positive.

    `prior_low` and `prior_high` bound its improvement over answering the base rate.
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


class TrainResult(msgspec.Struct, frozen=True):
    """What a training job leaves beside its estimator.skops."""

    manifest: Manifest
    profiles: dict[str, str]
    inner: Inner
    fits: int
    note: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The last moment of training rows, and of rows whose labels are mature."""

    until: datetime
    mature: datetime


def accepted(site: Site, model: str) -> list[Batch]:
    """Return the batches of a model that may be trained on, oldest first."""
    return [b for b in batches.known(site.store, model) if b.verdict.startswith("accepted")]


def table_of(site: Site, model: str, settings: ModelSettings) -> Table:
    """Return the accepted batches of a model as files; nothing quarantined is among them."""
    paths = [str(site.workspace.batches / f"{b.batch}.parquet") for b in accepted(site, model)]
    return Table(paths, settings.target, settings.time, settings.label_time, settings.id)


def cut(site: Site, model: str) -> Cut:
    """Return where training ends: before the hold-out that its gate will need.

    The first version has no champion to be compared with, so it trains on all mature rows and is
    judged by an inner hold-out.
    """
    settings = site.model(model)
    mature = site.clock.now() - duration(settings.label_maturity)
    ends = [b.time_to for b in accepted(site, model) if b.time_to is not None]
    if ends:
        # A table that ended long ago is judged by its own last days, not by an empty hold-out.
        mature = min(mature, max(ends) + timedelta(seconds=1))
    if site.ledger.roles(model).champion is None:
        return Cut(mature, mature)
    return Cut(mature - duration(settings.gate.holdout), mature)


def gather(site: Site, model: str, run: str, *, recipe: str | None = None) -> TrainInputs:
    """Gather a training run's inputs; RefusedError where there is nothing to train on."""
    settings = site.model(model)
    table = table_of(site, model, settings)
    if not table.paths:
        raise RefusedError(
            f"Training {model}: no data was accepted yet. Put a file into "
            f'"{site.workspace.incoming(model)}" or use cdml ingest.',
            code="no_data",
        )
    types = features.feature_types(settings, batches.columns(site.store, model))
    kpi = next(iter(settings.kpi.values()), None) if settings.task == "binary" else None
    return TrainInputs(
        model=model,
        run=run,
        task=settings.task,
        recipe=recipe or settings.recipe,
        metric=settings.metric,
        windows=settings.train.windows,
        seeds=settings.train.seeds,
        seed=site.seed,
        table=table,
        types=types,
        until=iso(cut(site, model).until),
        known_by=site.moment(),
        newer_than=_seen_by_champion(site, model),
        holdout_days=duration(settings.gate.holdout) / timedelta(days=1),
        batches=[Path(p).stem for p in table.paths],
        kpi=(kpi.sql, kpi.direction) if kpi else None,
        created_at=site.moment(),
        root=str(site.workspace.root),
    )


def _seen_by_champion(site: Site, model: str) -> str | None:
    champion = site.ledger.roles(model).champion
    return site.ledger.version(model, champion).trained_to if champion else None


# ------------------------------------------------------------------------------- in the job


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


def measure(inputs: TrainInputs, folder: Path, progress: Progress) -> TrainResult:
    """Fit the windows, choose one out of time, fit it whole; write estimator.skops to `folder`."""
    # A recipe of the user's own lies beside cdml.toml; last, so that it can shadow nothing.
    sys.path.append(inputs.root)
    progress(0.0, "reading rows")
    rows, classes = _read(inputs)
    end = _day(parse_time(inputs.until))
    start = max(end - inputs.holdout_days, (float(rows.days[0]) + end) / 2)
    fits = len(inputs.windows) + max(inputs.seeds - 1, 0) + 1
    done = 0
    trials: list[tuple[float, str, Any, Any]] = []
    held = rows.between(start, end)
    higher = performance.metric_named(inputs.metric).higher_is_better
    for window in inputs.windows:
        answers = _inner(inputs, classes, rows.between(_since(window, start), start), held, 0)
        found = performance.value(inputs.metric, inputs.task, held.labels, answers)
        if found is not None:
            trials.append((-found if higher else found, window, answers, found))
        done += 1
        progress(done / (fits + 1), f"window {window}: {inputs.metric} {found}")
    if not trials:
        raise InvalidError(
            f"Training {inputs.model}: {len(held.labels)} labelled rows lie in the inner hold-out, "
            "too few to choose a window. Deliver more rows, or shorten gate.holdout.",
            code="too_few_rows",
        )
    _, window, answers, first = min(trials, key=lambda t: t[0])
    values = [first]
    for number in range(1, inputs.seeds):
        train = rows.between(_since(window, start), start)
        other = _inner(inputs, classes, train, held, number)
        values.append(performance.value(inputs.metric, inputs.task, held.labels, other))
        done += 1
        progress(done / (fits + 1), f"seed {number}: {inputs.metric} {values[-1]}")
    noise = float(np.std([v for v in values if v is not None], ddof=1)) if len(values) > 1 else None
    whole = rows.between(_since(window, end), end)
    schema, estimator = _fit(inputs, classes, whole, 0)
    content = artifacts.dump(estimator)
    (folder / "estimator.skops").write_bytes(content)
    progress(1.0, "sealed")
    before = rows.between(-np.inf, start)
    manifest = Manifest(
        model=inputs.model,
        task=inputs.task,
        recipe=inputs.recipe,
        target=inputs.table.target,
        metric=inputs.metric,
        features=features.contract(inputs.types, whole.table),
        classes=classes,
        threshold=_threshold(inputs, held, answers),
        safe_mode=inputs.recipe == "baseline",
        artifact=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        trained_from=_iso_day(float(whole.days[0])),
        trained_to=_iso_day(float(whole.days[-1])),
        rows=len(whole.labels),
        batches=inputs.batches,
        window=window,
        seed=inputs.seed,
        noise_floor=noise,
        packages=_packages(),
        created_at=inputs.created_at,
        run=inputs.run,
        **_probes(inputs, schema, estimator, whole),
    )
    note = f"{len(whole.labels)} rows, window {window}, {done + 1} fits"
    frozen = _profiles(inputs, whole)
    inner = _inner_result(inputs, held, before, answers, len(classes))
    return TrainResult(manifest, frozen, inner, done + 1, note)


def _read(inputs: TrainInputs) -> tuple[_Rows, list[str]]:
    until, known = parse_time(inputs.until), parse_time(inputs.known_by)
    table = snapshots.rows(
        inputs.table, list(inputs.types), since=None, until=until, known_by=known
    )
    targets = table.get(inputs.table.target, [])
    if len(targets) < MIN_ROWS:
        raise InvalidError(
            f"Training {inputs.model}: {len(targets)} rows have a mature label, at least "
            f"{MIN_ROWS} are needed. Deliver more rows.",
            code="too_few_rows",
        )
    classes = outcomes.classes_of(inputs.task, targets)
    if inputs.task == "binary" and len(classes) != 2:
        raise InvalidError(
            f'Training {inputs.model}: the target "{inputs.table.target}" has {len(classes)} '
            f"classes ({', '.join(classes[:5])}), a binary task needs two. Deliver rows of both, "
            'or set task = "multiclass".',
            code="bad_target",
            field="target",
        )
    days = table[inputs.table.time].astype("datetime64[us]").astype(np.int64) / 86_400e6
    if inputs.newer_than is not None:
        newer = int(np.sum(days > _day(parse_time(inputs.newer_than)) + SECOND))
        if newer < MIN_ROWS:
            raise RefusedError(
                f"Training {inputs.model}: before the hold-out of {inputs.holdout_days:g} days "
                f"only {newer} rows are newer than what the champion has seen, at least "
                f"{MIN_ROWS} are needed. Nothing was trained; wait for newer mature rows.",
                code="nothing_newer",
            )
    return _Rows(table, outcomes.codes(inputs.task, classes, targets), days), classes


def _fit(inputs: TrainInputs, classes: list[str], rows: _Rows, number: int) -> tuple[Any, Any]:
    """Return schema and fitted estimator; the seed of fit `number` comes from the run's."""
    draft = features.contract(inputs.types, rows.table)
    schema = _schema(draft)
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


def _schema(draft: list[artifacts.ManifestFeature]) -> Any:
    from engine.domain.schema import Feature, Kind, Schema

    return Schema(
        tuple(
            Feature(f.name, Kind(f.kind), f.nullable, f.low, f.high, tuple(f.categories))
            for f in draft
        )
    )


def _answers(inputs: TrainInputs, estimator: Any, matrix: Any) -> Any:
    if inputs.task == "regression":
        return estimator.predict(matrix).reshape(-1, 1)
    probabilities = estimator.predict_proba(matrix)
    return probabilities[:, 1:2] if inputs.task == "binary" else probabilities


def _inner(inputs: TrainInputs, classes: list[str], train: _Rows, held: _Rows, number: int) -> Any:
    schema, estimator = _fit(inputs, classes, train, number)
    return _answers(inputs, estimator, encoding.matrix(schema, held.table))


def _inner_result(inputs: TrainInputs, held: _Rows, before: _Rows, answers: Any, k: int) -> Inner:
    rng = np.random.default_rng([inputs.seed, 1])
    blocks = np.floor(held.days).astype(int)
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
    )


def _threshold(inputs: TrainInputs, held: _Rows, answers: Any) -> float:
    """Return the decision threshold: the first KPI's optimum on the inner hold-out, else 0.5."""
    if inputs.kpi is None:
        return 0.5
    sql, direction = inputs.kpi
    columns = {name: held.table[name] for name in inputs.types}
    found = kpis.by_threshold(sql, answers[:, 0], held.labels > 0, columns, THRESHOLDS)
    sign = 1.0 if direction == "minimize" else -1.0
    usable = [(sign * v, t) for v, t in zip(found, THRESHOLDS, strict=True) if v is not None]
    return min(usable)[1] if usable else 0.5


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


def _profiles(inputs: TrainInputs, rows: _Rows) -> dict[str, str]:
    return {
        name: reference_profile(rows.table[name], numeric=features.KINDS[kind] == "numeric")
        for name, kind in inputs.types.items()
    }


def _packages() -> dict[str, str]:
    return {p: importlib.metadata.version(p) for p in ("numpy", "scikit-learn", "scipy", "skops")}


def _since(window: str, end: float) -> float:
    return -np.inf if window == "all" else end - duration(window) / timedelta(days=1)


def _day(moment: datetime) -> float:
    return moment.timestamp() / 86_400


def _iso_day(day: float) -> str:
    return iso(datetime.fromtimestamp(round(day * 86_400), tz=parse_time("1970-01-01").tzinfo))


# ---------------------------------------------------------------------------- in the engine


def register(site: Site, model: str, run: str, result: TrainResult, folder: Path) -> str:
    """Seal a trained version: check its file, sign its manifest, freeze its profiles."""
    content = (folder / "estimator.skops").read_bytes()
    if result.manifest.model != model or result.manifest.run != run:
        raise CorruptError(
            f"Registering a version of {model}: the job's result is of another run. "
            "Nothing was stored; train again.",
            code="foreign_result",
        )
    name = site.artifacts.seal(content, result.manifest)
    manifest = result.manifest
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(ENGINE, "register", model, now=now, wall=wall) as change:
        version = change.add_version(run, manifest.created_at)
        change.seal_version(
            version,
            name,
            manifest.trained_from,
            manifest.trained_to,
            safe_mode=manifest.safe_mode,
        )
        change.detail["artifact"] = manifest.artifact
    profiles.keep(site.store, model, version, result.profiles)
    site.tell(
        "INFO",
        "train",
        model,
        f"{version} trained on {manifest.trained_from[:10]}..{manifest.trained_to[:10]}: "
        f"{result.note}",
    )
    return version
