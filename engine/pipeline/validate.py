"""Validation, in the engine: gather what a job is handed, judge what it measured, record it.

Load-and-query happens here too: the real serving process must answer the probe rows. A former
champion that is judged again keeps its fitness: as a way back it needs no gate.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
import numpy as np

from engine.clock import iso, parse_time
from engine.domain.gates import Verdict
from engine.domain.lifecycle import TABLE, Event, Fitness
from engine.errors import CorruptError, InvalidError, RefusedError
from engine.ledger.change import ENGINE
from engine.ledger.ledger import Version
from engine.pipeline import checks, drifting, features, taints, train
from engine.pipeline.fitting import Inner
from engine.pipeline.measurement import ValidateResult
from engine.pipeline.scoring import ValidateInputs
from engine.pipeline.site import Control, Site
from engine.pipeline.training import Recipe, origin_of
from engine.quantities import duration
from engine.settings import ModelSettings
from engine.store import batches
from engine.transform.sealed import Sealed
from engine.wire import Check, GateReport

PROBE_TOLERANCE = 1e-9
_EVENTS = {
    Verdict.PASS: Event.GATE_PASSED,
    Verdict.FAIL: Event.GATE_FAILED,
    Verdict.INCONCLUSIVE: Event.GATE_INCONCLUSIVE,
}


def gather(
    site: Site, model: str, version: str, *, recall: Sequence[Version] = ()
) -> ValidateInputs:
    """Gather a validation's inputs; RefusedError where the comparison would be with itself.

    The anchor is left out where it is the champion, the version itself, or tainted. Of `recall`
    only those are looked at that saw none of the rows.
    """
    roles = site.ledger.roles(model)
    check_other(model, version, roles.champion)
    named = {"candidate": version, "champion": roles.champion}
    anchor = roles.anchor
    if anchor not in (None, version, roles.champion):
        tainted = taints.of_version(site, model, anchor or "")
        named |= {"anchor": anchor} if tainted is None else {}
    found = {
        role: site.ledger.version(model, name) for role, name in named.items() if name is not None
    }
    inputs = inputs_of(site, model, found)
    since = parse_time(inputs.since)
    fresh = [v for v in recall if v.trained_to and parse_time(v.trained_to) <= since]
    return msgspec.structs.replace(inputs, recall={v.version: v.manifest or "" for v in fresh})


def inputs_of(site: Site, model: str, named: Mapping[str, Version]) -> ValidateInputs:
    """Gather what is needed to measure versions, by role, on mature rows newer than all of them."""
    settings = site.model(model)
    columns = batches.columns(site.store, model)
    _check_columns(model, settings, columns)
    ends = [parse_time(v.trained_to) for v in named.values() if v.trained_to]
    return ValidateInputs(
        model=model,
        task=settings.task,
        metric=settings.metric,
        manifests={role: v.manifest for role, v in named.items() if v.manifest},
        artifacts=str(site.workspace.artifacts),
        keys=str(site.workspace.keys),
        table=train.table_of(site, model, settings),
        types=features.feature_types(settings, columns),
        since=iso(max(ends)),
        until=iso(train.cut(site, model).mature),
        known_by=site.moment(),
        slices=settings.gate.slices,
        kpi=train.first_kpi(settings),
        seed=site.seed,
        group=settings.gate.group,
        maturity_s=duration(settings.label_maturity) / timedelta(seconds=1),
    )


def _check_columns(model: str, settings: ModelSettings, columns: Mapping[str, str]) -> None:
    """Raise InvalidError where the gate is told to look at a column that no row has."""
    group = settings.gate.group
    for key, names in (("slices", settings.gate.slices), ("group", [group] if group else [])):
        for name in names:
            if columns and name not in columns:
                raise InvalidError(
                    f'Validating a version of {model}: gate.{key} names "{name}", which the '
                    f"delivered rows have not. They have: {', '.join(columns)}. Change cdml.toml "
                    "and use cdml reload.",
                    code="unknown_column",
                    field=f"models.{model}.gate.{key}",
                )


def check_other(model: str, version: str, champion: str | None) -> None:
    """Raise RefusedError where a version would be compared with itself."""
    if version == champion:
        raise RefusedError(
            f"Validating {version} of {model}: it is the champion, and a version compared with "
            "itself always passes. Train a candidate first.",
            code="self_comparison",
        )


def check_askable(site: Control, model: str, version: str) -> None:
    """Raise RefusedError where even a person may not have a version judged again."""
    found = site.ledger.version(model, version)
    roles = site.ledger.roles(model)
    check_other(model, version, roles.champion)
    if version in (roles.canary, roles.shadow):
        raise RefusedError(
            f"Validating {version} of {model}: it is being brought in, on the gate that it has "
            f"passed. Nothing was changed. Stop it first with cdml abort {model}.",
            code="being_brought_in",
        )
    taints.check(site, found, "Validate")
    possible = (found.fitness, Event.VALIDATION_BEGAN) in TABLE or keeps_fitness(site, found)
    if not possible or not found.manifest or found.safe_mode:
        what = "safe mode" if found.safe_mode else found.fitness.replace("_", " ")
        raise RefusedError(
            f"Validating {version} of {model}: it is {what}, which no gate judges. Nothing was "
            "changed. Name a version that was trained as a candidate: cdml versions.",
            code="not_judgeable",
        )


def keeps_fitness(site: Control, version: Version) -> bool:
    """Say whether a version was champion and not left by a rollback."""
    former = version.version in site.ledger.roles(version.model).standby
    return version.fitness is Fitness.PROVEN or (former and version.fitness is Fitness.BLESSED)


def began(site: Site, model: str, version: str, reason: str = "") -> None:
    """Mark a version as validating, with the reason where it is not its first time."""
    kept = keeps_fitness(site, site.ledger.version(model, version))
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(ENGINE, "validate", model, now=now, wall=wall, reason=reason) as change:
        change.detail["validated"] = version
        if not kept:
            change.happened(version, Event.VALIDATION_BEGAN)


def report(
    site: Site, model: str, version: str, inputs: ValidateInputs, found: ValidateResult
) -> GateReport:
    """Judge what was measured, and what serving itself answers."""
    settings = site.model(model)
    because = replaced_because(site, model)
    renewal = settings.gate.renewal and _renews(site, inputs)
    made = checks.compared(
        found, inputs.metric, settings.gate, inputs.kpi, because, renewal=renewal
    )
    made += serving_checks(site, model, version)
    # Not the present champion: it may have changed while this was being measured.
    measured = inputs.manifests.get("champion")
    known = site.ledger.versions(model)
    champion = next((v.version for v in known if v.manifest == measured), None)
    kpi = {inputs.kpi.name: found.kpi.get("candidate")} if inputs.kpi else {}
    return checks.report(
        champion, inputs.since, inputs.until, found.n, made, found.value, found.measured | kpi
    )


def _renews(site: Site, inputs: ValidateInputs) -> bool:
    """Say whether a candidate is what the champion is, made of newer rows."""
    one, other = (_made_by(site, inputs.manifests.get(r)) for r in ("candidate", "champion"))
    return one is not None and one == other


def _made_by(site: Site, name: str | None) -> tuple[Recipe, str, str] | None:
    """Return a version's recipe, window and transformation; None where that was not kept."""
    manifest = site.artifacts.manifest(name) if name else None
    origin = origin_of(manifest) if manifest else None
    if manifest is None or origin is None:
        return None
    through = manifest.transform.source.digest if manifest.transform else ""
    return origin.candidate.recipe, origin.candidate.window, through


