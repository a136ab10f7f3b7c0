"""Files set aside: listed, accepted by a person in spite of what was found, or discarded."""

import shutil
import tempfile
from pathlib import Path

import msgspec

from engine.clock import iso
from engine.errors import InvalidError, UnknownError
from engine.ledger.change import Actor
from engine.pipeline import waiting
from engine.pipeline.deliver_labels import deliver
from engine.pipeline.ingest import ingest
from engine.pipeline.site import Site
from engine.pipeline.waiting import SHORT
from engine.store import batches
from engine.store.batches import Batch
from engine.wire import BatchesAnswer, BatchRow, QuarantineAnswer, QuarantineRequest

FEWEST = 4
KEPT = "discarded"


def listed(site: Site, model: str) -> list[BatchRow]:
    """Return the files of a model that are set aside, oldest first."""
    site.model(model)
    return [_row(b) for b in waiting.standing(batches.known(site.store, model))]


def delivered(site: Site, model: str, limit: int) -> BatchesAnswer:
    """Return what was delivered for a model, the newest first; a file judged again stands once."""
    site.model(model)
    known = batches.known(site.store, model)
    standing = waiting.standing(known)
    every = [b for b in known if b.verdict != "quarantined" or b in standing]
    return BatchesAnswer(model, [_row(b) for b in every[::-1][:limit]], len(every), len(standing))


def _row(batch: Batch) -> BatchRow:
    return BatchRow(
        batch.batch[:SHORT],
        batch.file,
        iso(batch.received),
        batch.verdict,  # type: ignore[arg-type]
        batch.rows,
        iso(batch.time_from) if batch.time_from else None,
        iso(batch.time_to) if batch.time_to else None,
        batch.reasons,
        batch.findings,
        waiting.commands(batch) if batch.verdict == "quarantined" else [],
        batch.kind,
    )


def decide(site: Site, model: str, actor: Actor, asked: QuarantineRequest) -> QuarantineAnswer:
    """Accept a file in quarantine, or discard it; a reason is needed and goes into the audit."""
    site.model(model)
    if (before := site.ledger.answered(asked.idempotency_key)) is not None:
        return msgspec.convert(before, type=QuarantineAnswer)
    if not asked.reason.strip():
        raise InvalidError(
            f"Deciding about a quarantined file of {model}: no reason was given. Nothing was "
            "changed. Say why with --reason.",
            code="no_reason",
            field="reason",
        )
    batch = _named(site, model, asked.batch)
    path = waiting.path_of(site, batch)
    if not path.is_file():
        raise UnknownError(
            f'Looking for "{path.name}" in the quarantine of {model}: it is gone. Deliver the '
            "file again.",
            code="file_gone",
            field="batch",
        )
    act = _accept if asked.verb == "accept" else _discard
    answer = act(site, model, actor, asked.reason, batch, path)
    if answer.changed:
        _record(site, model, actor, asked, batch, answer)
        waiting.announce(site, model)
    return answer


def _accept(
    site: Site,
    model: str,
    actor: Actor,
    reason: str,
    batch: Batch,
    path: Path,
) -> QuarantineAnswer:
    waived = f"accepted by {actor}: {reason}"
    with tempfile.TemporaryDirectory(prefix=".", dir=site.workspace.quarantine(model)) as folder:
        # Under its own name; what lies in quarantine stays until the rows are in.
        named = Path(folder) / batch.file
        named.hardlink_to(path)
        take = deliver if batch.kind == "labels" else ingest
        found = take(site, model, named, waived=waived)
    if found.verdict == "quarantined":
        said = f"it cannot be read as rows of {model}: {found.reasons[0]}"
        return QuarantineAnswer(model, batch.batch[:SHORT], None, 0, said, changed=False)
    path.unlink()
    waiting.why_of(path).unlink(missing_ok=True)
    batches.resolve(site.store, model, batch.batch, "released")
    said = f'"{batch.file}" is taken in, {found.rows} rows'
    return QuarantineAnswer(model, batch.batch[:SHORT], found.batch, found.rows, said, changed=True)


def _discard(
    site: Site,
    model: str,
    actor: Actor,
    reason: str,
    batch: Batch,
    path: Path,
) -> QuarantineAnswer:
    kept = site.workspace.quarantine(model) / KEPT
    kept.mkdir(exist_ok=True)
    for one in (path, waiting.why_of(path)):
        if one.exists():
            shutil.move(one, kept / one.name)
    batches.resolve(site.store, model, batch.batch, "discarded")
    said = f'"{batch.file}" is discarded; the file is kept in "{kept}"'
    site.tell("ACT", "quarantine", model, f"{actor}: {said} ({reason})")
    return QuarantineAnswer(model, batch.batch[:SHORT], None, 0, said, changed=True)


def _record(
    site: Site,
    model: str,
    actor: Actor,
    asked: QuarantineRequest,
    batch: Batch,
    answer: QuarantineAnswer,
) -> None:
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor, "quarantine", model, now=now, wall=wall, reason=asked.reason,
        key=asked.idempotency_key,
    ) as change:  # fmt: skip
        change.answer = answer
        change.detail |= {
            "verb": asked.verb,
            "file": batch.file,
            "source": batch.batch,
            "batch": answer.taken,
            "found": batch.reasons,
        }


def _named(site: Site, model: str, name: str) -> Batch:
    standing = waiting.standing(batches.known(site.store, model))
    found = [b for b in standing if b.batch.startswith(name.lower())]
    if len(name) >= FEWEST and len(found) == 1:
        return found[0]
    known = ", ".join(f"{b.batch[:SHORT]} ({b.file})" for b in standing[-3:]) or "none"
    raise UnknownError(
        f'Looking for "{name[:64]}" in the quarantine of {model}: {len(found)} files begin so. '
        f"Write at least {FEWEST} characters that begin one digest only. The newest: {known}.",
        code="unknown_batch",
        field="batch",
    )
