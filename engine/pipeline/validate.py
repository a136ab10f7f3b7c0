"""Validation: a version against champion, anchor and trivial baselines on rows newer than all.

Gathered and decided in the engine, measured in a job, with load-and-query in serving itself.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.artifacts import Artifacts, Loaded
from engine.clock import iso, parse_time
from engine.domain import gates
from engine.domain.gates import Verdict
from engine.domain.lifecycle import Event
from engine.errors import RefusedError
from engine.ledger.change import ENGINE
from engine.pipeline import features, train
from engine.pipeline.site import Site
from engine.pipeline.train import Inner, Progress
from engine.stats import comparison, encoding, outcomes, performance
from engine.stats.comparison import Estimate
from engine.store import batches, kpis, scores, snapshots
from engine.store.snapshots import Table
from engine.wire import Check, GateReport

ALPHA = 0.05
SLICE_SUPPORT = 200
KPI_DRAWS = 200
SLOWEST = 10.0
PROBE_TOLERANCE = 1e-9
_EVENTS = {
    Verdict.PASS: Event.GATE_PASSED,
    Verdict.FAIL: Event.GATE_FAILED,
    Verdict.INCONCLUSIVE: Event.GATE_INCONCLUSIVE,
}


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
    kpi: tuple[str, str] | None
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
    needed: dict[str, int | None]
    slices: list[Slice]
    kpi: dict[str, float | None]
    kpi_gain: Comparison | None
    latency_ms: dict[str, float]


def gather(site: Site, model: str, version: str) -> ValidateInputs:
    """Gather a validation's inputs; RefusedError where the comparison would be with itself."""
    settings = site.model(model)
    roles = site.ledger.roles(model)
    named = {"candidate": version, "champion": roles.champion, "anchor": roles.anchor}
    if version == roles.champion:
        raise RefusedError(
            f"Validating {version} of {model}: it is the champion, and a version compared with "
            "itself always passes. Train a candidate first.",
            code="self_comparison",
        )
    found = {
        role: site.ledger.version(model, name) for role, name in named.items() if name is not None
    }
    ends = [parse_time(v.trained_to) for v in found.values() if v.trained_to]
    kpi = next(iter(settings.kpi.values()), None) if settings.task == "binary" else None
    return ValidateInputs(
        model=model,
        task=settings.task,
        metric=settings.metric,
        manifests={role: v.manifest for role, v in found.items() if v.manifest},
        artifacts=str(site.workspace.artifacts),
        keys=str(site.workspace.keys),
        table=train.table_of(site, model, settings),
        types=features.feature_types(settings, batches.columns(site.store, model)),
        since=iso(max(ends)),
        until=iso(train.cut(site, model).mature),
        known_by=site.moment(),
        slices=settings.gate.slices,
        kpi=(kpi.sql, kpi.direction) if kpi else None,
        seed=site.seed,
    )


# ------------------------------------------------------------------------------- in the job


def measure(inputs: ValidateInputs, progress: Progress) -> ValidateResult:
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
        return ValidateResult(0, 0, None, None, None, {}, {}, [], {}, None, {})
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
    against, needed = {}, {}
    for role, answers in others.items():
        found = comparison.paired(metric, task, labels, answers, candidate, blocks, rng)
        other = performance.value(metric, task, labels, answers)
        against[role] = Comparison(found.value, found.low, found.high, found.n, other)
        needed[role] = _needed(found)
    facts = {name: rows[name] for name in inputs.types} | {"label": labels > 0}
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
        needed=needed,
        slices=slices,
        kpi=kpi,
        kpi_gain=kpi_gain,
        latency_ms={role: _latency_ms(one) for role, one in loaded.items()},
    )


def _needed(found: Estimate) -> int | None:
    """Return the rows in all that would tell a difference of the size seen from none."""
    return comparison.needed(found, abs(found.value)) if found.value else None


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
    sql, direction = inputs.kpi
    n = len(facts["label"])
    decisions = {"never act": np.zeros(n, bool), "always act": np.ones(n, bool)}
    for role in ("candidate", "champion"):
        if role in answers:
            decisions[role] = answers[role][:, 0] >= loaded[role].manifest.threshold
    facts = {**facts, "score": answers["candidate"][:, 0]}
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


# ---------------------------------------------------------------------------- in the engine