def first_may_lead(site: Site, model: str, inner: Inner) -> bool:
    """Say whether a first version may lead, or the base rate has to."""
    settings = site.model(model)
    made = checks.first(inner, settings.metric, settings.gate)
    return all(Verdict(check.verdict) is Verdict.PASS for check in made)


def first_report(site: Site, model: str, version: str, inner: Inner) -> GateReport:
    """Judge a model's first version, which has nothing to be compared with but the base rate."""
    settings = site.model(model)
    made = checks.first(inner, settings.metric, settings.gate)
    made += serving_checks(site, model, version)
    span = (inner.holdout_from, inner.holdout_to)
    return checks.report(None, *span, inner.n, made, inner.value, inner.measured)


def record(
    site: Site, model: str, version: str, judged: GateReport, *, fence: int, replaces: str = ""
) -> None:
    """Store the gate report and the fitness that follows from it.

    `fence` is the generation that the run began with: a rollout that waits is judged by it. What
    it `replaces` is not brought in any more.
    """
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(ENGINE, "judge", model, now=now, wall=wall) as change:
        change.judge(version, judged)
        if change.fitness_of(version) is Fitness.VALIDATING:
            change.happened(version, _EVENTS[Verdict(judged.verdict)])
        change.detail |= {"verdict": judged.verdict, "fence": fence}
        if replaces:
            change.happened(replaces, Event.ABORTED)
            change.detail["replaced"] = replaces
    level = "INFO" if judged.verdict == "pass" else "WARN"
    why = judged.reasons[0] if judged.reasons else "all checks passed"
    site.tell(level, "gate", model, f"{version} {judged.verdict}: {why}")


