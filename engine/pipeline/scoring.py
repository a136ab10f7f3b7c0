"""Scoring, inside a job: a candidate against everything else on rows newer than all of them."""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.artifacts import Artifacts, Loaded
from engine.clock import parse_time
from engine.pipeline.fitting import Kpi, Progress
from engine.stats import comparison, encoding, outcomes, performance
from engine.store import kpis, snapshots
from engine.store.snapshots import Table

SLICE_SUPPORT = 200
KPI_DRAWS = 200


class ValidateInputs(msgspec.Struct, frozen=True):
    """What a validation job is handed: manifests by role, and the rows of the hold-out."""

    model: str
    task: str
    metric: str
    manifests: dict[str, str]
    artifacts: str
    keys: str
    table: Table
    types: dict[str, str]
    since: str
    until: str
    known_by: str
    slices: list[str]
    kpi: Kpi | None
    seed: int


class Comparison(msgspec.Struct, frozen=True):
    """The candidate's improvement over something else on the same rows; positive is better."""

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


class ValidateResult(msgspec.Struct, frozen=True):
    """What a validation job measured. KPI values are of candidate, champion, never, always.

    `kpi_gain` is the candidate's improvement over the better of never and always acting.
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


def score(inputs: ValidateInputs, progress: Progress) -> ValidateResult:
    """Score every named version on the hold-out and compare the candidate with each."""
    store = Artifacts(Path(inputs.artifacts), Path(inputs.keys))
    loaded = {role: store.load(name) for role, name in inputs.manifests.items()}
    progress(0.2, "loaded")
    since, until = parse_time(inputs.since), parse_time(inputs.until)
    known = parse_time(inputs.known_by)
    rows = snapshots.rows(
        inputs.table, list(inputs.types), since=since, until=until, known_by=known
    )
    classes = loaded["candidate"].manifest.classes
    labels = outcomes.codes(inputs.task, classes, rows.get(inputs.table.target, []))
    usable = ~np.isnan(labels)
    # The first instant after training counts: rows at `since` itself were trained on.
    times = np.asarray(rows.get(inputs.table.time, []), dtype="datetime64[us]").astype(np.int64)
    usable &= times > int(since.timestamp() * 1e6)
    rows = {name: column[usable] for name, column in rows.items()}
    labels, blocks = labels[usable], times[usable] // 86_400_000_000
    if len(labels) == 0:
        return ValidateResult(0, 0, None, None, None, {}, [], {}, None, {})
    answers = {role: _answers(one, rows) for role, one in loaded.items()}
    progress(0.5, f"scored {len(labels)} rows")
    prior = _prior(inputs, classes, since, known, len(labels))
    others = {r: a for r, a in answers.items() if r != "candidate"}
    others |= {"base rate": prior} if prior is not None else {}
    return _compared(inputs, loaded, rows, labels, blocks, answers["candidate"], others)


def _compared(
    inputs: ValidateInputs,
    loaded: dict[str, Loaded],
    rows: dict[str, Any],
    labels: Any,
    blocks: Any,
    candidate: Any,
    others: dict[str, Any],
) -> ValidateResult:
    task, metric = inputs.task, inputs.metric
    rng = np.random.default_rng([inputs.seed, 2])
    own = comparison.interval(metric, task, labels, candidate, blocks, rng)
    against = {}
    for role, answers in others.items():
        found = comparison.paired(metric, task, labels, answers, candidate, blocks, rng)
        other = performance.value(metric, task, labels, answers)
        against[role] = Comparison(found.value, found.low, found.high, found.n, other)
    features = {name: rows[name] for name in inputs.types}
    facts = kpis.facts(features, candidate[:, 0], labels > 0, rows[inputs.table.time])
    codes = np.unique(blocks, return_inverse=True)[1]
    kpi, kpi_gain = _kpi(inputs, loaded, facts, {"candidate": candidate, **others}, codes, rng)
    slices: list[Slice] = []
    if "champion" in others:
        gain = _gain(metric, task, labels, others["champion"], candidate)
        slices = _slices(inputs.slices, rows, gain, blocks)
    return ValidateResult(
        n=len(labels),
        blocks=own.blocks,
        value=own.value,
        low=own.low,
        high=own.high,
        against=against,
        slices=slices,
        kpi=kpi,
        kpi_gain=kpi_gain,
        latency_ms={role: _latency_ms(one) for role, one in loaded.items()},
    )


def _answers(one: Loaded, rows: dict[str, Any]) -> Any:
    return one.answers(encoding.matrix(one.schema, rows))


def _prior(
    inputs: ValidateInputs, classes: Sequence[str], since: datetime, known: datetime, n: int
) -> Any | None:
    before = snapshots.rows(inputs.table, [], since=None, until=since, known_by=known)
    past = outcomes.codes(inputs.task, classes, before.get(inputs.table.target, []))
    return performance.baseline_answers(
        "prior", inputs.task, past[~np.isnan(past)], n, max(len(classes), 1), inputs.metric
    )


def _gain(metric: str, task: str, labels: Any, a: Any, b: Any) -> Any | None:
    one = performance.losses(metric, task, labels, a)
    two = performance.losses(metric, task, labels, b)
    if one is None or two is None:
        return None
    return two - one if performance.metric_named(metric).higher_is_better else one - two


def _slices(
    names: Sequence[str], rows: dict[str, Any], gain: Any | None, blocks: Any
) -> list[Slice]:
    """Return the gain of each slice with support; its error counts days, not rows, as one."""
    found: list[Slice] = []
    if gain is None:
        return found
    for name in names:
        values = np.array([str(v) for v in rows[name]], dtype=object)
        for value in sorted(set(values)):
            picked = values == value
            if picked.sum() >= SLICE_SUPPORT:
                mean, se = comparison.clustered(gain[picked], blocks[picked])
                found.append(Slice(f"{name}={value}", mean, se, int(picked.sum())))
    return found


def _kpi(
    inputs: ValidateInputs,
    loaded: dict[str, Loaded],
    facts: dict[str, Any],
    answers: dict[str, Any],
    blocks: Any,
    rng: np.random.Generator,
) -> tuple[dict[str, float | None], Comparison | None]:
    """Return the KPI by decision rule, and the candidate's gain over the best trivial rule."""
    if inputs.kpi is None:
        return {}, None
    sql, direction = inputs.kpi.sql, inputs.kpi.direction
    n = len(facts["label"])
    decisions = {"never act": np.zeros(n, bool), "always act": np.ones(n, bool)}
    for role in ("candidate", "champion"):
        if role in answers:
            decisions[role] = answers[role][:, 0] >= loaded[role].manifest.threshold
    found = {name: kpis.of_rows(sql, facts, d) for name, d in decisions.items()}
    sign = -1.0 if direction == "minimize" else 1.0
    trivial = {k: sign * v for k, v in found.items() if k.endswith("act") and v is not None}
    own = found["candidate"]
    if own is None or not trivial:
        return found, None
    best = max(trivial, key=trivial.__getitem__)
    count = int(blocks.max()) + 1
    draws = rng.integers(count, size=(KPI_DRAWS, count))
    pair = {"candidate": decisions["candidate"], best: decisions[best]}
    drawn = kpis.resampled(sql, facts, pair, blocks, draws)
    gains = sign * (drawn["candidate"] - drawn[best])
    low, high = (float(q) for q in np.nanquantile(gains, [0.025, 0.975]))
    return found, Comparison(sign * own - trivial[best], low, high, n, found[best])


def _latency_ms(one: Loaded) -> float:
    """Return the median time of a one-row answer over 20 tries."""
    matrix = encoding.rows_matrix(one.schema, one.manifest.probe_rows[:1])
    taken = []
    for _ in range(20):
        begin = time.perf_counter()
        one.answers(matrix)
        taken.append(time.perf_counter() - begin)
    return float(np.median(taken) * 1e3)
