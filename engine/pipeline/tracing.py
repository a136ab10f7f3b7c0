"""Questions to audit and lineage: who promoted it, what served then, what a batch touched."""

from datetime import datetime, timedelta

import msgspec

from engine.artifacts import Manifest
from engine.clock import iso, parse_time
from engine.domain.lifecycle import shown_state
from engine.domain.locks import EVERYWHERE
from engine.domain.taints import Mark, Span, reaches
from engine.errors import RefusedError, UnknownError
from engine.ledger.ledger import Version
from engine.pipeline import taints
from engine.pipeline.site import Site
from engine.store import archive, runs
from engine.store import batches as delivered
from engine.store.batches import Batch
from engine.wire import (
    AuditAnswer,
    AuditEntry,
    AuditQuestion,
    BatchTrace,
    Lineage,
    LineageBatch,
    Served,
    Taint,
    TransformTrace,
)


def answer(site: Site, limit: int, asked: AuditQuestion) -> AuditAnswer:
    """Answer one question to the audit with at most `limit` entries, the newest."""
    fault = site.ledger.audit_fault() if asked.verify else None
    if asked.model is not None and asked.model != EVERYWHERE:
        site.model(asked.model)
    if msgspec.structs.replace(asked, verify=False) == AuditQuestion():
        newest = site.ledger.audit_entries(limit=limit)
        return AuditAnswer(newest, asked.verify and not fault, site.ledger.audit_head(), fault)
    found = site.ledger.entries()
    if asked.model is not None:
        found = [e for e in found if e.model in (asked.model, EVERYWHERE)]
    served: list[Served] = []
    trace: BatchTrace | None = None
    if asked.version is not None:
        models = [asked.model] if asked.model else site.ledger.models()
        known = [v.version for m in models for v in site.ledger.versions(m)]
        if asked.version not in known:
            raise UnknownError(
                f'Looking for version "{asked.version[:40]}" in the audit: there is none. Known: '
                f"{', '.join(known) or 'none yet'}.",
                code="unknown_version",
                field="version",
            )
        found = about(found, asked.version)
    if asked.batch is not None:
        trace = batch(
            site, [asked.model] if asked.model else list(site.settings.models), asked.batch
        )
        found = [e for e in found if e.model == trace.model and _touched(e, trace)]
    if asked.overrides or asked.since is not None:
        since = parse_time(asked.since) if asked.since else month_of(site.clock.wall())
        found = [e for e in found if parse_time(e.wall) >= since]
        found = [e for e in found if e.detail.get("overrides") or not asked.overrides]
    if asked.at is not None:
        at = parse_time(asked.at)
        served = [
            msgspec.structs.replace(s, answers=archive.place_of(site.store, s.model, at))
            for s in served_at(found, at)
        ]
        found = [e for e in found if e.seq in {s.audit_seq for s in served}]
    whole = asked.verify and fault is None
    return AuditAnswer(found[-limit:], whole, site.ledger.audit_head(), fault, served, trace)


def about(entries: list[AuditEntry], version: str) -> list[AuditEntry]:
    """Return the entries that changed a version's fitness or any of its roles."""
    return [e for e in entries if version in _concerned(e)]


def served_at(entries: list[AuditEntry], moment: datetime) -> list[Served]:
    """Return who served each model at a moment of decision time."""
    found: dict[str, Served] = {}
    for e in entries:
        roles = e.detail["roles_after"]
        if parse_time(e.time) > moment or e.model is None or not roles["champion"]:
            continue
        now = (roles["champion"], roles["canary"], roles["canary_share_pct"], roles["shadow"])
        known = found.get(e.model)
        if known is None or now != _serving(known):
            found[e.model] = Served(e.model, *now, roles["generation"], e.time, e.seq)
    return list(found.values())


