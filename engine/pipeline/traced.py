"""The way of a version as one trace, from what asked for it to its promotion, read from the record.

Nothing is noted while it happens: the ids come of model and run, so that a trace goes on over any
number of restarts, and what a dead collector missed is told later.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from engine.clock import parse_time
from engine.errors import UnknownError
from engine.pipeline.site import Site
from engine.store import runs
from engine.telemetry.spans import Span, span_of, trace_of
from engine.wire import AuditEntry, JobRow

AT_ONCE = 200
KEPT = "traced"
_NAMES = {"judge": "gate", "register": "trained"}


class Told(msgspec.Struct, frozen=True):
    """How far traces have been told: up to which audit entry, and runs that ended until when."""

    seq: int
    ended: str


def told(site: Site) -> Told:
    """Return how far traces have been told; at first that is now, nothing of the past is."""
    if kept := site.ledger.meta(KEPT):
        return msgspec.json.decode(kept, type=Told)
    newest = site.ledger.audit_entries(limit=1)
    first = Told(newest[-1].seq if newest else 0, site.moment())
    tell(site, first)
    return first


def tell(site: Site, told: Told) -> None:
    """Remember how far traces have been told."""
    site.ledger.set_meta(KEPT, msgspec.json.encode(told).decode())


def fresh(site: Site, since: Told) -> tuple[list[Span], Told]:
    """Return the spans of what happened since, and how far they go; a few hundred at most."""
    ended = runs.ended_after(site.store, parse_time(since.ended), AT_ONCE)
    entries = site.ledger.entries_after(since.seq, AT_ONCE)
    spans = [span for run in ended for span in _of_run(site, run)]
    spans += [span for entry in entries if (span := _of_entry(site, entry)) is not None]
    until = max((run.ended_at or "" for run in ended), default=since.ended)
    return spans, Told(entries[-1].seq if entries else since.seq, until)


def _of_run(site: Site, run: JobRow) -> Iterator[Span]:
    """Yield what asked for a run, from when it was asked for, and the run itself in it."""
    trace = _trace(site, run.model, run.id)
    about = {"cdml.model": run.model, "cdml.run": run.id, "cdml.outcome": run.state}
    about |= {"cdml.version": run.version} if run.version else {}
    began, ended = ns(run.queued_at), ns(run.ended_at or run.queued_at)
    root = span_of(trace, "trigger")
    named = f"trigger {run.job}"
    yield Span(trace, root, None, named, began, ended, about | {"cdml.cause": run.cause})
    if run.started_at:
        number, failed = span_of(trace, "run"), run.state not in ("done", "refused", "cancelled")
        yield Span(trace, number, root, f"run {run.job}", ns(run.started_at), ended, about, failed)


def _of_entry(site: Site, entry: AuditEntry) -> Span | None:
    """Return a change as a moment of the trace of the version that it is about."""
    version = _version(entry)
    if entry.model is None or version is None:
        return None
    try:
        run = site.ledger.version(entry.model, version).run
    except UnknownError:
        return None
    trace = _trace(site, entry.model, run)
    about: dict[str, str | int] = {
        "cdml.model": entry.model,
        "cdml.version": version,
        "cdml.run": run,
        "cdml.actor": entry.actor,
        "cdml.audit": entry.seq,
        "cdml.generation": entry.generation_after or 0,
    }
    report = entry.detail.get("report") or {}
    about |= {"cdml.verdict": report["verdict"]} if "verdict" in report else {}
    number, at = span_of(trace, "audit", str(entry.seq)), ns(entry.time)
    name = _NAMES.get(entry.action, entry.action)
    return Span(trace, number, span_of(trace, "trigger"), name, at, at, about)


def _version(entry: AuditEntry) -> str | None:
    """Return the version that a change is about: of a rollback the one that was left."""
    if entry.from_version != entry.to_version:
        return entry.from_version if entry.action == "rollback" else entry.to_version
    before, after = (entry.detail.get(k) or {} for k in ("roles_before", "roles_after"))
    for role in ("canary", "shadow"):
        if before.get(role) != after.get(role):
            found: str | None = after.get(role) or before.get(role)
            return found
    return next(iter(entry.detail.get("fitness") or {}), None)


def _trace(site: Site, model: str, run: str) -> int:
    return trace_of(site.settings.workspace.name, model, run)


def ns(text: str) -> int:
    """Return a moment in nanoseconds since 1970."""
    since = parse_time(text) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