def began(site: Site, model: str, version: str) -> None:
    """Mark a version as validating."""
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(ENGINE, "validate", model, now=now, wall=wall) as change:
        change.happened(version, Event.VALIDATION_BEGAN)


def report(
    site: Site, model: str, version: str, inputs: ValidateInputs, found: ValidateResult
) -> GateReport:
    """Decide on what was measured: every check with its threshold, interval and n."""
    gate = site.model(model).gate
    roles = site.ledger.roles(model)
    checks = [_against_champion(found, gate.non_inferiority, inputs.metric)]
    checks += _superior(found, gate.non_inferiority, inputs.metric, drifting(site, model))
    if roles.anchor != roles.champion and "anchor" in found.against:
        # Twice the margin: many small steps down may not add up past the approved baseline.
        checks.append(_non_inferior("anchor", found, 2 * gate.non_inferiority, inputs.metric))
    checks += _trivial(found, inputs)
    checks += _slice_checks(found, gate.non_inferiority, inputs.metric)
    checks += _latency(found)
    checks.append(probe_check(site, model, version))
    return _report(roles.champion, inputs.since, inputs.until, found.n, checks, found.value)


def first_report(
    site: Site, model: str, version: str, inner: Inner, metric: str, margin: float
) -> GateReport:
    """Judge a model's first version by whether its recipe beats the base rate out of time.

    Nothing serves yet, so one of the two must: the version, where it did better and is not worse
    by the margin; else the base rate.
    """
    verdict = gates.non_inferiority(inner.gain_low, inner.gain_high, margin)
    if verdict is Verdict.PASS and not (inner.gain or 0.0) > 0.0:
        verdict = Verdict.FAIL
    checks = [
        Check(
            "better than the base rate",
            verdict.value,
            -margin,
            metric,
            inner.gain,
            inner.gain_low,
            inner.gain_high,
            inner.n,
            None if verdict is not Verdict.INCONCLUSIVE else inner.needed,
            f"{metric} {_num(inner.value)}, base rate {_num(inner.prior)}; "
            "measured by the same recipe fitted without the inner hold-out",
        ),
        probe_check(site, model, version),
    ]
    return _report(None, inner.holdout_from, inner.holdout_to, inner.n, checks, inner.value)


def record(site: Site, model: str, version: str, judged: GateReport) -> None:
    """Store the gate report and the fitness that follows from it."""
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(ENGINE, "judge", model, now=now, wall=wall) as change:
        change.judge(version, judged)
        change.happened(version, _EVENTS[Verdict(judged.verdict)])
        change.detail["verdict"] = judged.verdict
    level = "INFO" if judged.verdict == "pass" else "WARN"
    why = judged.reasons[0] if judged.reasons else "all checks passed"
    site.tell(level, "gate", model, f"{version} {judged.verdict}: {why}")


def drifting(site: Site, model: str) -> str | None:
    """Say which column of the champion was over the drift limit when last measured, or None."""
    limit = site.model(model).monitor.drift_limit
    champion = site.ledger.roles(model).champion or ""
    over = [
        s for s in scores.latest(site.store, model, "drift", champion) if (s.value or 0.0) > limit
    ]
    worst = max(over, key=lambda s: s.value or 0.0, default=None)
    return None if worst is None else f"{worst.name} psi {worst.value:.2f}, limit {limit:g}"


def probe_check(site: Site, model: str, version: str) -> Check:
    """Load and query in the real serving process: its answers must be those of training."""
    manifest = site.artifacts.manifest(site.ledger.version(model, version).manifest or "")
    answers = np.asarray(site.serving.probe(model, version, manifest.probe_rows), dtype=np.float64)
    worst = float(np.max(np.abs(answers - np.asarray(manifest.probe_answers))))
    verdict = Verdict.PASS if worst <= PROBE_TOLERANCE else Verdict.FAIL
    return Check(
        "answers the probe rows in serving",
        verdict.value,
        PROBE_TOLERANCE,
        "largest difference",
        worst,
        n=len(manifest.probe_rows),
    )


def _against_champion(found: ValidateResult, margin: float, metric: str) -> Check:
    return _non_inferior("champion", found, margin, metric)


def _non_inferior(role: str, found: ValidateResult, margin: float, metric: str) -> Check:
    one = found.against.get(role, Comparison(None, None, None, found.n, None))
    verdict = gates.non_inferiority(one.low, one.high, margin)
    return _check(f"not worse than the {role}", verdict, -margin, metric, one, found, role)