def month_of(moment: datetime) -> datetime:
    """Return the first moment of a month."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def batch(site: Site, models: list[str], name: str) -> BatchTrace:
    """Return what a batch touched; UnknownError where none of the models has it."""
    fault: UnknownError | None = None
    for model in models:
        try:
            found = taints.batch_named(site, model, name)
        except UnknownError as e:
            fault = e
            continue
        return _traced(site, model, found)
    raise fault or UnknownError(
        f'Looking for the batch "{name[:64]}": there is no model.', code="unknown_batch"
    )


def lineage(site: Site, model: str, version: str) -> Lineage:
    """Return what a version was made of, what it was compared with, and what came of it."""
    site.model(model)
    found = site.ledger.version(model, version)
    if not found.manifest:
        raise RefusedError(
            f"Tracing {version} of {model}: it is {found.fitness} and has no manifest. Look at its "
            f"run with cdml job {found.run}.",
            code="no_manifest",
        )
    manifest = site.artifacts.manifest(found.manifest)
    own = taints.lineage_of(version, manifest)
    known = [b for b in delivered.known(site.store, model) if b.batch in own.batches]
    queries = delivered.queries(site.store, model)
    led = [
        e.seq
        for e in site.ledger.entries()
        if e.model == model and e.to_version == version and e.from_version != version
    ]
    versions = site.ledger.versions(model)
    return Lineage(
        model=model,
        version=version,
        state=shown_state(found.fitness, site.ledger.roles(model).of(version)),
        from_=manifest.trained_from,
        to=manifest.trained_to,
        rows=manifest.rows,
        window=manifest.window,
        recipe=manifest.recipe,
        metric=manifest.metric,
        seed=manifest.seed,
        packages=manifest.packages,
        run=manifest.run,
        created_at=manifest.created_at,
        manifest=found.manifest,
        artifact=manifest.artifact,
        batches=[_used(b, reaches(_mark(b), own), queries.get(b.batch, "")) for b in known],
        without=manifest.without,
        against=found.report.against if found.report else None,
        verdict=found.verdict,
        measured=[v.version for v in versions if v.report and v.report.against == version],
        led=led,
        taints=[t for t in taints.listed(site, model) if version in t.touches],
        origin=manifest.origin,
        children=[v.version for v in versions if _parent(site, v) == version],
        cause=cause(site, manifest.run),
        transform=_transform(manifest),
    )


def cause(site: Site, run: str) -> str:
    """Return why a run was; empty where it is not recorded."""
    row = runs.of_id(site.store, run)
    return row.cause if row is not None else ""


def _transform(manifest: Manifest) -> TransformTrace | None:
    sealed = manifest.transform
    if sealed is None:
        return None
    source, derived = sealed.source, [f.name for f in sealed.derived]
    return TransformTrace(source.name, source.digest, sealed.kept, derived, source.text)


def _parent(site: Site, version: Version) -> str | None:
    """Return the champion that a version was trained to follow."""
    origin = site.artifacts.manifest(version.manifest).origin if version.manifest else None
    found: str | None = origin["inputs"]["parent"] if origin else None
    return found


def _concerned(e: AuditEntry) -> set[str]:
    """Return the versions that an entry is about."""
    before, after = e.detail["roles_before"], e.detail["roles_after"]
    moved = set(e.detail["fitness"])
    for role in ("champion", "canary", "shadow", "anchor"):
        if before[role] != after[role]:
            moved |= {before[role], after[role]}
    return moved - {None}


def _touched(e: AuditEntry, trace: BatchTrace) -> bool:
    tainted = e.detail.get("taint") or {}
    named = tainted.get("number") in {t.number for t in trace.taints}
    # Who took it in from quarantine, and why.
    named |= e.detail.get("batch") == trace.batch
    return named or bool(_concerned(e) & {*trace.trained, *trace.judged})


def _serving(known: Served) -> tuple[str | None, str | None, float, str | None]:
    return known.champion, known.canary, known.canary_share_pct, known.shadow


def _mark(found: Batch) -> Mark:
    if found.time_from is None or found.time_to is None:
        return Mark(batch=found.batch)
    span = Span(found.time_from, found.time_to + timedelta(microseconds=1))
    return Mark(batch=found.batch, span=span)


def _used(found: Batch, used: bool, query: str) -> LineageBatch:  # noqa: FBT001
    since, until = _ends(found)
    return LineageBatch(found.batch, found.file, found.rows, since, until, used, query)


def _ends(found: Batch) -> tuple[str | None, str | None]:
    since = iso(found.time_from) if found.time_from else None
    return since, iso(found.time_to) if found.time_to else None


def _traced(site: Site, model: str, found: Batch) -> BatchTrace:
    mark = _mark(found)
    since, until = _ends(found)
    judged = [
        v.version
        for v in site.ledger.versions(model)
        if v.report
        and since
        and until
        and v.report.holdout_from
        and v.report.holdout_to
        and parse_time(v.report.holdout_from) <= parse_time(until)
        and parse_time(since) <= parse_time(v.report.holdout_to)
    ]
    return BatchTrace(
        model,
        found.batch,
        found.file,
        iso(found.received),
        found.rows,
        since,
        until,
        [n.version for n in taints.lineages(site, model) if reaches(mark, n)],
        judged,
        [t for t in taints.listed(site, model) if _covers(t, found)],
        delivered.queries(site.store, model).get(found.batch, ""),
    )


def _covers(taint: Taint, found: Batch) -> bool:
    """Say whether a taint names a batch, or rows of its time."""
    if taint.batch is not None:
        return taint.batch == found.batch
    if taint.from_ is None or taint.to is None or found.time_from is None or found.time_to is None:
        return False
    return parse_time(taint.from_) <= found.time_to and found.time_from < parse_time(taint.to)
