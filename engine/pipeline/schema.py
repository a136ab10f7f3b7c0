"""The columns of a model: inferred from its first batch, changed only when a person approves."""

from engine.clock import iso
from engine.errors import RefusedError
from engine.ledger.change import Actor
from engine.pipeline.site import Site
from engine.store import batches, schemas
from engine.store.schemas import PROPOSED, Version
from engine.wire import LockRequest, SchemaAnswer, SchemaChange, SchemaVersion

INFERRED = "the first batch"


def infer(site: Site, model: str, columns: dict[str, str], file: str) -> None:
    """Remember the columns of the first batch as version 1."""
    schemas.add(site.store, model, Version(1, columns, site.clock.now(), INFERRED, file))


def propose(site: Site, model: str, columns: dict[str, str], file: str) -> None:
    """Remember the columns of a file that differs, for a person to approve."""
    proposed = Version(PROPOSED, columns, site.clock.now(), "", file)
    schemas.add(site.store, model, proposed)


def page(site: Site, model: str) -> SchemaAnswer:
    """Return the columns of a model, their version, and what is proposed to change."""
    site.model(model)
    columns = batches.columns(site.store, model)
    found = schemas.versions(site.store, model)
    proposed = next((v for v in found if v.number == PROPOSED), None)
    current = found[-1] if found and found[-1].number != PROPOSED else None
    return SchemaAnswer(
        model,
        current.number if current else int(bool(columns)),
        columns,
        iso(current.since) if current else None,
        current.by if current else "",
        changes(columns, proposed.columns) if proposed else [],
        proposed.file if proposed else None,
        _history([v for v in found if v.number != PROPOSED]),
        [f"cdml schema {model} --approve --reason T"] if proposed else [],
    )


def _history(found: list[Version]) -> list[SchemaVersion]:
    before = [{}, *(v.columns for v in found)]
    return [
        SchemaVersion(v.number, iso(v.since), v.by, v.file, changes(old, v.columns))
        for old, v in zip(before, found, strict=False)
    ]


def changes(now: dict[str, str], then: dict[str, str]) -> list[SchemaChange]:
    """Return what differs between two versions, by column."""
    names = dict.fromkeys([*now, *then])
    return [SchemaChange(n, now.get(n), then.get(n)) for n in names if now.get(n) != then.get(n)]


def approve(site: Site, model: str, actor: Actor, asked: LockRequest) -> SchemaAnswer:
    """Put the proposed columns in force from the next batch on; files wait to be accepted."""
    site.model(model)
    with site.ingesting:
        found = schemas.versions(site.store, model)
        if not found or found[0].number != PROPOSED:
            raise RefusedError(
                f"Approving the columns of {model}: no file proposes any. Nothing was changed. "
                f"Look with cdml schema {model}.",
                code="nothing_proposed",
            )
        made = Version(
            found[-1].number + 1 if len(found) > 1 else 2,
            found[0].columns,
            site.clock.now(),
            str(actor),
            found[0].file,
        )
        differing = changes(batches.columns(site.store, model), made.columns)
        now, wall = site.clock.now(), site.clock.wall()
        with site.ledger.change(
            actor, "schema", model, now=now, wall=wall, reason=asked.reason,
            key=asked.idempotency_key,
        ) as change:  # fmt: skip
            change.detail["version"] = made.number
            change.detail["columns"] = made.columns
        schemas.enforce(site.store, model, made)
    said = ", ".join(f"{'+' if c.then else '-'}{c.column}" for c in differing)
    site.tell("ACT", "schema", model, f"{actor}: columns are version {made.number} now: {said}")
    return page(site, model)
