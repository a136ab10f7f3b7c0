"""Delivered rows are what they were when they were taken in: a file by the digest that names it."""

from engine.errors import CorruptError
from engine.pipeline.site import Site
from engine.store import batches, intake
from engine.store.batches import Batch

EVERY_S = 600.0


def watch(site: Site) -> None:
    """Every ten minutes, and after a start, tell which files of a model are not what they were."""
    now = site.clock.monotonic()
    if now - site.batches_looked < EVERY_S:
        return
    site.batches_looked = now
    for model in site.settings.models:
        for batch in batches.known(site.store, model):
            if not batch.verdict.startswith("accepted"):
                continue
            if not is_whole(site, batch.batch):
                site.tell("CRIT", "batch", model, _said(site, batch.batch, batch.file))
            if not batches.is_noted(site.store, batch):
                _note_again(site, batch)


def _note_again(site: Site, batch: Batch) -> None:
    """Write a batch's note anew: without it, a lost store would not know the rows any more."""
    columns = batches.columns(site.store, batch.model)
    query = batches.queries(site.store, batch.model).get(batch.batch, "")
    batches.note(site.store, batch, columns, query)
    said = f'the note of "{batch.file}" in batches/ was damaged or gone and was written anew'
    site.tell("WARN", "batch", batch.model, said)


def check(site: Site, model: str, named: list[str]) -> None:
    """Raise CorruptError where one of these batches is not what it was."""
    for batch in named:
        if not is_whole(site, batch):
            raise CorruptError(
                f"Training {model}: {_said(site, batch, batch[:12])} Nothing was trained.",
                code="batch_damaged",
            )


def is_whole(site: Site, batch: str) -> bool:
    """Say whether a batch's file is as it was; one whose size and times are known is not read."""
    path = site.workspace.batches / f"{batch}.parquet"
    try:
        found = path.stat()
        marks = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if site.batch_marks.get(batch) != marks:
            if intake.source_digest(path) != batch:
                return False
            site.batch_marks[batch] = marks
    except OSError:
        return False
    return True


def _said(site: Site, batch: str, file: str) -> str:
    return (
        f'the rows of "{file}" are gone or not what was taken in: batches/{batch[:12]}... is not '
        "what its name says. Put the file back from a backup, or drop the data again under "
        f"another name and taint this batch; find out who can write to {site.workspace.batches}."
    )
