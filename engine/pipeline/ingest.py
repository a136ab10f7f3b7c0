"""A delivered file becomes a batch, is recognised as delivered before, or goes to quarantine."""

import difflib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import CdmlError, InvalidError
from engine.pipeline.site import Site
from engine.settings import ModelSettings
from engine.store import batches, intake
from engine.store.batches import Batch
from engine.wire import UploadAnswer


@dataclass(frozen=True, slots=True)
class _Found:
    """What validation found: the columns to take, reasons to refuse, and warnings."""

    types: dict[str, str]
    refused: list[str]
    warnings: list[str]


def ingest(
    site: Site, model: str, path: Path, noted: Sequence[str] = (), query: str = ""
) -> UploadAnswer:
    """Take one complete file in; nothing of it is ever lost, whatever the verdict.

    One at a time, so that the same rows delivered twice at once are recognised. `noted` stands
    among the batch's warnings; `query` is what its rows came from, where that was no file.
    """
    with site.ingesting:
        return _ingest(site, model, path, noted, query)


def _ingest(site: Site, model: str, path: Path, noted: Sequence[str], query: str) -> UploadAnswer:
    settings = site.model(model)
    source = intake.source_digest(path)
    known = batches.known(site.store, model)
    # A file that was refused is judged again: what was wrong may be mended by now.
    known = [b for b in known if b.verdict != "quarantined"]
    twin = next((b for b in known if source in (b.source, b.batch)), None)
    if twin is not None:
        path.unlink()
        return _tell(site, model, path.name, "duplicate", twin.batch, 0, [_same(twin)])
    try:
        columns = batches.columns(site.store, model)
        found = _validate(settings, columns, intake.columns(path), path.name)
        if found.refused:
            return _quarantine(site, model, path, source, found.refused)
        taken = intake.snapshot(
            path,
            found.types,
            settings.time,
            site.settings.workspace.timezone,
            site.workspace.batches,
        )
    except InvalidError as e:
        return _quarantine(site, model, path, source, [e.message])
    twin = next((b for b in known if b.batch == taken.batch), None)
    if twin is not None:
        path.unlink()
        return _tell(site, model, path.name, "duplicate", twin.batch, 0, [_same(twin)])
    found.warnings.extend(noted)
    verdict = "accepted_with_warnings" if found.warnings else "accepted"
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
        found.warnings,
    )
    batches.add(site.store, batch, {} if columns else found.types, query)
    path.unlink()
    return _tell(site, model, path.name, verdict, taken.batch, taken.rows, found.warnings)


def _validate(
    settings: ModelSettings, columns: Mapping[str, str], found: Mapping[str, str], file: str
) -> _Found:
    """Compare a file's columns with the model's; before the first batch, with cdml.toml."""
    special = [settings.target, settings.time, settings.label_time, settings.id]
    wanted = list(columns) or [c for c in special if c]
    refused = [_missing(name, found, columns, file) for name in wanted if name not in found]
    warnings = []
    types = dict(columns) or {
        n: _kept(n, kind, settings) for n, kind in found.items() if kind != intake.OTHER
    }
    refused += [_untakable(name, file) for name in special if found.get(name or "") == intake.OTHER]
    for name, kind in found.items():
        expected = types.get(name)
        if expected is None:
            why = "has a type no model can take" if kind == intake.OTHER else "is new"
            warnings.append(f'column "{name}" {why} and was left out')
        elif not _fits(kind, expected):
            refused.append(
                f'Reading "{file}": column "{name}" is {kind}, {expected} is expected. '
                "Deliver it with the type it had before."
            )
    return _Found(types, refused, warnings)


def _untakable(name: str | None, file: str) -> str:
    return (
        f'Reading "{file}": column "{name}" is neither number, text, true/false nor time. '
        "Deliver it as one of these."
    )


def _kept(name: str, kind: str, settings: ModelSettings) -> str:
    """Return the type a column keeps for good; numbers that are no keys are all DOUBLE.

    A time may come as text: what cannot be read as one is refused when it is.
    """
    if name in (settings.time, settings.label_time):
        return "TIMESTAMP"
    if kind == intake.EMPTY:
        return "VARCHAR"
    keys = (settings.id, settings.target)
    return "DOUBLE" if kind == "BIGINT" and name not in keys else kind


def _fits(kind: str, expected: str) -> bool:
    return kind in (expected, intake.EMPTY) or (kind, expected) in _WIDER


_TIME_IN = ("VARCHAR", "BIGINT", "DOUBLE")  # what can be read as a time; each value is, or fails
_WIDER = {("BIGINT", "DOUBLE"), *((kind, "TIMESTAMP") for kind in _TIME_IN)}


def _missing(name: str, found: Mapping[str, str], columns: Mapping[str, str], file: str) -> str:
    strangers = [c for c in found if c not in columns]
    near = difflib.get_close_matches(name, strangers, n=1, cutoff=0.5)
    hint = f' It has "{near[0]}", which is new: was the column renamed?' if near else ""
    return f'Reading "{file}": column "{name}" is missing.{hint} Deliver the file with it.'


def _quarantine(
    site: Site, model: str, path: Path, source: str, reasons: list[str]
) -> UploadAnswer:
    kept = site.workspace.quarantine(model) / f"{source[:12]}-{path.name}"
    shutil.move(path, kept)
    kept.with_name(kept.name + ".why.txt").write_text("\n".join(reasons) + "\n", encoding="utf-8")
    now = site.clock.now()
    batch = Batch(source, model, path.name, "", now, 0, None, None, "quarantined", reasons)
    batches.add(site.store, batch, {})
    return _tell(site, model, path.name, "quarantined", None, 0, reasons)


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


def waiting(site: Site, settled_before: float) -> list[tuple[str, Path]]:
    """Return complete files in the drop folders, by name; one still being written waits.

    A file is complete when it was renamed into place, or has not changed since `settled_before`
    (seconds of the file system's clock). Dot files and .part files are never taken.
    """
    found = []
    for model in site.settings.models:
        for path in sorted(site.workspace.incoming(model).glob("*")):
            name = path.name
            if name.startswith(".") or name.endswith((".part", ".tmp")) or not path.is_file():
                continue
            if path.stat().st_mtime <= settled_before:
                found.append((model, path))
    return found


def ingest_waiting(site: Site, settled_before: float) -> list[str]:
    """Take in every complete file; return the models that have new accepted rows."""
    fresh: list[str] = []
    for model, path in waiting(site, settled_before):
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
