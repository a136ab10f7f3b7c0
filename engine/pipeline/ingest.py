"""A delivered file becomes a batch, is recognised as delivered before, or goes to quarantine."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import CdmlError, InvalidError, RefusedError
from engine.pipeline import arriving, schema, vetting, waiting
from engine.pipeline.arriving import Seen
from engine.pipeline.shape import Shape, compared
from engine.pipeline.site import Site
from engine.pipeline.vetting import Vetted
from engine.store import batches, delivered, intake
from engine.store.batches import Batch
from engine.store.intake import Snapshot
from engine.wire import UploadAnswer

JUDGED = ".judged"


@dataclass(frozen=True, slots=True)
class _Passed:
    """A file that may be taken in: its snapshot, its columns, what was measured and is told."""

    taken: Snapshot
    types: dict[str, str]
    vetted: Vetted
    warnings: list[str]


def ingest(
    site: Site,
    model: str,
    path: Path,
    noted: Sequence[str] = (),
    query: str = "",
    waived: str = "",
) -> UploadAnswer:
    """Take one complete file in; nothing of it is ever lost, whatever the verdict.

    One at a time, so that the same rows delivered twice at once are recognised. `noted` stands
    among the batch's warnings; `query` is what its rows came from, where that was no file. `waived`
    says who accepts it in spite of what is found; what are no rows of the model is refused even so.
    """
    if path.is_symlink():
        raise RefusedError(
            f'Taking in "{path.name}": it is a link, and would have this user read for another. '
            "Deliver the file itself.",
            code="is_a_link",
            field=path.name,
        )
    with site.ingesting:
        return _ingest(site, model, path, noted, query, waived)


def _ingest(
    site: Site, model: str, path: Path, noted: Sequence[str], query: str, waived: str
) -> UploadAnswer:
    read = arriving.seen(path)
    source = intake.source_digest(path)
    # A file that was refused is judged again: what was wrong may be mended by now.
    every = batches.known(site.store, model)
    known = [b for b in every if b.verdict.startswith("accepted")]
    if (twin := _twin(known, source)) is not None:
        arriving.let_go(path, read)
        return _tell(site, model, path.name, "duplicate", twin.batch, 0, [_same(twin)])
    with _aside(site.workspace.batches / JUDGED) as folder:
        try:
            found = _judge(site, model, path, folder, every)
        except InvalidError as e:
            arriving.check_same(path, read)
            return _quarantine(site, model, path, source, [e.message])
        arriving.check_same(path, read)
        if isinstance(found, Batch):
            arriving.let_go(path, read)
            return _tell(site, model, path.name, "duplicate", found.batch, 0, [_same(found)])
        refused = found.vetted.verdict.refused
        if refused and not waived:
            return _quarantine(site, model, path, source, refused, found)
        warnings = [*([waived] if waived else []), *refused, *found.warnings, *noted]
        return _accept(site, model, (path, read), source, found, warnings, query)


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """Yield an empty folder from which a snapshot can be renamed into place.

    Nobody takes for a batch what lies there; what a crash left goes.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _twin(known: list[Batch], *digests: str) -> Batch | None:
    return next((b for b in known if b.source in digests or b.batch in digests), None)


def _judge(site: Site, model: str, path: Path, folder: Path, every: list[Batch]) -> _Passed | Batch:
    """Read a file and judge its rows; return the batch whose rows they are, if there is one."""
    settings = site.model(model)
    columns = batches.columns(site.store, model)
    found = compared(settings, columns, intake.columns(path), path.name)
    if found.proposed is not None:
        schema.propose(site, model, found.proposed, path.name)
    if found.refused:
        raise InvalidError(
            " ".join([*found.refused, *_approvable(site, model, found, path)]), code="wrong_columns"
        )
    zone = site.settings.workspace.timezone
    taken = intake.snapshot(path, found.types, settings.time, zone, folder)
    known = [b for b in every if b.verdict.startswith("accepted")]
    if (twin := _twin(known, taken.batch)) is not None:
        return twin
    vetted = vetting.vet(site, model, folder, taken, found.types, every)
    return _Passed(taken, found.types, vetted, [*found.warnings, *vetted.verdict.warnings])


