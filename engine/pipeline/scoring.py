"""Scoring, inside a job: a candidate against everything else on rows newer than all of them."""

import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.artifacts import Artifacts, Loaded
from engine.clock import parse_time
from engine.errors import CorruptError
from engine.pipeline import measurement, trivial
from engine.pipeline.features import moments
from engine.pipeline.fitting import Kpi, Progress
from engine.pipeline.measurement import Comparison, Held, ValidateResult
from engine.stats import outcomes
from engine.store import kpis, snapshots
from engine.store.snapshots import Table

KPI_DRAWS = 200
DAY = 86_400_000_000


class ValidateInputs(msgspec.Struct, frozen=True):
    """What a validation job is handed: manifests by role, and the rows of the hold-out.

    `recall` are former versions to be looked at again, each against the champion.
    """

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
    group: str | None = None
    maturity_s: float = 0.0
    recall: dict[str, str] = {}


def score(inputs: ValidateInputs, progress: Progress) -> ValidateResult:
    """Score every named version on the hold-out and compare the candidate with each."""
    store = Artifacts(Path(inputs.artifacts), Path(inputs.keys))
    loaded = {role: store.load(name) for role, name in inputs.manifests.items()}
    progress(0.2, "loaded")
    classes = loaded["candidate"].manifest.classes
    rows, held = _held(inputs, classes)
    if len(held.labels) == 0:
        return measurement.nothing(held)
    answers = {role: _answers(one, rows) for role, one in loaded.items()}
    progress(0.5, f"scored {len(held.labels)} rows")
    others = {r: a for r, a in answers.items() if r != "candidate"}
    found = measurement.measured(
        held, answers["candidate"], others | _trivial(inputs, classes, rows), [inputs.seed]
    )
    kpi, gain, kept = _kpi(inputs, loaded, rows, held, answers)
    progress(0.8, "compared")
    return msgspec.structs.replace(
        found,
        kpi=kpi,
        kpi_gain=gain,
        kpi_kept=kept,
        latency_ms={role: _latency_ms(one) for role, one in loaded.items()},
        file_bytes={role: store.sizes(name)[0] for role, name in inputs.manifests.items()},
        memory_bytes={role: store.sizes(name)[1] for role, name in inputs.manifests.items()},
        differences=_differences(held, loaded, answers),
        recalled=_recalled(inputs, store, rows, held, answers.get("champion")),
    )


def _held(inputs: ValidateInputs, classes: list[str]) -> tuple[dict[str, Any], Held]:
    """Read the hold-out: rows with a usable label, after all that any version was trained on."""
    since, until = parse_time(inputs.since), parse_time(inputs.until)
    known = parse_time(inputs.known_by)
    columns = [*inputs.types, *inputs.slices, *([inputs.group] if inputs.group else [])]
    rows = snapshots.rows(inputs.table, columns, since=since, until=until, known_by=known)
    labels = outcomes.codes(inputs.task, classes, rows.get(inputs.table.target, []))
    times = moments(rows.get(inputs.table.time, []))
    # The first instant after training counts: rows at `since` itself were trained on.
    usable = ~np.isnan(labels) & (times > int(since.timestamp() * 1e6))
    rows = {name: column[usable] for name, column in rows.items()}
    blocks = times[usable] // DAY
    if inputs.group and rows:
        blocks = np.array([str(v) for v in rows[inputs.group]], dtype=object)
    slices = {name: rows[name] for name in inputs.slices} if rows else {}
    unit = "groups" if inputs.group else "days"
    return rows, Held(inputs.task, inputs.metric, labels[usable], blocks, slices, unit)


def _answers(one: Loaded, rows: dict[str, Any]) -> Any:
    return one.answers(one.matrix(rows))


def _trivial(inputs: ValidateInputs, classes: list[str], rows: dict[str, Any]) -> dict[str, Any]:
    return trivial.answers(
        inputs.task,
        inputs.metric,
        classes,
        inputs.table,
        inputs.maturity_s,
        moments(rows[inputs.table.time]),
        parse_time(inputs.since),
        parse_time(inputs.until),
        parse_time(inputs.known_by),
    )


