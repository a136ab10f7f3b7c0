"""Validation, in the engine: gather what a job is handed, judge what it measured, record it.

Load-and-query happens here too: the real serving process must answer the probe rows.
"""

import numpy as np

from engine.clock import iso, parse_time
from engine.domain.gates import Verdict
from engine.domain.lifecycle import Event
from engine.errors import RefusedError
from engine.ledger.change import ENGINE
from engine.pipeline import checks, features, train
from engine.pipeline.fitting import Inner
from engine.pipeline.scoring import ValidateInputs, ValidateResult
from engine.pipeline.site import Site
from engine.store import batches, scores
from engine.wire import Check, GateReport

PROBE_TOLERANCE = 1e-9
_EVENTS = {
    Verdict.PASS: Event.GATE_PASSED,
    Verdict.FAIL: Event.GATE_FAILED,
    Verdict.INCONCLUSIVE: Event.GATE_INCONCLUSIVE,
}


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
        kpi=train.first_kpi(settings),
        seed=site.seed,
    )


def began(site: Site, model: str, version: str) -> None:
    """Mark a version as validating."""
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(ENGINE, "validate", model, now=now, wall=wall) as change:
        change.happened(version, Event.VALIDATION_BEGAN)


def report(
    site: Site, model: str, version: str, inputs: ValidateInputs, found: ValidateResult
) -> GateReport:
    """Judge what was measured, and what serving itself answers."""
    margin = site.model(model).gate.non_inferiority
    made = checks.compared(found, inputs, margin, drifting(site, model))
    made.append(probe_check(site, model, version))
    # Not the present champion: it may have changed while this was being measured.
    measured = inputs.manifests.get("champion")
    known = site.ledger.versions(model)
    champion = next((v.version for v in known if v.manifest == measured), None)
    return checks.report(champion, inputs.since, inputs.until, found.n, made, found.value)


def beats_base_rate(site: Site, model: str, inner: Inner) -> bool:
    """Say whether a first version may lead, or the base rate has to."""
    settings = site.model(model)
    made = checks.first(inner, settings.metric, settings.gate.non_inferiority)
    return Verdict(made.verdict) is Verdict.PASS


def first_report(site: Site, model: str, version: str, inner: Inner) -> GateReport:
    """Judge a model's first version, which has nothing to be compared with but the base rate."""
    settings = site.model(model)
    made = [checks.first(inner, settings.metric, settings.gate.non_inferiority)]
    made.append(probe_check(site, model, version))
    return checks.report(None, inner.holdout_from, inner.holdout_to, inner.n, made, inner.value)


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