def _approvable(site: Site, model: str, found: Shape, path: Path) -> list[str]:
    """Say that a person may have the columns of a file from now on, where that would do."""
    wanted, of = found.proposed, site.model(model)
    if wanted is None or compared(of, wanted, intake.columns(path), path.name).refused:
        return []
    approve = f"cdml schema {model} --approve --reason T"
    return [f"If these are its columns from now on, type {approve}, and then accept the file."]


def _accept(
    site: Site,
    model: str,
    file: tuple[Path, Seen],
    source: str,
    found: _Passed,
    warnings: list[str],
    query: str,
) -> UploadAnswer:
    (path, _), taken = file, found.taken
    verdict = "accepted_with_warnings" if warnings else "accepted"
    batch = Batch(
        taken.batch,
        model,
        path.name,
        source,
        site.clock.now(),
        taken.rows,
        taken.time_from,
        taken.time_to,
        verdict,
        warnings,
        waiting.findings(found.vetted.verdict),
    )
    name = f"{taken.batch}.parquet"
    (site.workspace.batches / JUDGED / name).rename(site.workspace.batches / name)
    first = not batches.columns(site.store, model)
    batches.add(site.store, batch, found.types if first else {}, query)
    if first:
        schema.infer(site, model, found.types, path.name)
    if found.vetted.profile is not None:
        delivered.keep(site.store, model, taken.batch, found.vetted.profile)
    arriving.let_go(*file)
    return _tell(site, model, path.name, verdict, taken.batch, taken.rows, warnings)


def _quarantine(
    site: Site,
    model: str,
    path: Path,
    source: str,
    reasons: list[str],
    found: _Passed | None = None,
) -> UploadAnswer:
    now = site.clock.now()
    batch = Batch(source, model, path.name, "", now, 0, None, None, "quarantined", reasons)
    if found is not None:
        batch = replace(
            batch,
            rows=found.taken.rows,
            time_from=found.taken.time_from,
            time_to=found.taken.time_to,
            findings=waiting.findings(found.vetted.verdict),
        )
    told = waiting.set_aside(site, path, batch)
    return _tell(site, model, path.name, "quarantined", None, 0, told)


def _same(twin: Batch) -> str:
    return f"the same rows came before as {twin.file}, batch {twin.batch[:12]}"


def _tell(
    site: Site,
    model: str,
    file: str,
    verdict: str,
    batch: str | None,
    rows: int,
    reasons: list[str],
) -> UploadAnswer:
    level = "WARN" if verdict in ("quarantined", "accepted_with_warnings") else "INFO"
    why = f": {'; '.join(reasons)}" if reasons else ""
    count = f" {rows} rows" if rows else ""
    site.tell(level, "ingest", model, f'"{file}" {verdict.replace("_", " ")}{count}{why}')
    return UploadAnswer(model, file, verdict, batch, rows, reasons)  # type: ignore[arg-type]


def ingest_waiting(site: Site, settled_before: float) -> list[str]:
    """Take in every complete file; return the models that have new accepted rows."""
    fresh: list[str] = []
    for model, path in arriving.complete(site, settled_before):
        try:
            answer = ingest(site, model, path)
        except (CdmlError, OSError) as e:
            # The file stays where it is and is tried again at the next scan.
            if site.untaken.get(str(path)) != str(e):
                site.untaken[str(path)] = str(e)
                site.tell("WARN", "ingest", model, f'"{path.name}" could not be taken in: {e}')
            continue
        if answer.verdict.startswith("accepted") and model not in fresh:
            fresh.append(model)
    return fresh