def _recalled(
    inputs: ValidateInputs, store: Artifacts, rows: dict[str, Any], held: Held, champion: Any
) -> dict[str, Comparison]:
    """Return how much better each former version is than the champion now.

    The level is shared among them: the best of many would look good by chance.
    """
    found: dict[str, Comparison] = {}
    for number, (version, name) in enumerate(inputs.recall.items() if champion is not None else ()):
        try:
            answers = _answers(store.load(name), rows)
        except (CorruptError, KeyError):
            continue  # its file is damaged, or a column that it needs is no longer delivered
        rng = np.random.default_rng([inputs.seed, 4, number])
        level = 1.0 - 0.05 / len(inputs.recall)
        found[version] = measurement.compared(held, champion, answers, rng, level)
    return found


def _differences(
    held: Held, loaded: dict[str, Loaded], answers: dict[str, Any]
) -> measurement.Differences | None:
    if "champion" not in answers:
        return None
    cuts = loaded["candidate"].manifest.threshold, loaded["champion"].manifest.threshold
    both = answers["candidate"], answers["champion"]
    found = measurement.differences(held.task, *both, cuts)
    return msgspec.structs.replace(found, right=measurement.only_right(held, *both, cuts))


def _kpi(
    inputs: ValidateInputs,
    loaded: dict[str, Loaded],
    rows: dict[str, Any],
    held: Held,
    answers: dict[str, Any],
) -> tuple[dict[str, float | None], Comparison | None, Comparison | None]:
    """Return the KPI by decision rule, and the candidate's gain over the best trivial rule.

    The third is its gain over the champion, each deciding at its own threshold.
    """
    if inputs.kpi is None:
        return {}, None, None
    features = {name: rows[name] for name in inputs.types}
    sql, direction = inputs.kpi.sql, inputs.kpi.direction
    n = len(held.labels)
    decisions = {"never act": np.zeros(n, bool), "always act": np.ones(n, bool)}
    for role in ("candidate", "champion"):
        if role in answers:
            decisions[role] = answers[role][:, 0] >= loaded[role].manifest.threshold
    facts = {
        name: kpis.facts(
            features,
            answers[name if name in answers else "candidate"][:, 0],
            held.labels > 0,
            rows[inputs.table.time],
        )
        for name in decisions
    }
    found = {name: kpis.of_rows(sql, facts[name], d) for name, d in decisions.items()}
    sign = -1.0 if direction == "minimize" else 1.0
    trivial = {k: sign * v for k, v in found.items() if k.endswith("act") and v is not None}
    if found["candidate"] is None or not trivial:
        return found, None, None
    best = max(trivial, key=trivial.__getitem__)
    rivals = [r for r in (best, "champion") if found.get(r) is not None]
    codes = np.unique(held.blocks, return_inverse=True)[1].reshape(-1)
    count = int(codes.max()) + 1
    draws = np.random.default_rng([inputs.seed, 5]).integers(count, size=(KPI_DRAWS, count))
    drawn = {
        name: kpis.resampled(sql, facts[name], {name: decisions[name]}, codes, draws)[name]
        for name in ("candidate", *rivals)
    }

    def gain(over: str) -> Comparison | None:
        mine, other = found["candidate"], found.get(over)
        if mine is None or other is None:
            return None
        low, high = np.nanquantile(sign * (drawn["candidate"] - drawn[over]), [0.025, 0.975])
        return Comparison(sign * (mine - other), float(low), float(high), n, other)

    return found, gain(best), gain("champion")


def _latency_ms(one: Loaded) -> float:
    """Return the median time of a one-row answer over 20 tries."""
    taken = []
    for _ in range(20):
        begin = time.perf_counter()
        one.answers(one.rows_matrix(one.manifest.probe_rows[:1]))
        taken.append(time.perf_counter() - begin)
    return float(np.median(taken) * 1e3)
