"""Fitting, inside a job: the chosen candidates fitted whole, sealed, and what is told of them."""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine import artifacts
from engine.artifacts import Manifest
from engine.clock import parse_time
from engine.errors import InvalidError
from engine.pipeline import (
    agreeing,
    calibrating,
    candidates,
    cohort,
    features,
    fingerprint,
    recipes,
    references,
    threshold,
    transforming,
    windows,
)
from engine.pipeline.calibrating import Corrected
from engine.pipeline.candidates import Fitted, Found, Progress, Tried
from engine.pipeline.cohort import Rows
from engine.pipeline.measurement import others_of
from engine.pipeline.references import Seen
from engine.pipeline.training import (
    ESTIMATOR,
    MIN_ROWS,
    REFIT,
    SAFE_MODE,
    SIMPLEST,
    Inner,
    Kpi,
    Origin,
    Recipe,
    TrainInputs,
    TrainResult,
)
from engine.pipeline.transforming import Transformed
from engine.stats import comparison, encoding, performance
from engine.stats.comparison import Estimate

__all__ = [
    "ESTIMATOR",
    "MIN_ROWS",
    "SAFE_MODE",
    "SIMPLEST",
    "Inner",
    "Kpi",
    "Progress",
    "TrainInputs",
    "TrainResult",
    "fit",
]

PROBES = 20
BASELINE = Recipe("baseline", "baseline")


@dataclass(frozen=True, slots=True)
class _Job:
    """What every version of a training is made from: inputs, classes and the rows by time.

    `raw` is what the run was handed; `inputs` has the columns that the recipe sees.
    """

    raw: TrainInputs
    made: Transformed
    inputs: TrainInputs
    classes: list[str]
    rows: Rows
    before: Rows
    held: Rows
    found: Found
    folder: Path


def fit(
    inputs: TrainInputs,
    folder: Path,
    progress: Progress,
    elapsed: Callable[[], float] = lambda: 0.0,
) -> TrainResult:
    """Search the candidates out of time, fit the chosen whole; write the estimators to `folder`."""
    # A recipe of the user's own lies beside cdml.toml; last, so that it can shadow nothing.
    sys.path.append(inputs.root)
    progress(0.0, "reading rows")
    rows, classes = cohort.read(inputs)
    if inputs.transform is not None:
        progress(0.0, f"transforming {len(rows.labels)} rows by {inputs.transform.name}")
    made, raw = transforming.applied(inputs, rows), inputs
    inputs, rows = made.inputs, made.rows
    end = cohort.day(parse_time(inputs.until))
    start = max(end - inputs.holdout_days, (float(rows.days[0]) + end) / 2)
    before, held = rows.between(-np.inf, start), rows.between(start, end)
    if inputs.task != "regression" and len(held.days):
        ends = [float(held.days[0]), end]
        known = windows.complete(inputs.windows, len(classes), rows.labels, rows.days, ends)
        inputs = msgspec.structs.replace(inputs, windows=known)
    found = candidates.search(inputs, classes, before, held, progress, elapsed)
    job = _Job(raw, made, inputs, classes, rows, before, held, found, folder)
    simplest = None if found.simplest is None else _shipped(job, found.simplest, SIMPLEST)
    result = _shipped(job, found.best, "")
    progress(1.0, "sealed")
    return msgspec.structs.replace(result, simplest=simplest)