def _superior(
    found: ValidateResult, worthwhile: float, metric: str, drifting: str | None
) -> list[Check]:
    """A challenger must be better, or at least may be while the champion drifts."""
    one = found.against.get("champion")
    if one is None:
        return []
    verdict = gates.superiority(one.low, one.high, worthwhile)
    made = _check("better than the champion", verdict, 0.0, metric, one, found, "champion")
    if verdict is Verdict.INCONCLUSIVE and drifting is not None:
        text = f"{made.text}; not shown, but the champion drifts: {drifting}"
        made = msgspec.structs.replace(made, verdict=Verdict.PASS.value, text=text)
    return [made]


def _trivial(found: ValidateResult, inputs: ValidateInputs) -> list[Check]:
    checks = []
    if one := found.against.get("base rate"):
        verdict = gates.superiority(one.low, one.high, 0.0)
        checks.append(
            _check(
                "better than the base rate", verdict, 0.0, inputs.metric, one, found, "base rate"
            )
        )
    if (gain := found.kpi_gain) is not None:
        verdict = gates.superiority(gain.low, gain.high, 0.0)
        text = ", ".join(f"{name} {_num(v)}" for name, v in found.kpi.items())
        checks.append(
            Check(
                "KPI better than never or always acting",
                verdict.value,
                0.0,
                "KPI",
                gain.value,
                gain.low,
                gain.high,
                gain.n,
                text=text,
            )
        )
    return checks


def _slice_checks(found: ValidateResult, margin: float, metric: str) -> list[Check]:
    """No slice may be significantly worse than the margin, Holm over all slices."""
    if not found.slices:
        return []
    from scipy.stats import norm

    p = [float(norm.cdf((s.value + margin) / max(s.se, 1e-12))) for s in found.slices]
    worse = [s for s, bad in zip(found.slices, gates.holm(p, ALPHA), strict=True) if bad]
    worst = min(found.slices, key=lambda s: s.value)
    verdict = Verdict.FAIL if worse else Verdict.PASS
    named = ", ".join(f"{s.name} {s.value:+.4f} (n {s.n})" for s in worse or [worst])
    return [
        Check(
            "no slice worse",
            verdict.value,
            -margin,
            metric,
            worst.value,
            n=worst.n,
            text=f"{len(found.slices)} slices with at least {SLICE_SUPPORT} rows; "
            f"{'worse' if worse else 'lowest'}: {named}",
        )
    ]


def _latency(found: ValidateResult) -> list[Check]:
    own, other = found.latency_ms.get("candidate"), found.latency_ms.get("champion")
    if own is None or other is None:
        return []
    verdict = Verdict.PASS if own <= SLOWEST * other else Verdict.FAIL
    # Only the limit can fail a version; the time itself would differ from run to run.
    text = f"at most {SLOWEST:g} times the champion's, median of 20 one-row answers"
    return [Check("latency", verdict.value, SLOWEST, "times", None, n=20, text=text)]


def _check(
    name: str,
    verdict: Verdict,
    threshold: float,
    unit: str,
    one: Comparison,
    found: ValidateResult,
    role: str,
) -> Check:
    needed = found.needed.get(role) if verdict is Verdict.INCONCLUSIVE else None
    text = f"{_num(found.value)} against {_num(one.other)}, {found.blocks} days"
    return Check(
        name, verdict.value, threshold, unit, one.value, one.low, one.high, one.n, needed, text
    )


def _report(
    against: str | None,
    since: str,
    until: str,
    n: int,
    checks: list[Check],
    value: float | None,
) -> GateReport:
    verdict = gates.overall(Verdict(c.verdict) for c in checks if c.verdict != "observed")
    reasons = [_sentence(c) for c in checks if c.verdict == verdict.value != "pass"]
    return GateReport(verdict.value, against, since, until, n, checks, reasons, value)


def _sentence(check: Check) -> str:
    value = f" by {check.value:+.4f} {check.unit}" if check.value is not None else ""
    interval = f" [{check.low:+.4f}, {check.high:+.4f}]" if check.low is not None else ""
    needed = f"; about {check.needed} rows needed" if check.needed else ""
    said = "not shown" if check.verdict == "inconclusive" else "not so"
    return f"{check.name}: {said}{value}{interval}, n {check.n}{needed}"


def _num(value: float | None) -> str:
    return "--" if value is None else f"{value:.4f}"