def settle(site: Site, model: str, why: str) -> None:
    """End a validation that will not end by itself: without its evidence it is inconclusive."""
    left = [v for v in site.ledger.versions(model) if v.fitness is Fitness.VALIDATING]
    now, wall = site.clock.now(), site.clock.wall()
    for version in left:
        with site.ledger.change(ENGINE, "judge", model, now=now, wall=wall, reason=why) as change:
            change.happened(version.version, Event.GATE_INCONCLUSIVE)


def replaced_because(site: Site, model: str) -> str | None:
    """Return the reason for which something only as good may replace the champion, or None."""
    champion, stale = site.ledger.roles(model).champion, site.model(model).gate.stale
    ended = site.ledger.version(model, champion).trained_to if champion else None
    age = site.clock.now() - parse_time(ended) if ended is not None else None
    if stale is not None and age is not None and age > duration(stale):
        return f"the champion is stale: trained to {(ended or '')[:10]}, older than {stale}"
    drift = drifts(site, model)
    return None if drift is None else f"the champion drifts: {drift}"


def drifts(site: Site, model: str) -> str | None:
    """Say which column of the champion drifted when last measured, or None."""
    over = drifting.over(site, model, site.ledger.roles(model).champion or "")
    limit = site.model(model).monitor.drift_limit
    return f"{over[0].column} psi {over[0].psi:.2f}, limit {limit:g}" if over else None


def serving_checks(site: Site, model: str, version: str) -> list[Check]:
    """Let the real serving process load a version, transform and answer as training did."""
    sealed = site.artifacts.manifest(site.ledger.version(model, version).manifest or "").transform
    try:
        answered = probe_check(site, model, version)
    except CorruptError as e:
        if e.code != "transform_mismatch" or sealed is None:
            raise
        return [_transform_check(sealed, Verdict.FAIL, e.message)]
    if sealed is None:
        return [answered]
    said = f"{sealed.source.name}, byte for byte, with a null in every column"
    return [_transform_check(sealed, Verdict.PASS, said), answered]


def _transform_check(sealed: Sealed, verdict: Verdict, said: str) -> Check:
    """Return the check with how many columns differ; where it broke in serving, all of them."""
    differ = 0
    if verdict is not Verdict.PASS:
        named = sum(f'column "{f.name}"' in said for f in sealed.derived)
        differ = named or len(sealed.derived)
    return Check(
        "transforms the probe rows in serving",
        verdict.value,
        0.0,
        "columns that differ",
        float(differ),
        n=len(sealed.probes),
        text=said,
    )


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