def _shipped(job: _Job, chosen: Tried, prefix: str) -> TrainResult:
    """Fit a candidate on all its rows, with the baseline beside it; tell what is known of both."""
    inputs, held = job.inputs, job.held
    end = cohort.day(parse_time(inputs.until))
    whole = job.rows.between(windows.since(chosen.candidate.window, end), end)
    corrected = calibrating.corrected(inputs, chosen, held, len(job.classes))
    made = _fitted(job, chosen, corrected, whole)
    cut, promised = threshold.chosen(inputs, held, corrected.answers)
    inner = _inner_result(inputs, held, job.before, corrected.answers, len(job.classes))
    if inputs.kpi is not None:
        measured = {**inner.measured, inputs.kpi.name: promised}
        inner = msgspec.structs.replace(inner, measured=measured)
    parts = _parts(job, chosen, corrected)
    result = _told(job, _Version(chosen, corrected, made, whole, cut), inner, parts, prefix)
    again = _refitted(job, chosen, corrected)
    if again is None:
        return result
    later, rows, refit, newer = again
    version = _Version(chosen, corrected, refit, rows, cut, result.manifest.artifact)
    refit_result = _told(later, version, inner, parts, f"{REFIT}{prefix}")
    seen = {agreeing.HOLDOUT: newer, agreeing.PROBES: whole.where(_picked(whole))}
    agreement = agreeing.agreement(inputs, chosen.candidate.recipe, (made, refit), seen, cut)
    return msgspec.structs.replace(result, refit=refit_result, agreement=agreement)


class _Version(msgspec.Struct, frozen=True):
    """A fitted candidate with its rows and threshold; `judged` is the artifact it follows."""

    chosen: Tried
    corrected: Corrected
    made: Fitted
    whole: Rows
    threshold: float
    judged: str | None = None


def _fitted(job: _Job, chosen: Tried, corrected: Corrected, whole: Rows) -> Fitted:
    schema, estimator = candidates.fitted(
        job.inputs, chosen.candidate.recipe, job.classes, whole, 0
    )
    return schema, corrected.around(estimator)


def _refitted(
    job: _Job, chosen: Tried, corrected: Corrected
) -> tuple[_Job, Rows, Fitted, Rows] | None:
    """Fit a candidate once more, with the rows that its gate will judge by; these come last.

    None where nobody wants it or the newer rows do not allow it: a class that was never seen, a
    row that the transformation cannot take.
    """
    raw = job.raw
    if raw.refit_until is None:
        return None
    until = msgspec.structs.replace(raw, until=raw.refit_until, newer_than=None)
    begin, end = (cohort.day(parse_time(t)) for t in (raw.until, raw.refit_until))
    try:
        rows, classes = cohort.read(until)
        made = transforming.applied(until, rows)
        whole = made.rows.between(windows.since(chosen.candidate.window, end), end)
        newer = made.rows.between(begin, end)
        alike = classes == job.classes and made.inputs.types == job.inputs.types
        if not alike or not len(newer.labels):
            return None
        later = replace(job, made=made, rows=made.rows)
        return later, whole, _fitted(later, chosen, corrected, whole), newer
    except InvalidError:
        return None


def _told(
    job: _Job, of: _Version, inner: Inner, parts: references.Parts, prefix: str
) -> TrainResult:
    """Write a version's estimator and the baseline beside it; return what is told of both."""
    inputs, whole, recipe = job.inputs, of.whole, of.chosen.candidate.recipe
    schema, estimator = of.made
    content = artifacts.dump(estimator)
    (job.folder / f"{prefix}{ESTIMATOR}").write_bytes(content)
    fits, window = job.found.fits + 1, of.chosen.candidate.window
    manifest = Manifest(
        model=inputs.model,
        task=inputs.task,
        recipe=recipe.name,
        target=inputs.table.target,
        metric=inputs.metric,
        features=features.contract(job.raw.types, whole.table),
        classes=job.classes,
        threshold=of.threshold,
        safe_mode=False,
        artifact=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        trained_from=cohort.iso_day(float(whole.days[0])),
        trained_to=cohort.iso_day(float(whole.days[-1])),
        rows=len(whole.labels),
        batches=inputs.batches,
        window=window,
        seed=inputs.seed,
        noise_floor=job.found.noise,
        packages=fingerprint.packages(),
        created_at=inputs.created_at,
        run=inputs.run,
        without=inputs.table.without,
        origin=_origin(job, of),
        transform=job.made.sealed(whole),
        **_probes(job.raw, recipe, schema, estimator, whole),
    )
    simple = _simple(job, whole, manifest, prefix)
    note = f"{len(whole.labels)} rows, {recipe.name}, window {window}, {fits} fits"
    profiles = references.features(job.raw.types, whole.table)
    shared = references.months(profiles, whole.table, whole.table[inputs.table.time])
    shared |= references.labels(inputs.task, job.classes, whole.labels)
    return TrainResult(manifest, simple, profiles, inner, fits, note, parts, shared)


def _parts(job: _Job, chosen: Tried, corrected: Corrected) -> references.Parts:
    """Freeze what the hold-out tells of a version, as it was fitted without it."""
    inputs, held = job.inputs, job.held
    schema, tried = chosen.fitted
    matrix = encoding.matrix(schema, held.table)
    seen = Seen(schema.names, matrix, held.labels, corrected.answers)
    slices = {name: held.table[name] for name in inputs.slices}
    asked = (inputs.task, inputs.metric, job.classes, slices, seen)
    tried = corrected.around(tried)
    answer = partial(candidates.answers, inputs, tried, recipe=chosen.candidate.recipe)
    return references.of_holdout(*asked, answer, inputs.seed)


def _origin(job: _Job, of: _Version) -> dict[str, Any]:
    """Return what it takes to make this version again, as the manifest keeps it."""
    table = msgspec.structs.replace(job.raw.table, paths=[], without=[])
    # The windows are as the search completed them; the transformation has its place already.
    inputs = msgspec.structs.replace(
        job.raw, table=table, batches=[], root="", transform=None, windows=job.inputs.windows
    )
    candidate = of.chosen.candidate
    source = recipes.source(candidate.recipe, Path(job.inputs.root))
    origin = Origin(
        inputs, candidate, of.corrected.method, fingerprint.environment(), source,
        job.found.search, of.judged,
    )  # fmt: skip
    found: dict[str, Any] = msgspec.to_builtins(origin)
    return found


def _simple(job: _Job, whole: Rows, beside: Manifest, prefix: str) -> Manifest:
    """Fit the baseline on the rows of the shipped estimator and write it beside that.

    It takes rows as they are delivered: the last way back depends on no transformation.
    """
    inputs, held = job.raw, job.held
    schema, estimator = candidates.fitted(inputs, BASELINE, job.classes, whole, 0)
    content = artifacts.dump(estimator)
    (job.folder / f"{prefix}{SAFE_MODE}").write_bytes(content)
    matrix = encoding.matrix(schema, held.table)
    answers = candidates.answers(inputs, estimator, matrix, BASELINE)
    return msgspec.structs.replace(
        beside,
        recipe=BASELINE.name,
        threshold=threshold.chosen(inputs, held, answers)[0],
        safe_mode=True,
        artifact=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        origin={},
        transform=None,
        **_probes(inputs, BASELINE, schema, estimator, whole),
    )


def _inner_result(inputs: TrainInputs, held: Rows, before: Rows, answers: Any, k: int) -> Inner:
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
        holdout_from=cohort.iso_day(float(held.days[0])),
        holdout_to=cohort.iso_day(float(held.days[-1])),
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


def _probes(
    inputs: TrainInputs, recipe: Recipe, schema: Any, estimator: Any, rows: Rows
) -> dict[str, Any]:
    """Return rows spread over the training time and what this estimator answers to them."""
    picked = _picked(rows)
    matrix = encoding.matrix(schema, {name: rows.table[name][picked] for name in schema.names})
    answers = candidates.answers(inputs, estimator, matrix, recipe)
    probe_rows = features.picked(rows.table, list(inputs.types), picked)
    return {"probe_rows": probe_rows, "probe_answers": answers.tolist()}


def _picked(rows: Rows) -> Any:
    """Return the places of the probe rows, spread over the time of the others."""
    return np.linspace(0, len(rows.labels) - 1, PROBES).astype(int)
